// Frequency tables that entropy coders get wrong, and symbols drawn from them.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "weft/core/rans_params.hpp"

namespace weft::test {

struct SymbolSource {
  std::string name;
  std::array<std::uint16_t, 256> frequencies{};

  [[nodiscard]] std::vector<std::uint8_t> draw(std::size_t n, std::uint32_t seed) const {
    std::vector<std::uint8_t> slots;
    for (std::size_t s = 0; s < 256; s++) slots.insert(slots.end(), frequencies[s], static_cast<std::uint8_t>(s));
    std::mt19937 random(seed);
    std::vector<std::uint8_t> symbols(n);
    for (auto& symbol : symbols) symbol = slots[random() % slots.size()];
    return symbols;
  }
};

inline std::vector<SymbolSource> symbol_sources() {
  const auto with = [](std::string name, std::initializer_list<std::pair<int, int>> pairs) {
    SymbolSource source{std::move(name), {}};
    for (const auto& [symbol, frequency] : pairs)
      source.frequencies[static_cast<std::size_t>(symbol)] = static_cast<std::uint16_t>(frequency);
    return source;
  };
  std::vector<SymbolSource> sources = {
      with("p near 1", {{7, 4095}, {8, 1}}),
      with("p near 1, last symbol", {{254, 1}, {255, 4095}}),
      with("p above a half", {{0, 2049}, {1, 1500}, {255, 547}}),
      with("two equal", {{100, 2048}, {200, 2048}}),
      with("three thirds", {{1, 1365}, {2, 1366}, {3, 1365}}),
  };
  SymbolSource flat{"flat", {}};
  flat.frequencies.fill(16);
  sources.push_back(flat);
  SymbolSource rare{"one common, 255 of p = 1/M", {}};
  rare.frequencies.fill(1);
  rare.frequencies[128] = core::kProbScale - 255;
  sources.push_back(rare);
  SymbolSource mixed{"odd frequencies of all sizes", {}};
  std::uint32_t sum = 0;
  for (std::uint32_t s = 0; s < 128; s++)
    sum += mixed.frequencies[2 * s] = static_cast<std::uint16_t>(1 + s * s / 256 + s % 3);
  mixed.frequencies[0] = static_cast<std::uint16_t>(mixed.frequencies[0] + core::kProbScale - sum);
  sources.push_back(mixed);
  return sources;
}

}  // namespace weft::test
