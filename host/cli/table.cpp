#include "cli/table.hpp"

#include <algorithm>
#include <cstddef>

#include "text/utf8.hpp"

namespace weft::cli {

void Table::add(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = text::printable(cell);
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::text() const {
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < columns_.size(); c++) {
    std::size_t width = text::columns(columns_[c].title);
    for (const auto& row : rows_) width = std::max(width, text::columns(row[c]));
    widths.push_back(width);
  }
  std::string out;
  const auto put_row = [&](const auto& cell_of) {
    std::string line;
    for (std::size_t c = 0; c < columns_.size(); c++) {
      const std::string& cell = cell_of(c);
      const std::string padding(widths[c] - text::columns(cell), ' ');
      if (c > 0) line += "  ";
      line += columns_[c].right ? padding + cell : cell + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  };
  put_row([&](std::size_t c) -> const std::string& { return columns_[c].title; });
  for (const auto& row : rows_) put_row([&](std::size_t c) -> const std::string& { return row[c]; });
  return out;
}

}  // namespace weft::cli
