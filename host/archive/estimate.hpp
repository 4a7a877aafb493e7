// How likely a decision is, and the range coder that makes use of it (FORMAT.md 2.1): what the index is coded with.
//
// Read me first:
// * A decision is coded in the bits that its estimate says, and the estimate then learns: fast in the beginning, for a small
//   network's index has a few hundred bytes.
// * One piece of code says how a number becomes decisions, for both directions: a coder's code() takes the decision to
//   encode and returns it, or takes nothing and returns the one that it decodes.
//
// Source of the range coder: Martin, "Range encoding" (1979), with the carry handling of Subbotin's and Pavlov's coders.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace weft::archive {

inline constexpr std::uint32_t kDirectProbability = 32768;
inline constexpr std::uint32_t kLeastRange = 1u << 24;  // a smaller one takes another byte

// So that no decision is ever impossible.
[[nodiscard]] constexpr std::uint32_t bounded_probability(std::uint32_t p) noexcept {
  return std::clamp(p, std::uint32_t{128}, std::uint32_t{65536 - 128});
}

// Of a decision 1, in 1/65536.
class Estimate {
 public:
  [[nodiscard]] std::uint32_t p() const noexcept { return p_; }
  [[nodiscard]] std::uint32_t weight() const noexcept { return n_; }  // decisions that it has seen, to a limit
  void learn(bool decision) noexcept {
    constexpr std::uint8_t kMost = 30;
    static constexpr auto kRates = [] {
      std::array<std::int64_t, kMost + 1> rates{};
      for (std::size_t n = 0; n < rates.size(); n++) rates[n] = 131072 / (2 * static_cast<std::int64_t>(n) + 3);
      return rates;
    }();
    p_ = static_cast<std::uint16_t>(p_ + (((decision ? 65535 : 0) - std::int64_t{p_}) * kRates[n_] >> 16));
    n_ = std::min<std::uint8_t>(static_cast<std::uint8_t>(n_ + 1), kMost);
  }

 private:
  std::uint16_t p_ = 32768;
  std::uint8_t n_ = 0;
};

class DecisionEncoder {
 public:
  bool code(bool decision, std::uint32_t probability) {
    const std::uint32_t part = (range_ >> 16) * probability;
    if (decision) {
      range_ = part;
    } else {
      low_ += part;
      range_ -= part;
    }
    for (; range_ < kLeastRange; range_ <<= 8) shift();
    return decision;
  }
  // The bytes, without zeros at their end, which a decoder finds there anyway.
  [[nodiscard]] std::vector<std::byte> finish() {
    // A number in the range whose last bytes are zero.
    low_ = (low_ + kLeastRange - 1) / kLeastRange * kLeastRange;
    for (int i = 0; i < 5; i++) shift();
    while (!out_.empty() && out_.back() == std::byte{0}) out_.pop_back();
    return std::move(out_);
  }

 private:
  // Holds back bytes that a carry may still change.
  void shift() {
    if (low_ < 0xFF000000u || low_ > 0xFFFFFFFFu) {
      const auto carry = static_cast<std::uint8_t>(low_ >> 32);
      if (has_held_) put(static_cast<std::uint8_t>(held_ + carry));
      for (; pending_ != 0; pending_--) put(static_cast<std::uint8_t>(0xFF + carry));
      held_ = static_cast<std::uint8_t>(low_ >> 24);
      has_held_ = true;
    } else {
      pending_++;
    }
    low_ = (low_ & 0x00FFFFFFu) << 8;
  }
  void put(std::uint8_t byte) { out_.push_back(static_cast<std::byte>(byte)); }

  std::vector<std::byte> out_;
  std::uint64_t low_ = 0, pending_ = 0;
  std::uint32_t range_ = ~0u;
  std::uint8_t held_ = 0;
  bool has_held_ = false;
};

class DecisionDecoder {
 public:
  explicit DecisionDecoder(std::span<const std::byte> bytes) : bytes_(bytes) {
    for (int i = 0; i < 4; i++) code_ = code_ << 8 | next();
  }
  bool code(bool /*decision*/, std::uint32_t probability) {
    const std::uint32_t part = (range_ >> 16) * probability;
    const bool decision = code_ < part;
    if (decision) {
      range_ = part;
    } else {
      code_ -= part;
      range_ -= part;
    }
    for (; range_ < kLeastRange; range_ <<= 8) code_ = code_ << 8 | next();
    return decision;
  }
  // Bytes that have been read, those behind the end included.
  [[nodiscard]] std::uint64_t taken() const noexcept { return taken_; }

 private:
  std::uint32_t next() {
    return taken_ < bytes_.size() ? static_cast<std::uint32_t>(bytes_[taken_++]) : (taken_++, 0u);
  }

  std::span<const std::byte> bytes_;
  std::uint64_t taken_ = 0;
  std::uint32_t range_ = ~0u, code_ = 0;
};

template <class Coder>
bool code_decision(Coder& coder, Estimate& estimate, bool decision) {
  decision = coder.code(decision, bounded_probability(estimate.p()));
  estimate.learn(decision);
  return decision;
}

template <class Coder>
std::uint64_t code_direct(Coder& coder, std::uint64_t bits, int count) {
  std::uint64_t value = 0;
  for (int i = count - 1; i >= 0; i--)
    value = value << 1 | (coder.code((bits >> i & 1) != 0, kDirectProbability) ? 1 : 0);
  return value;
}

// What is known of the numbers of a kind.
class Context {
 public:
  template <class Coder>
  std::uint64_t code(Coder& coder, std::uint64_t v) {
    const int wanted = static_cast<int>(std::bit_width(v));
    int width = 0;
    while (width < 64 && code_decision(coder, widths_[static_cast<std::size_t>(width)], width < wanted)) width++;
    if (width < 2) return static_cast<std::uint64_t>(width);
    if (tops_.size() <= static_cast<std::size_t>(width)) tops_.resize(static_cast<std::size_t>(width) + 1);
    std::uint64_t value = 1;
    std::size_t node = 1;
    for (int j = width - 2; j >= 0; j--) {
      Estimate& estimate = node < 8 ? tops_[static_cast<std::size_t>(width)][node] : lows_[static_cast<std::size_t>(j)];
      const bool bit = code_decision(coder, estimate, (v >> j & 1) != 0);
      value = value << 1 | (bit ? 1 : 0);
      if (node < 8) node = 2 * node + (bit ? 1 : 0);
    }
    return value;
  }

 private:
  std::array<Estimate, 64> widths_;
  std::vector<std::array<Estimate, 8>> tops_;  // by width, as far as there was one
  std::array<Estimate, 64> lows_;
};

}  // namespace weft::archive
