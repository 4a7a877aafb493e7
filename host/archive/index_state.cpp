#include "archive/index_state.hpp"

#include <bit>

namespace weft::archive {
namespace {

constexpr int kMantissaBits = 23;

// Of a negative step, which no reader takes, above 255.
int exponent_of(float step) { return static_cast<int>(std::bit_cast<std::uint32_t>(step) >> kMantissaBits); }
int last_exponent(const LastStream& last) {
  constexpr int kFirst = 119;
  return last.step ? exponent_of(*last.step) : kFirst;
}

}  // namespace

void put_step(NumberWriter& out, float step, LastStream& last) {
  const std::uint32_t mantissa = std::bit_cast<std::uint32_t>(step) & ((1u << kMantissaBits) - 1);
  const int zeros = mantissa == 0 ? kMantissaBits : std::countr_zero(mantissa);
  out.put_flag(Field::kSameStep, last.step == step);
  if (last.step == step) return;
  out.put_signed(Field::kStepExponent, exponent_of(step) - last_exponent(last));
  last.step = step;
  out.put(Field::kStepZeros, static_cast<std::uint64_t>(zeros));
  if (mantissa != 0) out.put_direct(mantissa >> (zeros + 1), kMantissaBits - 1 - zeros);
}

float get_step(NumberReader& in, LastStream& last) {
  constexpr const char* kFault = "a step is not a positive normal number";
  if (in.get_flag(Field::kSameStep)) {
    in.require(last.step.has_value(), "no step comes before that a stream could share");
    return *last.step;
  }
  const std::int64_t exponent = in.get_next(Field::kStepExponent, last_exponent(last), 1, 254, kFault);
  const std::uint64_t zeros = in.get(Field::kStepZeros);
  in.require(zeros <= kMantissaBits, kFault);
  std::uint32_t mantissa = 0;
  if (zeros < kMantissaBits) {
    const int left = kMantissaBits - 1 - static_cast<int>(zeros);
    mantissa = (2 * static_cast<std::uint32_t>(in.get_direct(left)) + 1) << zeros;
  }
  last.step = std::bit_cast<float>(static_cast<std::uint32_t>(exponent) << kMantissaBits | mantissa);
  return *last.step;
}

}  // namespace weft::archive
