// Codec trellis on one thread, models given: segments of 2^20 F32 weights, and of a small layer's 64 x 576, their tables in the
// cache as in a long run.
#include <stdexcept>

#include "backends/backend.hpp"
#include "engine/segment_encoder.hpp"
#include "suites.hpp"
#include "timing.hpp"
#include "trellis/shape.hpp"
#include "trellis_weights.hpp"

namespace weft::bench {
namespace {

constexpr std::size_t kUnits = std::size_t{1} << 20, kSmall = 64 * 576;

std::vector<std::byte> draw(const TrellisStream& stream, std::size_t units) {
  std::mt19937_64 random(7);
  std::normal_distribution<double> normal(0, 0.02);
  std::vector<double> values(units);
  for (double& value : values) value = normal(random);
  follow_stream(stream, values);
  const std::vector<float> floats(values.begin(), values.end());
  const auto bytes = std::as_bytes(std::span(floats));
  return {bytes.begin(), bytes.end()};
}

// Millions of weights per second, encoding and decoding, and bits per weight.
std::vector<double> measure(bool predicts, int states_log2, std::size_t count = kUnits) {
  const TrellisStream stream = trellis_stream(predicts, states_log2);
  const std::vector<std::byte> units = draw(stream, count);
  SegmentView view;
  view.codec = CodecId::kTrellis;
  view.dtype = DType::kF32;
  view.block_log2 = 17;
  view.units = count;
  view.trellis = &stream;
  view.shape = &trellis::typical_shapes()[3];
  CodecSpec spec;
  spec.codec = CodecId::kTrellis;
  const auto coder = make_cpu_backend()->make_coder();
  EncodedSegment encoded;
  const double encode = fastest([&] { coder->encode(view, spec, units, encoded); });
  std::vector<std::span<const std::byte>> blocks;
  engine::split_blocks(view, 0, encoded.block_sizes, encoded.bytes, blocks);
  const SegmentView decoding = encoded.with_tables(view);
  std::vector<std::byte> back(units.size());
  const double decode = fastest([&] {
    if (const auto fault = coder->decode(decoding, 0, blocks, back)) throw std::runtime_error(fault->reason);
  });
  const auto weights = static_cast<double>(count);
  return {weights / encode / 1e6, weights / decode / 1e6, 8.0 * static_cast<double>(encoded.bytes.size()) / weights};
}

}  // namespace

std::vector<Table> trellis_tables() {
  Table table("codec trellis", "M weights/s", {"encode", "decode", "bits/weight"});
  for (const int states_log2 : {0, 3, 5, 8})
    table.add(fmt::format("scaled, {} {}", 1 << states_log2, states_log2 == 0 ? "state" : "states"),
              measure(false, states_log2));
  table.add("predictive, 1 state", measure(true, 0));
  table.add("predictive, 8 states", measure(true, 3));
  table.add("scaled, 8 states, small layers", measure(false, 3, kSmall));
  table.add("predictive, 8 states, small layers", measure(true, 3, kSmall));
  return {table};
}

}  // namespace weft::bench
