// BD-rate tables: every setting against one base, network by network.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "sweep/curves.hpp"

namespace weft::sweep {

struct BdTable {
  std::string against;
  std::vector<std::string> networks, settings;
  std::vector<std::vector<std::optional<double>>> values;  // [network][setting], percent
  std::vector<std::optional<double>> means;                // per setting, over the networks that have a value
};

// Networks that the base lacks are left out, as is the base itself.
[[nodiscard]] BdTable bd_table(const std::string& against, const Curves& base,
                               const std::vector<std::pair<std::string, Curves>>& settings);

[[nodiscard]] std::string to_markdown(const BdTable& table);
[[nodiscard]] std::string to_text(const BdTable& table);
[[nodiscard]] nlohmann::ordered_json to_json(const BdTable& table);

}  // namespace weft::sweep
