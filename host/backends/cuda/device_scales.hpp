// The scales of a trellis stream as a device walks over them (core/scale_walk.hpp).
#pragma once

#include <cstddef>
#include <cstdint>

#include "weft/archive.hpp"
#include "weft/core/scale_walk.hpp"

namespace weft::cuda {

class DeviceScales {
 public:
  DeviceScales() = default;
  explicit DeviceScales(const TrellisStream& stream);  // which stays where it is

  // Whether a device can walk over them.
  [[nodiscard]] bool fit() const noexcept { return bytes_ > 0; }
  // Of their codes; a multiple of 4.
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  // Writes the codes to where `device` is the address on the device, and says where there they are.
  [[nodiscard]] core::ScaleParameters fill(std::byte* codes, const std::uint8_t* device) const;

 private:
  [[nodiscard]] std::uint8_t column_code(int code) const noexcept;

  const TrellisStream* stream_ = nullptr;
  const ScaleFactor* columns_ = nullptr;  // null: the stream has none
  int lowest_code_ = 0,
      highest_code_ = 0;  // of columns; beyond these no sum of the others leads back to where classes differ
  core::ScaleParameters parameters_{};  // but for the addresses
  std::size_t bytes_ = 0;               // the columns' first
};

}  // namespace weft::cuda
