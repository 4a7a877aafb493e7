// Code lengths that decide what is clustered how must not depend on a machine's mathematical library.
#pragma once

#include <cmath>

namespace weft::cluster {

// log2 from operations that every machine rounds alike; within a few units of the last place.
inline double log2_exactly_rounded_steps(double x) {
  int exponent = 0;
  double mantissa = std::frexp(x, &exponent);
  if (mantissa < 0.70710678118654752) {
    mantissa *= 2;
    exponent--;
  }
  const double s = (mantissa - 1) / (mantissa + 1), square = s * s;
  double series = 0;
  for (int i = 23; i >= 1; i -= 2) series = series * square + 1.0 / i;
  return exponent + s * series * (2 * 1.4426950408889634);
}

}  // namespace weft::cluster
