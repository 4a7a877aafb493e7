#include "ptx/arithmetic.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string_view>

namespace weft::ptx {
namespace {

[[noreturn]] void fail(const char* what) { throw std::runtime_error(std::string("PTX: ") + what); }

template <class T>
T as(std::uint64_t bits) {
  if constexpr (sizeof(T) == 4)
    return std::bit_cast<T>(static_cast<std::uint32_t>(bits));
  else
    return std::bit_cast<T>(bits);
}
std::uint64_t bits_of(float value) { return std::bit_cast<std::uint32_t>(value); }
std::uint64_t bits_of(double value) { return std::bit_cast<std::uint64_t>(value); }

// Calls f with values of type float or double.
template <class F, class... Bits>
auto with_floats(Type type, F f, Bits... bits) {
  return type.bits == 32 ? f(as<float>(bits)...) : f(as<double>(bits)...);
}

template <class T>
T smaller(T a, T b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) ? b : a;
  return a == 0 && b == 0 ? (std::signbit(a) ? a : b) : std::min(a, b);
}
template <class T>
T larger(T a, T b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) ? b : a;
  return a == 0 && b == 0 ? (std::signbit(a) ? b : a) : std::max(a, b);
}

std::uint64_t float_binary(Math math, Type type, std::uint64_t a, std::uint64_t b) {
  return with_floats(
      type,
      [math](auto x, auto y) {
        switch (math) {
          case Math::kAdd:
            return bits_of(x + y);
          case Math::kSub:
            return bits_of(x - y);
          case Math::kMultiply:
            return bits_of(x * y);
          case Math::kDivide:
            return bits_of(x / y);
          case Math::kMin:
            return bits_of(smaller(x, y));
          case Math::kMax:
            return bits_of(larger(x, y));
          default:
            fail("arithmetic that floats do not have");
        }
      },
      a, b);
}

std::uint64_t shift(Math math, Type type, std::uint64_t a, std::uint64_t by) {
  const auto bits = static_cast<std::uint64_t>(type.bits);
  by = lower(by, 32);
  if (math == Math::kShiftLeft) return by >= bits ? 0 : lower(a << by, type.bits);
  if (type.kind != 's') return by >= bits ? 0 : a >> by;
  return lower(static_cast<std::uint64_t>(signed_value(a, type.bits) >> std::min(by, bits - 1)), type.bits);
}

std::uint64_t upper_product(Type type, std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = __int128;
  __extension__ using WideUnsigned = unsigned __int128;
  const int bits = type.bits;
  if (type.kind == 's') return static_cast<std::uint64_t>(Wide{signed_value(a, bits)} * signed_value(b, bits) >> bits);
  return static_cast<std::uint64_t>(WideUnsigned{a} * b >> bits);
}

}  // namespace

std::uint64_t binary(Math math, Type type, std::uint64_t a, std::uint64_t b) {
  if (type.kind == 'f') return float_binary(math, type, a, b);
  const bool is_signed = type.kind == 's';
  a = lower(a, type.bits);
  if (math == Math::kShiftLeft || math == Math::kShiftRight) return shift(math, type, a, b);
  b = lower(b, type.bits);
  const std::int64_t x = signed_value(a, type.bits), y = signed_value(b, type.bits);
  const auto result = [&]() -> std::uint64_t {
    switch (math) {
      case Math::kAdd:
        return a + b;
      case Math::kSub:
        return a - b;
      case Math::kAnd:
        return a & b;
      case Math::kOr:
        return a | b;
      case Math::kXor:
        return a ^ b;
      case Math::kMultiply:
        return a * b;
      case Math::kMultiplyHigh:
        return upper_product(type, a, b);
      case Math::kMin:
        return is_signed ? static_cast<std::uint64_t>(std::min(x, y)) : std::min(a, b);
      case Math::kMax:
        return is_signed ? static_cast<std::uint64_t>(std::max(x, y)) : std::max(a, b);
      case Math::kMinOrZero:
        return static_cast<std::uint64_t>(std::max<std::int64_t>(std::min(x, y), 0));
      case Math::kDivide:
        return b == 0 ? ~std::uint64_t{0} : is_signed ? static_cast<std::uint64_t>(x / y) : a / b;
      case Math::kRemainder:
        return b == 0 ? a : is_signed ? static_cast<std::uint64_t>(x % y) : a % b;
      default:
        fail("arithmetic that integers do not have");
    }
  };
  if (math == Math::kMultiplyWide)
    return lower(is_signed ? static_cast<std::uint64_t>(x) * static_cast<std::uint64_t>(y) : a * b, 2 * type.bits);
  return lower(result(), type.bits);
}

std::uint64_t unary(Math math, Type type, std::uint64_t a) {
  if (type.kind == 'f')
    return with_floats(
        type,
        [math](auto x) {
          if (math == Math::kNegate) return bits_of(-x);
          if (math == Math::kAbs) return bits_of(std::fabs(x));
          if (math == Math::kReciprocal) return bits_of(1 / x);
          fail("arithmetic that floats do not have");
        },
        a);
  a = lower(a, type.bits);
  switch (math) {
    case Math::kNegate:
      return lower(0 - a, type.bits);
    case Math::kNot:
      return lower(~a, type.bits);
    case Math::kAbs:
      return signed_value(a, type.bits) < 0 ? lower(0 - a, type.bits) : a;
    case Math::kCountOnes:
      return static_cast<std::uint64_t>(std::popcount(a));
    case Math::kLeadingZeros:
      return static_cast<std::uint64_t>(std::countl_zero(a) - (64 - type.bits));
    case Math::kReverse: {
      std::uint64_t reversed = 0;
      for (int i = 0; i < type.bits; i++) reversed |= (a >> i & 1) << (type.bits - 1 - i);
      return reversed;
    }
    default:
      fail("arithmetic that integers do not have");
  }
}

bool compare(const std::string& how, Type type, std::uint64_t a, std::uint64_t b) {
  const auto ordered = [&how](const auto& x, const auto& y) {
    const std::string_view base = std::string_view(how).substr(0, 2);
    if (base == "eq") return x == y;
    if (base == "ne") return x != y;
    if (base == "lt") return x < y;
    if (base == "le") return x <= y;
    if (base == "gt") return x > y;
    if (base == "ge") return x >= y;
    fail("a comparison that is not known");
  };
  if (type.kind == 'f')
    return with_floats(
        type,
        [&](auto x, auto y) {
          const bool is_nan = std::isnan(x) || std::isnan(y);
          if (how == "num" || how == "nan") return is_nan == (how == "nan");
          return is_nan ? how.size() == 3 : ordered(x, y);  // the third letter: or unordered
        },
        a, b);
  a = lower(a, type.bits);
  b = lower(b, type.bits);
  return type.kind == 's' ? ordered(signed_value(a, type.bits), signed_value(b, type.bits)) : ordered(a, b);
}

namespace {

double rounded(const Instruction& one, double x) {
  if (one.has("rni")) return std::nearbyint(x);
  if (one.has("rmi")) return std::floor(x);
  if (one.has("rpi")) return std::ceil(x);
  return one.has("rzi") ? std::trunc(x) : x;
}

std::uint64_t float_to_integer(Type to, double x) {
  if (std::isnan(x)) return to.bits == 64 ? std::uint64_t{1} << 63 : 0;
  const bool is_signed = to.kind == 's';
  const double low = is_signed ? -std::ldexp(1.0, to.bits - 1) : 0;
  const double high = std::ldexp(1.0, is_signed ? to.bits - 1 : to.bits);
  if (x < low) return lower(is_signed ? std::uint64_t{1} << (to.bits - 1) : 0, to.bits);
  if (x >= high) return lower(~std::uint64_t{0} >> (is_signed ? 65 - to.bits : 64 - to.bits), to.bits);
  return lower(is_signed ? static_cast<std::uint64_t>(static_cast<std::int64_t>(x)) : static_cast<std::uint64_t>(x),
               to.bits);
}

}  // namespace

std::uint64_t convert(const Instruction& one, std::uint64_t value) {
  const Type to = one.type, from = one.from;
  if (from.kind == 'f') {
    const double x = rounded(one, from.bits == 32 ? static_cast<double>(as<float>(value)) : as<double>(value));
    if (to.kind != 'f') return float_to_integer(to, x);
    return to.bits == 32 ? bits_of(static_cast<float>(x)) : bits_of(x);
  }
  value = lower(value, from.bits);
  if (from.kind == 's') {
    const std::int64_t x = signed_value(value, from.bits);
    if (to.kind != 'f') return lower(static_cast<std::uint64_t>(x), to.bits);
    return to.bits == 32 ? bits_of(static_cast<float>(x)) : bits_of(static_cast<double>(x));
  }
  if (to.kind != 'f') return lower(value, to.bits);
  return to.bits == 32 ? bits_of(static_cast<float>(value)) : bits_of(static_cast<double>(value));
}

std::uint64_t multiply_add(const Instruction& one, std::uint64_t a, std::uint64_t b, std::uint64_t c) {
  if (one.type.kind == 'f')
    return with_floats(
        one.type, [](auto x, auto y, auto z) { return bits_of(std::fma(x, y, z)); }, a, b, c);
  const int bits = one.math == Math::kMultiplyWide ? 2 * one.type.bits : one.type.bits;
  return lower(binary(one.math, one.type, a, b) + c, bits);
}

std::uint64_t insert_bits(Type type, std::uint64_t bits, std::uint64_t base, unsigned at, unsigned count) {
  const auto width = static_cast<unsigned>(type.bits);
  at &= 255;
  count = at >= width ? 0 : std::min(count & 255, width - at);
  const std::uint64_t mask = lower(~std::uint64_t{0}, static_cast<int>(count)) << (count == 0 ? 0 : at);
  return lower((base & ~mask) | (bits << (count == 0 ? 0 : at) & mask), type.bits);
}

std::uint64_t extract_bits(Type type, std::uint64_t bits, unsigned at, unsigned count) {
  const auto width = static_cast<unsigned>(type.bits);
  at &= 255;
  count &= 255;
  bits = lower(bits, type.bits);
  if (count == 0) return 0;
  const bool is_negative = type.kind == 's' && (bits >> std::min(at + count - 1, width - 1) & 1) != 0;
  const int copied = at >= width ? 0 : static_cast<int>(std::min(count, width - at));
  const std::uint64_t low = copied == 0 ? 0 : lower(bits >> at, copied);
  return is_negative ? lower(low | (~std::uint64_t{0} - lower(~std::uint64_t{0}, copied)), type.bits) : low;
}

std::uint32_t logic(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t table) {
  std::uint32_t result = 0;
  for (std::uint32_t i = 0; i < 8; i++) {
    if ((table >> i & 1) == 0) continue;
    result |= ((i & 4) != 0 ? a : ~a) & ((i & 2) != 0 ? b : ~b) & ((i & 1) != 0 ? c : ~c);
  }
  return result;
}

std::uint32_t permute(std::uint32_t low, std::uint32_t high, std::uint32_t selectors) {
  const std::uint64_t bytes = std::uint64_t{high} << 32 | low;
  std::uint32_t result = 0;
  for (int i = 0; i < 4; i++) {
    const std::uint32_t selector = selectors >> (4 * i) & 15;
    std::uint32_t byte = static_cast<std::uint32_t>(bytes >> (8 * (selector & 7))) & 255;
    if ((selector & 8) != 0) byte = (byte & 128) != 0 ? 255 : 0;  // its sign alone
    result |= byte << (8 * i);
  }
  return result;
}

std::uint32_t dot(const Instruction& one, std::uint32_t a, std::uint32_t b, std::uint32_t sum) {
  const auto byte = [](Type type, std::uint32_t word, int i) {
    const std::uint64_t bits = word >> (8 * i) & 255;
    return type.kind == 's' ? signed_value(bits, 8) : static_cast<std::int64_t>(bits);
  };
  auto total = static_cast<std::uint64_t>(sum);
  for (int i = 0; i < 4; i++) total += static_cast<std::uint64_t>(byte(one.type, a, i) * byte(one.from, b, i));
  return static_cast<std::uint32_t>(total);
}

}  // namespace weft::ptx
