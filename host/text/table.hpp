// A table in plain text: columns as wide as their widest cell, two spaces apart.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace weft::text {

class Table {
 public:
  // One character per column: 'l' or 'r' for its alignment.
  explicit Table(std::string alignment) : alignment_(std::move(alignment)) {}

  // Missing cells are empty.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  // A line of '-' from side to side.
  void add_rule() { rows_.emplace_back(); }

  // Shortens the cells of a column in their middle, so far as they can be read, where the table would be wider than this.
  void fit(std::size_t column, std::size_t width);

  // Every line ends with '\n' and has no spaces at its end.
  [[nodiscard]] std::string render(const std::string& indent = "") const;

 private:
  [[nodiscard]] std::vector<std::size_t> widths() const;
  [[nodiscard]] static std::size_t total_of(const std::vector<std::size_t>& widths);

  std::string alignment_;
  std::vector<std::vector<std::string>> rows_;  // without cells: a rule
};

}  // namespace weft::text
