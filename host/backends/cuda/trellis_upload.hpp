// What both directions of codec trellis bring to a device of a stream: its scales, and what a predictor looks up.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "backends/cuda/device.hpp"
#include "weft/archive.hpp"

namespace weft::cuda {

// Every GPU since 2020 has 99 KB of shared memory. What a warp or a thread block needs beside tables takes some of it.
inline constexpr std::size_t kMostRowBytes = 76 * 1024, kMostPriceBytes = 72 * 1024;

[[nodiscard]] core::FloatType float_type(DType dtype) noexcept;

// Whether a device can walk over the stream's scales.
[[nodiscard]] bool scales_fit(const TrellisStream& stream) noexcept;

// Where they lie in an upload.
class TrellisUpload {
 public:
  // take(bytes, alignment) answers with an offset.
  void place(const TrellisStream& stream, const std::function<std::size_t(std::size_t, std::size_t)>& take);
  // Fills the upload in, and what points there once it is at `device`.
  void fill(const TrellisStream& stream, std::byte* upload, const std::uint8_t* device, core::ScaleParameters& scales,
            const std::uint32_t*& predictor) const;

 private:
  std::size_t predictor_ = 0;
  std::array<std::size_t, core::kMaxFactors> codes_{};
};

}  // namespace weft::cuda
