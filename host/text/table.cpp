#include "text/table.hpp"

#include <algorithm>
#include <numeric>

#include "text/utf8.hpp"

namespace weft::text {
namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kNarrowest = 16;  // less of a name says nothing

}  // namespace

std::vector<std::size_t> Table::widths() const {
  std::vector<std::size_t> widths(alignment_.size());
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size() && i < widths.size(); i++) widths[i] = std::max(widths[i], columns(row[i]));
  return widths;
}

std::size_t Table::total_of(const std::vector<std::size_t>& widths) {
  return std::accumulate(widths.begin(), widths.end(), widths.empty() ? 0 : kGap * (widths.size() - 1));
}

void Table::fit(std::size_t column, std::size_t width) {
  const std::vector<std::size_t> all = widths();
  const std::size_t others = total_of(all) - all[column];
  const std::size_t most = std::max(kNarrowest, width - std::min(width, others));
  for (auto& row : rows_)
    if (column < row.size()) row[column] = shorten_middle(row[column], most);
}

std::string Table::render(const std::string& indent) const {
  const std::size_t count = alignment_.size();
  const std::vector<std::size_t> widths = this->widths();
  const std::size_t total = total_of(widths);

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
