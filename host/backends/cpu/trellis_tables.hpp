// The tables of a shape on this machine: built row by row as streams need them, and kept.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "trellis/shape.hpp"
#include "weft/archive.hpp"
#include "weft/core/rans_encode.hpp"

namespace weft::cpu {

inline constexpr std::size_t kKeptShapes = 4;  // by a TrellisCache

inline constexpr std::uint32_t kNoPrice = 1u << 20;  // of a symbol that a table does not have

class TrellisTables {
 public:
  explicit TrellisTables(const Shape& shape) : shape_(shape), curve_(shape) {
    for (int c = 0; c < core::kScaleClasses; c++)
      reach_[static_cast<std::size_t>(c)] = static_cast<std::uint32_t>(curve_.reach(c));
  }

  [[nodiscard]] const Shape& shape() const noexcept { return shape_; }

  // Makes the rows that a stream may use. Prices are for this lambda (squared cells a bit).
  void prepare_encode(const TrellisStream& stream);
  void prepare_decode(const TrellisStream& stream);

  [[nodiscard]] const std::uint32_t* reach() const noexcept { return reach_.data(); }
  [[nodiscard]] const std::uint32_t* prices() const noexcept { return prices_.data(); }
  [[nodiscard]] const core::EncodeTable* encode() const noexcept { return encode_.get(); }
  [[nodiscard]] const std::uint32_t* decode() const noexcept { return decode_.get(); }

 private:
  Shape shape_;
  trellis::MassCurve curve_;
  std::array<std::uint32_t, core::kScaleClasses> reach_{};
  double lambda_ = -1;
  std::array<bool, trellis::kRows> has_encode_{}, has_decode_{};
  std::vector<std::uint32_t> prices_;            // [row][256]
  std::unique_ptr<core::EncodeTable[]> encode_;  // [row]; only the rows in use are ever touched
  std::unique_ptr<std::uint32_t[]> decode_;      // [row][4096]
};

// Units of lambda: the price of a bit in 1/4096 squared steps.
[[nodiscard]] std::uint32_t price_of_bit(double lambda) noexcept;

// A few shapes' tables; the least recently used one gives way.
class TrellisCache {
 public:
  TrellisTables& tables(const Shape& shape);

 private:
  std::vector<std::unique_ptr<TrellisTables>> entries_;
};

}  // namespace weft::cpu
