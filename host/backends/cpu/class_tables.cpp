#include "backends/cpu/class_tables.hpp"

#include <algorithm>
#include <limits>
#include <optional>

#include "backends/cpu/plane_coder.hpp"

namespace weft::cpu {
namespace {

constexpr std::uint64_t kByte = 8 * 256;     // in 1/256 bit
constexpr std::uint64_t kLeastSaving = 256;  // of so many parts one: a look-up by class costs time

// In 1/256 bit, rounded down.
std::uint64_t table_length(const std::uint16_t frequencies[256]) {
  core::OneThread team;
  return static_cast<std::uint64_t>(core::table_bytes(core::symbols_of_table(frequencies, team)) * kByte);
}

// Classes that share a table.
struct Group {
  std::array<std::uint64_t, 256> counts{};
  std::uint64_t length = 0;          // of its symbols and its table, in 1/256 bit
  std::vector<std::size_t> classes;  // from the lowest on

  Group() = default;
  Group(const Group& a, const Group& b) : counts(a.counts), classes(a.classes) {
    for (std::size_t s = 0; s < counts.size(); s++) counts[s] += b.counts[s];
    classes.insert(classes.end(), b.classes.begin(), b.classes.end());
    measure();
  }
  void measure() {
    core::OneThread team;
    core::PlaneChoice choice;
    std::copy(counts.begin(), counts.end(), choice.counts);
    core::normalise(choice.counts, choice.frequencies);
    length = core::coded_length(choice, team) + table_length(choice.frequencies);
  }
};

// A group for each class that occurs.
std::vector<Group> count_classes(std::span<const std::uint8_t> symbols, const UnitClasses& classes) {
  std::vector<Group> groups(static_cast<std::size_t>(classes.highest - classes.lowest) + 1);
  for (std::size_t i = 0; i < symbols.size(); i++)
    groups[static_cast<std::size_t>(classes.of_unit[i] - classes.lowest)].counts[symbols[i]]++;
  for (std::size_t c = 0; c < groups.size(); c++) groups[c].classes = {c};
  std::erase_if(groups, [](const Group& group) {
    return std::all_of(group.counts.begin(), group.counts.end(), [](std::uint64_t count) { return count == 0; });
  });
  for (Group& group : groups) group.measure();
  return groups;
}

// Merges the two groups that merging makes dearer by the least or cheaper by the most, of equal ones the first, until there
// are few enough and it would make any dearer.
void merge_alike(std::vector<Group>& groups) {
  const auto price = [&](const Group& a, const Group& b) {
    return static_cast<std::int64_t>(Group(a, b).length - a.length - b.length);
  };
  std::vector<std::vector<std::int64_t>> prices(groups.size());  // of group i with those before it
  for (std::size_t i = 0; i < groups.size(); i++)
    for (std::size_t j = 0; j < i; j++) prices[i].push_back(price(groups[i], groups[j]));
  while (groups.size() > 1) {
    std::int64_t least = std::numeric_limits<std::int64_t>::max();
    std::size_t kept = 0, gone = 0;
    for (std::size_t i = 0; i < groups.size(); i++)
      for (std::size_t j = 0; j < i; j++)
        if (prices[i][j] < least) least = prices[i][j], kept = j, gone = i;
    if (groups.size() <= core::kMostClassTables && least >= 0) return;
    groups[kept] = Group(groups[kept], groups[gone]);
    const auto at = static_cast<std::ptrdiff_t>(gone);
    groups.erase(groups.begin() + at);
    prices.erase(prices.begin() + at);
    for (std::size_t i = gone; i < groups.size(); i++) prices[i].erase(prices[i].begin() + at);
    for (std::size_t i = 0; i < kept; i++) prices[kept][i] = price(groups[kept], groups[i]);
    for (std::size_t i = kept + 1; i < groups.size(); i++) prices[i][kept] = price(groups[i], groups[kept]);
  }
}

// A class that does not occur gets the table of the nearest that does, of two the lower one's.
std::vector<std::uint8_t> number_tables(const std::vector<Group>& groups, std::size_t class_count) {
  std::vector<std::optional<std::uint8_t>> known(class_count);
  for (std::size_t g = 0; g < groups.size(); g++)
    for (const std::size_t c : groups[g].classes) known[c] = static_cast<std::uint8_t>(g);
  std::vector<std::uint8_t> numbers(class_count);
  for (std::size_t c = 0; c < class_count; c++) {
    std::size_t distance = 0;
    const auto has = [&](std::size_t at) { return at < class_count && known[at].has_value(); };  // not below 0 either
    while (!has(c - distance) && !has(c + distance)) distance++;
    numbers[c] = *known[has(c - distance) ? c - distance : c + distance];
  }
  return numbers;
}

}  // namespace

DifferentTables different_tables(std::span<const FrequencyTable* const> table_of_class) {
  DifferentTables different;
  auto& tables = different.tables;
  for (const FrequencyTable* table : table_of_class) {
    const auto found = std::find(tables.begin(), tables.end(), table);
    different.numbers.push_back(static_cast<std::uint8_t>(found - tables.begin()));
    if (found == tables.end()) tables.push_back(table);
  }
  return different;
}

ClassTables choose_class_tables(std::span<const std::uint8_t> symbols, const UnitClasses& classes,
                                std::uint64_t plain) {
  std::vector<Group> groups = count_classes(symbols, classes);
  merge_alike(groups);
  if (groups.size() < 2) return {};
  ClassTables chosen;
  chosen.table_of_class = number_tables(groups, static_cast<std::size_t>(classes.highest - classes.lowest) + 1);
  chosen.length = chosen.table_of_class.size() * kByte;
  for (const Group& group : groups) {
    std::uint16_t frequencies[256];
    core::normalise(group.counts.data(), frequencies);
    chosen.tables.push_back(compact_table(frequencies));
    chosen.length += group.length;
  }
  return chosen.length + plain / kLeastSaving <= plain ? chosen : ClassTables{};
}

std::uint64_t plain_length(const core::PlaneTables& plane, const core::PlaneChoice work[2], std::uint64_t n) {
  if (plane.has_table == 0) return n * kByte;
  core::OneThread team;
  const std::uint64_t length =
      core::coded_length(work[plane.paired != 0 ? 0 : 1], team) + table_length(plane.frequencies);
  if (plane.paired == 0) return length;
  const std::uint64_t records = core::symbols_outside(plane.counted, plane.window, team) +
                                core::halves_replaced(plane.counted.pairs, plane.replacement, team);
  return length + core::length_of_records(records);
}

}  // namespace weft::cpu
