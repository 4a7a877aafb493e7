// How likely the codes of scale factors are (FORMAT.md 2.7).
//
// Read me first:
// * A factor's codes are alike, and different factors' are not; neighbours are, and channels that several tensors share. So a
//   decision blends what all factors, this factor, the code before and the same channel of another factor say, each by what
//   it has seen.
// * This part is serial. It is decoded once, when an archive is opened: some ten thousand codes, rarely millions.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "archive/estimate.hpp"

namespace weft::archive {

class ScaleCodeModel {
 public:
  // Before the first code of a factor. `alike`: the last factor before with as many codes, or none; stays where it is.
  void begin_factor(std::span<const std::int8_t> alike) {
    alike_ = alike;
    at_ = 0;
    before_ = 0;
    of_factor_ = {};
    by_before_ = {};
    by_alike_ = {};
  }

  template <class Coder>
  int code(Coder& coder, int code) {
    before_at_ = place_of(before_, kNear);
    if (!alike_.empty()) alike_at_ = place_of(alike_[at_], kNearAlike);
    before_ = 0;
    if (decide(coder, 0, code != 0)) {
      const bool negative = decide(coder, 1, code < 0);
      const int first = negative ? kNegative : kPositive, most = negative ? 127 : 126;
      int more = 0;
      while (more < most && decide(coder, first + more, std::abs(code) - 1 > more)) more++;
      before_ = negative ? -more - 1 : more + 1;
    }
    at_++;
    return before_;
  }

 private:
  static constexpr int kNear = 3, kNearAlike = 4, kPositive = 2, kNegative = 130, kNodes = 257;
  using Nodes = std::array<Estimate, kNodes>;

  static std::size_t place_of(int code, int near) {
    const int place = std::clamp(code, -near, near) + near;
    return static_cast<std::size_t>(place);
  }

  template <class Coder>
  bool decide(Coder& coder, int at, bool decision) {
    constexpr std::uint32_t kWeight = 4, kAlikeWeight = 2;
    const auto node = static_cast<std::size_t>(at);
    Estimate &all = all_[node], &factor = of_factor_[node], &before = by_before_[before_at_][node];
    std::uint32_t sum = kWeight * all.p() + factor.weight() * factor.p() + before.weight() * before.p();
    std::uint32_t weight = kWeight + factor.weight() + before.weight();
    Estimate* alike = alike_.empty() ? nullptr : &by_alike_[alike_at_][node];
    if (alike != nullptr) {
      sum += kAlikeWeight * alike->weight() * alike->p();
      weight += kAlikeWeight * alike->weight();
    }
    decision = coder.code(decision, bounded_probability(sum / weight));
    for (Estimate* estimate : {&all, &factor, &before, alike})
      if (estimate != nullptr) estimate->learn(decision);
    return decision;
  }

  Nodes all_;
  Nodes of_factor_;
  std::array<Nodes, 2 * kNear + 1> by_before_;
  std::array<Nodes, 2 * kNearAlike + 1> by_alike_;
  std::span<const std::int8_t> alike_;
  std::size_t at_ = 0, before_at_ = 0, alike_at_ = 0;
  int before_ = 0;
};

}  // namespace weft::archive
