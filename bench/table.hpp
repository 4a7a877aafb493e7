// A table of results: printed for people, kept as JSON for comparison over time.
#pragma once

#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace weft::bench {

class Table {
 public:
  Table(std::string title, std::string unit, std::vector<std::string> columns)
      : title_(std::move(title)), unit_(std::move(unit)), columns_(std::move(columns)) {}

  void add(std::string name, std::vector<double> values) { rows_.emplace_back(std::move(name), std::move(values)); }

  void print() const {
    fmt::print("\n{} ({})\n{:<34}", title_, unit_, "");
    for (const auto& column : columns_) fmt::print("{:>{}}", column, width(column));
    for (const auto& [name, values] : rows_) {
      fmt::print("\n{:<34}", name);
      for (std::size_t i = 0; i < values.size(); i++) fmt::print("{:>{}.3f}", values[i], width(columns_[i]));
    }
    fmt::print("\n");
  }

  [[nodiscard]] nlohmann::ordered_json to_json() const {
    nlohmann::ordered_json rows;
    for (const auto& [name, values] : rows_)
      for (std::size_t i = 0; i < values.size(); i++) rows[name][columns_[i]] = values[i];
    return {{"title", title_}, {"unit", unit_}, {"rows", rows}};
  }

 private:
  static std::size_t width(const std::string& column) { return column.size() < 10 ? 12 : column.size() + 2; }
  std::string title_, unit_;
  std::vector<std::string> columns_;
  std::vector<std::pair<std::string, std::vector<double>>> rows_;
};

}  // namespace weft::bench
