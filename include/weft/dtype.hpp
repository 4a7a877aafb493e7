// Element types: the safetensors list, with the numbers that archives store.
//
// Sub-byte types (F4, F6) are handled as packed bytes: their unit is one byte. C64 is two F32 units per element.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace weft {

// The values are part of the archive format (FORMAT.md, "Element types").
enum class DType : std::uint8_t {
  kBool = 0,
  kU8 = 1,
  kI8 = 2,
  kU16 = 3,
  kI16 = 4,
  kU32 = 5,
  kI32 = 6,
  kU64 = 7,
  kI64 = 8,
  kF16 = 9,
  kBF16 = 10,
  kF32 = 11,
  kF64 = 12,
  kC64 = 13,
  kF8E4M3 = 14,
  kF8E5M2 = 15,
  kF8E8M0 = 16,
  kF8E4M3FNUZ = 17,
  kF8E5M2FNUZ = 18,
  kF6E2M3 = 19,
  kF6E3M2 = 20,
  kF4 = 21,
};
inline constexpr int kDTypeCount = 22;

// Bits of one element: 4, 6, 8, 16, 32 or 64.
[[nodiscard]] int bits_of(DType dtype) noexcept;

// Bytes of one unit, the piece that codecs work on: 1, 2, 4 or 8.
[[nodiscard]] int unit_bytes(DType dtype) noexcept;

// True for the types whose values the lossy codecs quantize: F16, BF16, F32, F64.
[[nodiscard]] bool is_quantizable(DType dtype) noexcept;

// The safetensors name, such as "BF16" or "F8_E4M3".
[[nodiscard]] std::string_view name_of(DType dtype) noexcept;
[[nodiscard]] std::optional<DType> dtype_from_name(std::string_view name) noexcept;
[[nodiscard]] std::optional<DType> dtype_from_wire(std::uint64_t value) noexcept;

}  // namespace weft
