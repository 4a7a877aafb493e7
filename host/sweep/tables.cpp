#include "sweep/tables.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "text/table.hpp"
#include "text/utf8.hpp"

namespace weft::sweep {
namespace {

std::string percent(const std::optional<double>& value) { return value ? fmt::format("{:+.2f} %", *value) : "-"; }

// Header, a row for each network, the mean.
std::vector<std::vector<std::string>> rows_of(const BdTable& table) {
  std::vector<std::vector<std::string>> rows{{"network"}};
  for (const std::string& setting : table.settings) rows[0].push_back(setting);
  const auto add = [&](const std::string& name, const std::vector<std::optional<double>>& values) {
    rows.push_back({text::printable(name)});
    for (const auto& value : values) rows.back().push_back(percent(value));
  };
  for (std::size_t n = 0; n < table.networks.size(); n++) add(table.networks[n], table.values[n]);
  add("mean", table.means);
  return rows;
}

std::string title(const BdTable& table) {
  return fmt::format("BD-rate against {} (mean difference of bits at equal SQNR; negative: smaller)",
                     text::printable(table.against));
}

}  // namespace

BdTable bd_table(const std::string& against, const Curves& base,
                 const std::vector<std::pair<std::string, Curves>>& settings) {
  BdTable table;
  table.against = against;
  std::vector<const Curves*> curves;
  std::set<std::string> networks;
  for (const auto& [name, mine] : settings) {
    if (name == against) continue;
    table.settings.push_back(name);
    curves.push_back(&mine);
    for (const auto& [network, curve] : mine)
      if (base.count(network) != 0) networks.insert(network);
  }
  table.networks.assign(networks.begin(), networks.end());
  std::vector<double> sums(curves.size());
  std::vector<int> counts(curves.size());
  for (const std::string& network : table.networks) {
    auto& row = table.values.emplace_back();
    for (std::size_t s = 0; s < curves.size(); s++) {
      const auto mine = curves[s]->find(network);
      row.push_back(mine == curves[s]->end() ? std::nullopt : bd_rate(base.at(network), mine->second));
      if (row.back()) sums[s] += *row.back(), counts[s]++;
    }
  }
  for (std::size_t s = 0; s < curves.size(); s++)
    table.means.push_back(counts[s] > 0 ? std::optional<double>(sums[s] / counts[s]) : std::nullopt);
  return table;
}

std::string to_markdown(const BdTable& table) {
  const auto rows = rows_of(table);
  std::string markdown = fmt::format("{}\n\n", title(table));
  for (std::size_t r = 0; r < rows.size(); r++) {
    markdown += fmt::format("| {} |\n", fmt::join(rows[r], " | "));
    if (r > 0) continue;
    markdown += "|---|";
    for (std::size_t s = 0; s < table.settings.size(); s++) markdown += "---:|";
    markdown += '\n';
  }
  return markdown;
}

std::string to_text(const BdTable& table) {
  text::Table lines('l' + std::string(table.settings.size(), 'r'));
  const auto rows = rows_of(table);
  for (std::size_t r = 0; r < rows.size(); r++) {
    if (r == 1 || r + 1 == rows.size()) lines.add_rule();
    lines.add(rows[r]);
  }
  return title(table) + '\n' + lines.render();
}

nlohmann::ordered_json to_json(const BdTable& table) {
  using Json = nlohmann::ordered_json;
  const auto number = [](const std::optional<double>& value) { return value ? Json(*value) : Json(); };
  Json settings = Json::object();
  for (std::size_t s = 0; s < table.settings.size(); s++) {
    Json networks = Json::object();
    for (std::size_t n = 0; n < table.networks.size(); n++) networks[table.networks[n]] = number(table.values[n][s]);
    settings[table.settings[s]] = {{"networks", std::move(networks)}, {"mean", number(table.means[s])}};
  }
  return {{"against", table.against}, {"settings", std::move(settings)}};
}

}  // namespace weft::sweep
