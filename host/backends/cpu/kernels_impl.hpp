// The kernel set of one Warp model. Included by one source file per model, each compiled for its own instruction set.
//
// Everything here has internal linkage or is always inlined: a function that two of these files shared would be emitted
// twice for different processors, and the linker would keep either.
#pragma once

#include <cmath>
#include <cstring>
#include <limits>

#include "backends/cpu/kernels.hpp"
#include "backends/cpu/nearest_entries.hpp"
#include "weft/core/byte_planes.hpp"
#include "weft/core/crc32c.hpp"
#include "weft/core/half.hpp"
#include "weft/core/level_choice.hpp"
#include "weft/core/rans_decode.hpp"
#include "weft/core/rans_encode.hpp"
#include "weft/core/row_squares.hpp"

namespace weft::cpu {
namespace {

constexpr core::CrcTables kCrcTables = core::make_crc_tables();

template <core::Warp W>
std::uint32_t encode_symbols(const std::uint8_t* symbols, std::uint32_t n, int lanes_log2,
                             const core::EncodeTable& table, std::uint16_t* end) {
  return core::rans_encode<W>(symbols, n, lanes_log2, table, end);
}

template <core::Warp W>
core::Status decode_symbols(const std::uint16_t* words, std::uint32_t word_count, int lanes_log2,
                            const std::uint32_t* table, std::uint32_t n, std::uint8_t* out) {
  return core::rans_decode<W>(words, word_count, lanes_log2, table, n, out);
}

template <core::Warp W>
std::uint32_t encode_by_class(const std::uint8_t* symbols, const std::uint8_t* numbers, std::uint32_t n, int lanes_log2,
                              const core::EncodeTable* tables, std::uint16_t* end) {
  return core::rans_encode_by_class<W>(symbols, numbers, n, lanes_log2, tables, end);
}

template <core::Warp W>
core::Status decode_by_class(const std::uint16_t* words, std::uint32_t word_count, int lanes_log2,
                             const std::uint32_t* tables, const std::uint8_t* numbers, std::uint32_t n,
                             std::uint8_t* out) {
  return core::rans_decode<W>(words, word_count, lanes_log2, core::NumberedTables{tables, numbers}, n, out);
}

void number_classes(const std::uint8_t* classes, std::size_t n, const std::uint8_t* number_of_class,
                    std::uint8_t* numbers) {
  for (std::size_t i = 0; i < n; i++) numbers[i] = number_of_class[classes[i]];
}

template <core::Warp W>
std::uint32_t checksum(const std::uint8_t* data, std::size_t n) {
  return core::crc32c<W>(data, n, kCrcTables);
}

template <class Unit>
inline Unit load_unit(const std::byte* p) {
  Unit unit;
  std::memcpy(&unit, p, sizeof(Unit));
  return unit;
}

template <class Unit, bool kRotate>
void split_units(const std::byte* __restrict units, std::size_t n, Planes planes) {
  constexpr int kBytes = sizeof(Unit);
  std::uint8_t* __restrict p[kBytes];
  for (int k = 0; k < kBytes; k++) p[k] = planes[k];
  for (std::size_t i = 0; i < n; i++) {
    Unit unit = load_unit<Unit>(units + i * kBytes);
    if (kRotate) unit = core::rotate_sign_down(unit);
    for (int k = 0; k < kBytes; k++) p[k][i] = core::plane_byte(unit, k);
  }
}

template <class Unit, bool kRotate>
void merge_units(ConstPlanes planes, std::size_t n, std::byte* __restrict units) {
  constexpr int kBytes = sizeof(Unit);
  const std::uint8_t* __restrict p[kBytes];
  for (int k = 0; k < kBytes; k++) p[k] = planes[k];
  for (std::size_t i = 0; i < n; i++) {
    Unit unit = 0;
    for (int k = 0; k < kBytes; k++)
      unit = static_cast<Unit>(unit | static_cast<Unit>(p[k][i]) << (8 * (kBytes - 1 - k)));
    if (kRotate) unit = core::rotate_sign_up(unit);
    std::memcpy(units + i * kBytes, &unit, kBytes);
  }
}

void split(const std::byte* units, std::size_t n, int unit_bytes, bool rotate, Planes planes) {
  if (n == 0) return;
  if (unit_bytes == 1) {
    std::memcpy(planes[0], units, n);
  } else if (unit_bytes == 2) {
    (rotate ? split_units<std::uint16_t, true> : split_units<std::uint16_t, false>)(units, n, planes);
  } else if (unit_bytes == 4) {
    (rotate ? split_units<std::uint32_t, true> : split_units<std::uint32_t, false>)(units, n, planes);
  } else {
    (rotate ? split_units<std::uint64_t, true> : split_units<std::uint64_t, false>)(units, n, planes);
  }
}

void merge(ConstPlanes planes, std::size_t n, int unit_bytes, bool rotate, std::byte* units) {
  if (n == 0) return;
  if (unit_bytes == 1) {
    std::memcpy(units, planes[0], n);
  } else if (unit_bytes == 2) {
    (rotate ? merge_units<std::uint16_t, true> : merge_units<std::uint16_t, false>)(planes, n, units);
  } else if (unit_bytes == 4) {
    (rotate ? merge_units<std::uint32_t, true> : merge_units<std::uint32_t, false>)(planes, n, units);
  } else {
    (rotate ? merge_units<std::uint64_t, true> : merge_units<std::uint64_t, false>)(planes, n, units);
  }
}

void histogram(const std::uint8_t* data, std::size_t n, std::uint64_t* counts) {
  // Eight tables, so that a run of equal bytes does not wait for its own increments.
  std::uint32_t tables[8][256] = {};
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, data + i, 8);
    for (int k = 0; k < 8; k++) tables[k][word >> (8 * k) & 255]++;
  }
  for (; i < n; i++) tables[0][data[i]]++;
  for (int s = 0; s < 256; s++)
    for (int k = 0; k < 8; k++) counts[s] += tables[k][s];
}

// In parts small enough to stay in registers and the nearest cache, by loops that vectorise.
void pack_pairs(const std::uint8_t* symbols, std::size_t n, const core::PairWindow& window, std::uint8_t* pairs,
                std::uint32_t* outside) {
  constexpr std::size_t kPart = 128;
  const std::uint8_t base = window.base, filler = static_cast<std::uint8_t>(window.filler - window.base);
  for (std::size_t begin = 0; begin < n; begin += kPart) {
    const std::size_t size = n - begin < kPart ? n - begin : kPart;
    const std::uint8_t* from = symbols + 2 * begin;
    std::uint8_t places[2 * kPart];
    std::uint8_t beyond = 0;
    for (std::size_t i = 0; i < 2 * size; i++) {
      const auto place = static_cast<std::uint8_t>(from[i] - base);
      beyond |= place;
      places[i] = place < core::kPairSide ? place : filler;
    }
    for (std::size_t i = 0; i < size; i++) {
      std::uint16_t both = 0;
      std::memcpy(&both, places + 2 * i, 2);
      pairs[begin + i] = static_cast<std::uint8_t>(both | both >> 4);
    }
    if (beyond < core::kPairSide) continue;
    for (std::size_t i = 0; i < 2 * size; i++)
      if (!window.has(from[i])) outside[from[i]]++;
  }
}

void unpack_pairs(const std::uint8_t* pairs, std::size_t n, std::uint8_t base, std::uint8_t* symbols) {
  const auto bases = static_cast<std::uint16_t>(base * 0x0101);
  for (std::size_t i = 0; i < n; i++) {
    const auto both = static_cast<std::uint16_t>(((pairs[i] & 15) | (pairs[i] & 0xF0) << 4) + bases);
    std::memcpy(symbols + 2 * i, &both, 2);
  }
}

void to_float(DType dtype, const std::byte* units, std::size_t n, float* values) {
  if (dtype == DType::kF32) {
    if (n > 0) std::memcpy(values, units, 4 * n);
  } else if (dtype == DType::kBF16) {
    for (std::size_t i = 0; i < n; i++)
      values[i] = core::float_of_bits(core::bf16_to_f32(load_unit<std::uint16_t>(units + 2 * i)));
  } else if (dtype == DType::kF16) {
    for (std::size_t i = 0; i < n; i++)
      values[i] = core::float_of_bits(core::f16_to_f32(load_unit<std::uint16_t>(units + 2 * i)));
  } else {
    for (std::size_t i = 0; i < n; i++) values[i] = static_cast<float>(load_unit<double>(units + 8 * i));
  }
}

void from_float(DType dtype, const float* values, std::size_t n, std::byte* units) {
  if (dtype == DType::kF32) {
    if (n > 0) std::memcpy(units, values, 4 * n);
  } else if (dtype == DType::kBF16) {
    for (std::size_t i = 0; i < n; i++) {
      const std::uint16_t bits = core::f32_to_bf16(core::bits_of_float(values[i]));
      std::memcpy(units + 2 * i, &bits, 2);
    }
  } else if (dtype == DType::kF16) {
    for (std::size_t i = 0; i < n; i++) {
      const std::uint16_t bits = core::f32_to_f16(core::bits_of_float(values[i]));
      std::memcpy(units + 2 * i, &bits, 2);
    }
  } else {
    for (std::size_t i = 0; i < n; i++) {
      const double wide = values[i];
      std::memcpy(units + 8 * i, &wide, 8);
    }
  }
}

void to_fixed(const float* values, std::size_t n, float inverse, float limit, std::int32_t* fixed) {
  for (std::size_t i = 0; i < n; i++) fixed[i] = core::to_fixed(values[i], inverse, limit);
}

void quantize(const std::int32_t* fixed, std::size_t n, const std::int32_t* thresholds, std::uint8_t* symbols) {
  for (std::size_t i = 0; i < n; i++)
    symbols[i] = static_cast<std::uint8_t>(core::symbol_by_threshold(fixed[i], thresholds));
}

void quantize_fine(const std::int32_t* fixed, std::size_t n, int low_bits, std::uint8_t* symbols, std::uint8_t* low) {
  for (std::size_t i = 0; i < n; i++) {
    const std::uint32_t code = core::nearest_code(fixed[i], low_bits);
    symbols[i] = static_cast<std::uint8_t>(code >> low_bits);
    low[i] = static_cast<std::uint8_t>(code & ((1u << low_bits) - 1));
  }
}

template <class Symbol>
void search(const float* values, std::size_t n, const float* thresholds, int log2, Symbol* symbols) {
  constexpr std::size_t kLanes = 16;  // steps of so many searches at once, which vectorises
  for (std::size_t begin = 0; begin < n; begin += kLanes) {
    const std::size_t size = n - begin < kLanes ? n - begin : kLanes;
    float value[kLanes] = {};
    std::memcpy(value, values + begin, size * sizeof(float));
    std::int32_t at[kLanes] = {};
    for (std::int32_t step = (1 << log2) >> 1; step > 0; step >>= 1)
      for (std::size_t k = 0; k < kLanes; k++) at[k] += thresholds[at[k] + step - 1] < value[k] ? step : 0;
    for (std::size_t k = 0; k < size; k++) symbols[begin + k] = static_cast<Symbol>(at[k]);
  }
}

template <bool kLow>
void sum_inward_of(const std::int32_t* fixed, std::size_t n, int low_bits, const std::uint8_t* symbols,
                   const std::uint8_t* low, InwardSums& sums) {
  constexpr std::size_t kPart = std::size_t{1} << 16;  // sums of this many values fit 32 bits, which vectorises
  for (std::size_t begin = 0; begin < n; begin += kPart) {
    const std::size_t end = n - begin < kPart ? n : begin + kPart;
    std::int32_t inward[3] = {}, count[3] = {};
    for (std::size_t i = begin; i < end; i++) {
      const std::int32_t level = core::level_of(symbols[i], kLow ? low[i] : 0u, low_bits);
      const std::int32_t sign = level >> 31;  // 0 or -1
      const std::int32_t size = (level ^ sign) - sign;
      const std::int32_t inside = -static_cast<std::int32_t>(fixed[i] != core::kOutOfRange);  // all ones, or zero
      const std::int32_t value = ((fixed[i] & inside) ^ sign) - sign;
      const std::int32_t rest = size * (1 << core::kFixedBits) - value;
      for (int k = 0; k < 3; k++) {
        const std::int32_t mask = inside & -static_cast<std::int32_t>(k < 2 ? size == k + 1 : size > 2);
        inward[k] += rest & mask;
        count[k] -= mask;
      }
    }
    for (int k = 0; k < 3; k++) sums.inward[k] += inward[k], sums.count[k] += count[k];
  }
}

void sum_inward(const std::int32_t* fixed, std::size_t n, int low_bits, const std::uint8_t* symbols,
                const std::uint8_t* low, InwardSums& sums) {
  (low_bits > 0 ? sum_inward_of<true> : sum_inward_of<false>)(fixed, n, low_bits, symbols, low, sums);
}

// core::part_of_lane for all lanes at once, in chunks of two loops that vectorise.
template <bool kWeighted>
void square_row_of(const float* values, std::size_t n, const double* weights, float centre, core::RowPart& part) {
  constexpr std::size_t kLanes = core::kSquaresLanes, kChunk = 8 * kLanes;
  double sums[kLanes] = {};
  std::int32_t largest = 0, finite = 0;
  for (std::size_t begin = 0; begin < n; begin += kChunk) {
    const std::size_t size = n - begin < kChunk ? n - begin : kChunk;
    float clean[kChunk];
    for (std::size_t i = 0; i < size; i++) {
      const std::uint32_t bits = core::bits_of_float(values[begin + i] - centre);
      auto magnitude = static_cast<std::int32_t>(bits & 0x7FFFFFFFu);
      const std::int32_t ok = -static_cast<std::int32_t>(magnitude < 0x7F800000);  // all ones, or zero
      magnitude &= ok;
      largest = magnitude > largest ? magnitude : largest;
      finite -= ok;
      clean[i] = core::float_of_bits(static_cast<std::uint32_t>(magnitude));
    }
    const auto add = [&](std::size_t i, std::size_t lane) {
      const double square = static_cast<double>(clean[i]) * static_cast<double>(clean[i]);
      sums[lane] += kWeighted ? square * weights[begin + i] : square;
    };
    std::size_t i = 0;
    for (; i + kLanes <= size; i += kLanes)
      for (std::size_t lane = 0; lane < kLanes; lane++) add(i + lane, lane);
    for (std::size_t lane = 0; i < size; i++, lane++) add(i, lane);
  }
  part = {core::fold_lanes(sums), core::float_of_bits(static_cast<std::uint32_t>(largest)),
          static_cast<std::uint16_t>(finite), 0};
}

void square_row(const float* values, std::size_t n, const double* weights, float centre, core::RowPart& part) {
  (weights != nullptr ? square_row_of<true> : square_row_of<false>)(values, n, weights, centre, part);
}

// In chunks of two loops that vectorise, as above.
template <class Value>
void compare(const Value* before, const Value* after, std::size_t n, PairSums& sums) {
  constexpr std::size_t kParts = PairSums::kParts, kChunk = 16 * kParts;
  double squared_error[kParts] = {}, squares[kParts] = {}, largest[kParts] = {};
  std::uint32_t lost = 0;
  for (std::size_t begin = 0; begin < n; begin += kChunk) {
    const std::size_t size = n - begin < kChunk ? n - begin : kChunk;
    Value from[kChunk], to[kChunk];
    for (std::size_t i = 0; i < size; i++) {
      const bool ok = std::fabs(before[begin + i]) <= std::numeric_limits<Value>::max();
      from[i] = ok ? before[begin + i] : 0;
      to[i] = ok ? after[begin + i] : 0;
      lost |= ok ? 0u : 1u;
    }
    const auto add = [&](std::size_t i, std::size_t k) {
      const double value = static_cast<double>(from[i]), error = static_cast<double>(to[i]) - value;
      const double distance = std::fabs(error);
      squares[k] += value * value;
      squared_error[k] += error * error;
      largest[k] = distance > largest[k] ? distance : largest[k];
    };
    std::size_t i = 0;
    for (; i + kParts <= size; i += kParts)
      for (std::size_t k = 0; k < kParts; k++) add(i + k, k);
    for (std::size_t k = 0; i < size; i++, k++) add(i, k);
  }
  std::memcpy(sums.squared_error, squared_error, sizeof squared_error);
  std::memcpy(sums.squares, squares, sizeof squares);
  std::memcpy(sums.largest_error, largest, sizeof largest);
  sums.all_finite = lost == 0;
}

template <core::Warp W>
constexpr Kernels make_kernels(std::string_view name, decltype(Kernels::trellis) trellis) {
  return {name,
          encode_symbols<W>,
          decode_symbols<W>,
          encode_by_class<W>,
          decode_by_class<W>,
          number_classes,
          checksum<W>,
          split,
          merge,
          histogram,
          pack_pairs,
          unpack_pairs,
          to_float,
          from_float,
          to_fixed,
          quantize,
          quantize_fine,
          search<std::uint8_t>,
          search<std::uint16_t>,
          nearest,
          sum_inward,
          square_row,
          compare<float>,
          compare<double>,
          trellis};
}

}  // namespace
}  // namespace weft::cpu
