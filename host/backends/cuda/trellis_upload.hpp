// What both directions of codec trellis bring to a device of a stream: its scales, and what a predictor looks up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "backends/cuda/device.hpp"
#include "backends/cuda/device_scales.hpp"
#include "weft/archive.hpp"

namespace weft::cuda {

// Every GPU since 2020 has 99 KB of shared memory. What a warp or a thread block needs beside tables takes some of it.
inline constexpr std::size_t kMostRowBytes = 76 * 1024, kMostPriceBytes = 72 * 1024;
// Maps are for those that have more: an A100 163 KB, an H100 227. Other GPUs do with rows.
inline constexpr std::size_t kMostMapBytes = 208 * 1024;
// Exact rows are worth it as long as two thread blocks of 8 warps share an H100's multiprocessor.
inline constexpr std::size_t kMostExactBytes = 96 * 1024;

[[nodiscard]] core::FloatType float_type(DType dtype) noexcept;

// Where they lie in an upload.
class TrellisUpload {
 public:
  TrellisUpload() = default;
  explicit TrellisUpload(const TrellisStream& stream) : stream_(&stream), scales_(stream) {}  // it stays where it is
  // Whether a device can walk over the stream's scales.
  [[nodiscard]] bool fits() const noexcept { return scales_.fit(); }
  // take(bytes, alignment) answers with an offset.
  void place(const std::function<std::size_t(std::size_t, std::size_t)>& take);
  // Fills the upload in, and what points there once it is at `device`.
  void fill(std::byte* upload, const std::uint8_t* device, core::ScaleParameters& scales,
            const std::uint32_t*& predictor) const;

 private:
  const TrellisStream* stream_ = nullptr;
  DeviceScales scales_;
  std::size_t predictor_ = 0, codes_ = 0;
};

}  // namespace weft::cuda
