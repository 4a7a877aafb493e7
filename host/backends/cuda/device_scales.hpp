// The scales of a trellis stream as a device walks over them (core/scale_walk.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "weft/archive.hpp"
#include "weft/core/scale_walk.hpp"

namespace weft::cuda {

class DeviceScales {
 public:
  DeviceScales() = default;
  explicit DeviceScales(const TrellisStream& stream);

  // Whether a device can walk over them.
  [[nodiscard]] bool fit() const noexcept { return fit_; }
  // Of their codes; a multiple of 4.
  [[nodiscard]] std::size_t bytes() const noexcept { return codes_.size(); }
  // Copies the codes to where `device` is the address on the device, and says where there they are.
  [[nodiscard]] core::ScaleParameters fill(std::byte* codes, const std::uint8_t* device) const;

 private:
  // Where the codes of a factor begin.
  std::size_t append(const std::vector<std::uint8_t>& codes);

  bool fit_ = false;
  std::vector<std::uint8_t> codes_;
  core::ScaleParameters parameters_{};  // but for the addresses
  std::size_t columns_ = 0, factors_[core::kMaxFactors] = {};
};

}  // namespace weft::cuda
