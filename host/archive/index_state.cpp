#include "archive/index_state.hpp"

#include <bit>

namespace weft::archive {
namespace {

constexpr int kMantissaBits = 23;

}  // namespace

void put_step(NumberWriter& out, float step, LastStream& last) {
  const auto bits = std::bit_cast<std::uint32_t>(step);
  const auto exponent =
      static_cast<int>(bits >> kMantissaBits);  // of a negative step, which no reader takes, above 255
  const std::uint32_t mantissa = bits & ((1u << kMantissaBits) - 1);
  const int zeros = mantissa == 0 ? kMantissaBits : std::countr_zero(mantissa);
  out.put(Field::kSameStep, step == last.step ? 1 : 0);
  if (step == last.step) return;
  last.step = step;
  out.put_signed(Field::kStepExponent, exponent - last.step_exponent);
  last.step_exponent = exponent;
  out.put(Field::kStepZeros, static_cast<std::uint64_t>(zeros));
  if (mantissa != 0) out.put_direct(mantissa >> (zeros + 1), kMantissaBits - 1 - zeros);
}

float get_step(NumberReader& in, LastStream& last) {
  constexpr const char* kFault = "a step is not a positive normal number";
  if (in.get_flag(Field::kSameStep)) {
    in.require(last.step > 0, "no step comes before that a stream could share");
    return last.step;
  }
  last.step_exponent = static_cast<int>(in.get_next(Field::kStepExponent, last.step_exponent, 1, 254, kFault));
  const std::uint64_t zeros = in.get(Field::kStepZeros);
  in.require(zeros <= kMantissaBits, kFault);
  std::uint32_t mantissa = 0;
  if (zeros < kMantissaBits) {
    const int left = kMantissaBits - 1 - static_cast<int>(zeros);
    mantissa = (2 * static_cast<std::uint32_t>(in.get_direct(left)) + 1) << zeros;
  }
  return last.step = std::bit_cast<float>(static_cast<std::uint32_t>(last.step_exponent) << kMantissaBits | mantissa);
}

}  // namespace weft::archive
