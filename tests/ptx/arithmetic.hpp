// What PTX's instructions make of values, which are bits: the lower ones of 64, as many as the type has.
#pragma once

#include <cstdint>

#include "ptx/program.hpp"

namespace weft::ptx {

[[nodiscard]] std::uint64_t binary(Math math, Type type, std::uint64_t a, std::uint64_t b);
[[nodiscard]] std::uint64_t unary(Math math, Type type, std::uint64_t a);
[[nodiscard]] bool compare(const std::string& how, Type type, std::uint64_t a, std::uint64_t b);
[[nodiscard]] std::uint64_t convert(const Instruction& one, std::uint64_t value);
// fma rounds once; mad is for integers.
[[nodiscard]] std::uint64_t multiply_add(const Instruction& one, std::uint64_t a, std::uint64_t b, std::uint64_t c);
[[nodiscard]] std::uint64_t insert_bits(Type type, std::uint64_t bits, std::uint64_t base, unsigned at, unsigned count);
[[nodiscard]] std::uint64_t extract_bits(Type type, std::uint64_t bits, unsigned at, unsigned count);
// Bit by bit, as `table` says by what a, b and c have: bit 4 a + 2 b + c of it.
[[nodiscard]] std::uint32_t logic(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t table);
[[nodiscard]] std::uint32_t permute(std::uint32_t low, std::uint32_t high, std::uint32_t selectors);
[[nodiscard]] std::uint32_t dot(const Instruction& one, std::uint32_t a, std::uint32_t b, std::uint32_t sum);

[[nodiscard]] constexpr std::uint64_t lower(std::uint64_t value, int bits) {
  return bits >= 64 ? value : value & ((std::uint64_t{1} << bits) - 1);
}
[[nodiscard]] constexpr std::int64_t signed_value(std::uint64_t value, int bits) {
  return bits >= 64 ? static_cast<std::int64_t>(value) : static_cast<std::int64_t>(value << (64 - bits)) >> (64 - bits);
}

}  // namespace weft::ptx
