// Seeded symbols with the frequency tables that have broken rANS coders: flat, skewed both ways, and a single symbol.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "weft/core/frequency.hpp"

namespace weft::cuda {

struct RansTables {
  std::array<std::uint16_t, 256> frequencies{};
  core::EncodeTable encode{};
  std::vector<std::uint32_t> decode = std::vector<std::uint32_t>(core::kProbScale);
};

struct RansCase {
  std::string name;
  std::vector<std::uint32_t> weights;  // of symbols 0, 1, ...

  // Counts of a long text with these weights.
  [[nodiscard]] std::array<std::uint64_t, 256> counts() const {
    std::array<std::uint64_t, 256> r{};
    for (std::size_t s = 0; s < weights.size(); s++) r[s] = weights[s];
    return r;
  }
  [[nodiscard]] std::unique_ptr<RansTables> tables() const {
    auto r = std::make_unique<RansTables>();
    core::normalise(counts().data(), r->frequencies.data());
    core::build_encode_table(r->frequencies.data(), r->encode);
    core::build_decode_table(r->frequencies.data(), r->decode.data());
    return r;
  }
  [[nodiscard]] std::vector<std::uint8_t> symbols(std::size_t n, std::uint32_t seed) const {
    std::mt19937 random(seed);
    std::discrete_distribution<int> draw(weights.begin(), weights.end());
    std::vector<std::uint8_t> r(n);
    for (auto& s : r) s = static_cast<std::uint8_t>(draw(random));
    return r;
  }
};

inline std::vector<RansCase> rans_cases() {
  return {{"flat", std::vector<std::uint32_t>(256, 1)},
          {"near one", {1, 4094, 1}},
          {"above a half", {10, 60, 20, 10}},
          {"one in 4096", {1, 1, 1, 2048, 1, 2043, 1}},
          {"one symbol", {0, 0, 7}}};
}

}  // namespace weft::cuda
