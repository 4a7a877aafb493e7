// Trellis streams of every mode, and weights for them.
#pragma once

#include <bit>
#include <cmath>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "archive/block.hpp"
#include "archive/bytes.hpp"
#include "backends/cpu/trellis_block.hpp"
#include "support/sanitizer.hpp"
#include "trellis/scales.hpp"
#include "weft/core/trellis_code.hpp"

namespace weft::test {

// All of them, one state first; under a sanitizer all with 8 states, and one of each other number.
inline std::vector<cpu::TrellisMode> trellis_modes() {
  std::vector<cpu::TrellisMode> modes;
  for (int states_log2 = 0; states_log2 <= core::kMaxStatesLog2; states_log2++)
    for (const bool zero : {false, true})
      for (const bool predicts : {false, true}) {
        const int kind = (zero ? 2 : 0) + (predicts ? 1 : 0);
        if (!core::is_states_log2(states_log2)) continue;
        if (!testing::kSanitized || states_log2 == 3 || states_log2 % 4 == kind)
          modes.push_back({states_log2, zero, predicts});
      }
  return modes;
}

inline std::string name_of(const cpu::TrellisMode& mode) {
  return std::to_string(1 << mode.states_log2) + (mode.states_log2 == 0 ? " state" : " states") +
         (mode.keeps_zero ? ", zero" : "") + (mode.predicts ? ", predicts" : "");
}

// A stream of this mode whose weights have classes around `base`, for any number of weights; the seed draws the rest.
inline TrellisStream trellis_stream(const cpu::TrellisMode& mode, int base, std::uint32_t seed) {
  std::mt19937 random(seed);
  const auto draw = [&](int low, int high) {
    return static_cast<std::int8_t>(low + static_cast<int>(random() % static_cast<unsigned>(high - low + 1)));
  };
  TrellisStream stream;
  stream.fine_step = 1.0f / 64;
  stream.states_log2 = static_cast<std::uint8_t>(mode.states_log2);
  stream.keeps_zero = mode.keeps_zero;
  stream.predicts = mode.predicts;
  stream.base_class = static_cast<std::int16_t>(base);
  stream.lambda = 0.1;
  if (seed % 3 == 1) stream.offset = draw(-128, 127);  // up to two steps
  if (mode.predicts) {
    constexpr std::size_t kPeriods[] = {9, 1, 0, 2, 64};
    stream.taps.resize(kPeriods[seed % 5]);
    for (std::size_t place = 0; place < stream.taps.size(); place++)
      for (std::size_t i = 0; i < core::kMaxTaps && (stream.taps.size() == 1 || i < place); i++)
        stream.taps[place][i] = draw(-15, 25);
    for (auto& shift : stream.shifts) shift = draw(-4, 4);
  }
  for (const std::uint64_t inner : {1u, 16u}) {
    ScaleFactor factor;
    factor.inner = inner;
    for (int i = 0; i < 7; i++) factor.codes.push_back(draw(-5, 5));
    stream.factors.push_back(factor);
  }
  return stream;
}

// Weights in steps, as wide as their classes say; `spread` stretches them.
inline std::vector<float> trellis_weights(const TrellisStream& stream, std::size_t n, std::uint32_t seed,
                                          float spread = 1) {
  std::vector<std::uint8_t> classes(n);
  trellis::scale_classes(stream, 0, classes);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> values(n);
  for (std::size_t i = 0; i < n; i++) values[i] = normal(random) * std::exp2(static_cast<float>(classes[i]) / 3) / 16;
  return values;
}

// A block of weights, quantized with one kernel set.
struct TrellisBlock {
  TrellisBlock(const cpu::Kernels& kernels, const TrellisStream& stream, const Shape& shape,
               const std::vector<float>& values, int lanes_log2)
      : weave(cpu::weave_for(kernels, values.size(), lanes_log2)), mode(cpu::mode_of(stream)) {
    tables = &work.cache.tables(shape);
    tables->prepare_encode(stream);
    tables->prepare_decode(stream);
    cpu::make_predictor(stream, work);
    predictor = cpu::predictor_of(stream, work);
    cpu::weave_classes(work, stream, 0, weave);
    cpu::quantize_block(kernels, stream, cpu::search_tables(*tables), values, weave, work);
    input = {work.woven_fixed.data(), work.woven_classes.data(), tables->prices(), tables->reach(), predictor,
             work.places.data(),      cpu::far_cost(stream),     stream.pins_zero};
    std::vector<std::uint16_t> buffer(core::encode_bound_words(values.size()));
    std::uint16_t* end = buffer.data() + buffer.size();
    const std::uint32_t count = kernels.trellis(weave.width).encode(weave, work.entries.data(), tables->encode(), end);
    words.assign(end - count, end);
  }

  // Levels, biased, in the order of the weights; whatever the status.
  core::Status decode(const cpu::Kernels& kernels, const std::vector<std::uint16_t>& from,
                      std::vector<std::uint16_t>& levels) const {
    const core::Weave order = cpu::weave_for(kernels, weave.n, std::countr_zero(weave.lanes));
    cpu::TrellisWork other;
    other.classes = work.classes;
    cpu::weave_classes(other, order);
    std::vector<std::uint16_t> woven(order.elements());
    const core::Status status =
        kernels.trellis(order.width)
            .decode(mode, order, predictor, work.places.data(), other.woven_classes.data(), from.data(),
                    static_cast<std::uint32_t>(from.size()), tables->decode(), woven.data());
    levels = in_order(order, woven);
    return status;
  }

  // What a woven array has, in the order of the weights.
  template <class T>
  static std::vector<T> in_order(const core::Weave& order, const std::vector<T>& woven) {
    std::vector<T> values(order.n);
    cpu::for_woven(order, [&](std::uint32_t i, std::size_t at) { values[i] = woven[at]; });
    return values;
  }
  [[nodiscard]] std::vector<std::uint16_t> levels() const { return in_order(weave, work.woven_levels); }

  core::Weave weave;
  cpu::TrellisMode mode;
  cpu::TrellisWork work;
  cpu::TrellisTables* tables = nullptr;
  core::Predictor predictor{};
  core::SearchInput input{};
  std::vector<std::uint16_t> words;
};

// The block as it is stored, with these (position, level) apart; a unit that is stored has the bytes 1, 2, 3, ...
inline std::vector<std::byte> stored_block(const TrellisBlock& block, int unit_bytes,
                                           const std::vector<std::pair<std::uint32_t, std::int32_t>>& far_weights) {
  std::vector<std::byte> bytes, records, exact;
  for (const auto& [position, level] : far_weights) {
    records.resize(records.size() + 4);
    archive::store_le(records.data() + records.size() - 4, core::far_record(position, level));
    for (int i = 1; level == core::kFarExact && i <= unit_bytes; i++) exact.push_back(static_cast<std::byte>(i));
  }
  records.insert(records.end(), exact.begin(), exact.end());
  (void)archive::put_trellis_block(bytes, std::countr_zero(block.weave.lanes), std::as_bytes(std::span(block.words)),
                                   records, cpu::portable_kernels().crc32c);
  return bytes;
}

}  // namespace weft::test
