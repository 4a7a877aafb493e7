// From symbols of a uniform stream to weights (FORMAT.md 3.3, codec 2), unit by unit.
//
// * All is integers up to one float32 product, whose rounding IEEE fixes, and the rounding to the element type.
// * A channel's step is the stream's fine step times one of eight constants, then a power of two: both exact or rounded
//   once, alike everywhere.
#pragma once

#include <cstring>

#include "weft/core/half.hpp"
#include "weft/core/quantize.hpp"

namespace weft::core {

WEFT_HD float float_of_bits(std::uint32_t bits) {
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

WEFT_HD std::uint32_t bits_of_float(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

WEFT_HD bool is_finite(float value) { return (bits_of_float(value) & 0x7F800000u) != 0x7F800000u; }

// 2^(i/8) as binary32, part of the format. Not an array: a kernel would keep it in local memory.
WEFT_HD constexpr std::uint32_t eighth_octave(std::uint32_t i) {
  const std::uint32_t first =
      (i & 2) != 0 ? ((i & 1) != 0 ? 0x3FA5FED7 : 0x3F9837F0) : ((i & 1) != 0 ? 0x3F8B95C2 : 0x3F800000);
  const std::uint32_t second =
      (i & 2) != 0 ? ((i & 1) != 0 ? 0x3FEAC0C7 : 0x3FD744FD) : ((i & 1) != 0 ? 0x3FC5672A : 0x3FB504F3);
  return (i & 4) != 0 ? second : first;
}

// The fine step of a channel with this scale code. The result is normal (an index that says otherwise is refused).
WEFT_HD float channel_step(float fine_step, std::uint32_t code) {
  const float rounded = fine_step * float_of_bits(eighth_octave(code % 8));
  return float_of_bits(bits_of_float(rounded) + (code / 8 << 23) - (16u << 23));  // times 2^(code / 8 - 16)
}

struct UniformParameters {
  const std::uint8_t* scale_codes;  // null: one step for all
  std::uint64_t inner, channels;
  float fine_step;
  std::int8_t corrections[3];
  std::uint8_t low_bits;

  WEFT_HD float weight(std::uint32_t symbol, std::uint32_t low, float step) const {
    return static_cast<float>(fine_level(level_of(symbol, low, low_bits), corrections)) * step;
  }
};

// Which channel the units of a block belong to: one 64-bit division for a block, none or a short one for a unit.
struct ChannelPosition {
  std::uint64_t channel = 0;  // of the block's first unit
  std::uint64_t left = 0;     // units that this channel still has

  ChannelPosition() = default;
  WEFT_HD ChannelPosition(std::uint64_t inner, std::uint64_t channels, std::uint64_t first_element)
      : channel(first_element / inner % channels), left(inner - first_element % inner) {}
  WEFT_HD ChannelPosition(const UniformParameters& uniform, std::uint64_t first_element) {
    if (uniform.scale_codes != nullptr) *this = ChannelPosition(uniform.inner, uniform.channels, first_element);
  }
  // Of unit i from the block's first on; i < 2^31.
  WEFT_HD std::uint64_t channel_at(std::uint64_t inner, std::uint64_t channels, std::uint32_t i) const {
    if (i < left) return channel;
    // Here inner < 2^31 or the quotient is 0, for inner >= left - i.
    const std::uint32_t beyond = i - static_cast<std::uint32_t>(left);
    const std::uint64_t c = channel + 1 + (inner > beyond ? 0 : beyond / static_cast<std::uint32_t>(inner));
    return c < channels ? c : c % channels;
  }
  WEFT_HD float step_at(const UniformParameters& uniform, std::uint32_t i) const {
    if (uniform.scale_codes == nullptr) return uniform.fine_step;
    return channel_step(uniform.fine_step, uniform.scale_codes[channel_at(uniform.inner, uniform.channels, i)]);
  }
};

// Which codebook units have (FORMAT.md 3.3, codec 4): `group` consecutive channels share one; 0: all do.
struct ChannelGroups {
  std::uint64_t inner, channels, group;

  // Of a block that begins with this element.
  WEFT_HD ChannelPosition position(std::uint64_t first_element) const {
    return group == 0 ? ChannelPosition{} : ChannelPosition(inner, channels, first_element);
  }
  // The group of the block's unit i.
  WEFT_HD std::uint64_t group_at(const ChannelPosition& position, std::uint32_t i) const {
    if (group == 0) return 0;
    const std::uint64_t channel = position.channel_at(inner, channels, i);
    return (channel | group) >> 32 != 0 ? channel / group
                                        : static_cast<std::uint32_t>(channel) / static_cast<std::uint32_t>(group);
  }
};

enum class FloatType : std::uint8_t { kBF16, kF16, kF32, kF64 };

// narrow: the float32 rounded to 32 bits at most that still say the unit; widen: from these to the unit.
template <FloatType kType>
struct FloatUnit;
template <>
struct FloatUnit<FloatType::kBF16> {
  using Unit = std::uint16_t;
  WEFT_HD static std::uint32_t narrow(float value) { return f32_to_bf16(bits_of_float(value)); }
  WEFT_HD static Unit widen(std::uint32_t bits) { return static_cast<Unit>(bits); }
};
template <>
struct FloatUnit<FloatType::kF16> {
  using Unit = std::uint16_t;
  WEFT_HD static std::uint32_t narrow(float value) { return f32_to_f16(bits_of_float(value)); }
  WEFT_HD static Unit widen(std::uint32_t bits) { return static_cast<Unit>(bits); }
};
template <>
struct FloatUnit<FloatType::kF32> {
  using Unit = std::uint32_t;
  WEFT_HD static std::uint32_t narrow(float value) { return bits_of_float(value); }
  WEFT_HD static Unit widen(std::uint32_t bits) { return bits; }
};
template <>
struct FloatUnit<FloatType::kF64> {
  using Unit = std::uint64_t;
  WEFT_HD static std::uint32_t narrow(float value) { return bits_of_float(value); }
  WEFT_HD static Unit widen(std::uint32_t bits) {
    const double wide = float_of_bits(bits);
    Unit unit = 0;
    std::memcpy(&unit, &wide, sizeof unit);
    return unit;
  }
};

template <FloatType kType>
WEFT_HD float float_of_unit(typename FloatUnit<kType>::Unit unit) {
  if constexpr (kType == FloatType::kBF16) {
    return float_of_bits(bf16_to_f32(unit));
  } else if constexpr (kType == FloatType::kF16) {
    return float_of_bits(f16_to_f32(unit));
  } else if constexpr (kType == FloatType::kF32) {
    return float_of_bits(unit);
  } else {
    double wide = 0;
    std::memcpy(&wide, &unit, sizeof wide);
    return static_cast<float>(wide);
  }
}

}  // namespace weft::core
