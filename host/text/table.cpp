#include "text/table.hpp"

#include <algorithm>

#include "text/utf8.hpp"

namespace weft::text {

std::string Table::render(const std::string& indent) const {
  constexpr std::size_t kGap = 2;
  const std::size_t count = alignment_.size();
  std::vector<std::size_t> widths(count);
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size() && i < count; i++) widths[i] = std::max(widths[i], columns(row[i]));
  std::size_t total = count > 0 ? kGap * (count - 1) : 0;
  for (const std::size_t width : widths) total += width;

  std::string result;
  for (const auto& row : rows_) {
    std::string line = row.empty() ? std::string(total, '-') : std::string();
    for (std::size_t i = 0; i < row.size() && i < count; i++) {
      const std::string space(widths[i] - columns(row[i]), ' ');
      if (i > 0) line.append(kGap, ' ');
      line += alignment_[i] == 'r' ? space + row[i] : row[i] + space;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    result += (line.empty() ? line : indent + line) + '\n';
  }
  return result;
}

}  // namespace weft::text
