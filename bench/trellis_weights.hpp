// Streams of codec trellis, and weights that are as they say: for timing it without its choice of models.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "trellis/scales.hpp"
#include "weft/archive.hpp"

namespace weft::bench {

// Cells of half a deviation of weights of 0.02, with scales of rows and columns of 4096, or with prediction instead.
inline TrellisStream trellis_stream(bool predicts, int states_log2) {
  TrellisStream stream;
  stream.states_log2 = static_cast<std::uint8_t>(states_log2);
  stream.fine_step = static_cast<float>(0.25 * 0.02 / 64);
  stream.base_class = 18;  // a deviation of four steps
  stream.lambda = 0.08;
  if (predicts) {
    stream.predicts = true;
    stream.taps.resize(9);  // a kernel's
    for (std::size_t place = 0; place < 9; place++)
      for (std::size_t i = 0; i < std::min<std::size_t>(place, 4); i++)
        stream.taps[place][i] = static_cast<std::int8_t>(i == 2 ? 8 : i == 0 ? 10 : -3);
    stream.shifts = {-2, -2, -1, -1, -1, 0, 0, 0, 1, 1, 1, 2};
    return stream;
  }
  std::mt19937 random(1);
  for (const std::uint64_t inner : {std::uint64_t{4096}, std::uint64_t{1}}) {
    ScaleFactor factor{inner, std::vector<std::int8_t>(inner == 1 ? 4096 : 256)};
    for (auto& code : factor.codes) code = static_cast<std::int8_t>(static_cast<int>(random() % 5) - 2);
    stream.factors.push_back(std::move(factor));
  }
  return stream;
}

// Makes Gaussian weights as wide as their classes say, or such as their neighbours predict.
inline void follow_stream(const TrellisStream& stream, std::vector<double>& values) {
  std::vector<std::uint8_t> classes(values.size());
  trellis::scale_classes(stream, 0, classes);
  for (std::size_t i = 0; i < values.size(); i++) values[i] *= std::exp2((classes[i] - stream.base_class) / 3.0);
  for (std::size_t i = 4; stream.predicts && i < values.size(); i++)
    for (std::size_t k = 0; k < 4; k++) values[i] += stream.taps[i % stream.taps.size()][k] / 32.0 * values[i - 1 - k];
}

}  // namespace weft::bench
