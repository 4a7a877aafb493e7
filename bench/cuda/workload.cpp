#include "workload.hpp"

#include <algorithm>
#include <cmath>
#include <future>

#include "engine/segment_encoder.hpp"
#include "sizes.hpp"
#include "support/weights.hpp"
#include "trellis/shape.hpp"
#include "trellis_weights.hpp"

namespace weft::bench {
namespace {

std::vector<std::byte> draw(const SegmentView& view, std::uint64_t seed) {
  auto values = testing::draw_weights(sizes.segment_units, seed, 0.02);
  const DType dtype = view.dtype;
  if (view.codec == CodecId::kTrellis) follow_stream(*view.trellis, values);
  std::string bytes;
  if (is_quantizable(dtype)) {
    bytes = testing::weight_bytes(dtype, values);
  } else {  // one-byte symbols of about 5 bits
    for (const double value : values) bytes += static_cast<char>(128 + std::lrint(value * 400));
  }
  const auto units = std::as_bytes(std::span(bytes));
  return {units.begin(), units.end()};
}

// Codes the workload's segments.
void encode(Workload& work) {
  work.units.resize(sizes.distinct);
  work.encoded.resize(sizes.distinct);
  work.blocks.resize(sizes.distinct);
  in_threads(sizes.distinct, [&work](std::size_t i) {
    work.units[i] = draw(work.view, i + 1);
    make_cpu_backend()->make_coder()->encode(work.view, work.spec, work.units[i], work.encoded[i]);
    engine::split_blocks(work.view, 0, work.encoded[i].block_sizes, work.encoded[i].bytes, work.blocks[i]);
  });
  std::uint64_t bytes = 0;
  for (const EncodedSegment& segment : work.encoded) bytes += segment.bytes.size();
  work.bits_per_weight = 8.0 * static_cast<double>(bytes) / static_cast<double>(sizes.distinct * sizes.segment_units);
}

// One whose stream and units are still to come.
std::unique_ptr<Workload> begin_workload(const std::string& name, CodecId codec, DType dtype, int block_log2) {
  auto work = std::make_unique<Workload>();
  work->name = name;
  work->spec.codec = work->view.codec = codec;
  work->view.dtype = dtype;
  work->view.block_log2 = block_log2;
  work->view.units = sizes.segment_units;
  return work;
}

}  // namespace

double Workload::weight_bytes(std::size_t segments) const {
  return static_cast<double>(segments * sizes.segment_units) * unit_bytes(view.dtype);
}

std::vector<DecodeItem> Workload::decode_items(std::size_t segments) const {
  std::vector<DecodeItem> items;
  for (std::size_t i = 0; i < segments; i++)
    items.push_back({encoded[i % sizes.distinct].with_tables(view), 0, blocks[i % sizes.distinct], {}, {}});
  return items;
}

std::unique_ptr<Workload> make_workload(const std::string& name, CodecId codec, DType dtype, double step,
                                        int block_log2, bool pairs) {
  auto work = begin_workload(name, codec, dtype, block_log2);
  work->spec.pairs = pairs;
  work->uniform.fine_step = static_cast<float>(step * 0.02 / 64);
  work->view.uniform = &work->uniform;
  encode(*work);
  return work;
}

std::unique_ptr<Workload> make_channel_workload(const std::string& name, double step) {
  auto work = begin_workload(name, CodecId::kUniform, DType::kBF16, 16);
  work->uniform.fine_step = static_cast<float>(step * 0.02 / 64);
  work->uniform.inner = 4096;
  for (int channel = 0; channel < 1024; channel++)
    work->uniform.scale_codes.push_back(static_cast<std::uint8_t>(124 + channel % 8));
  work->view.uniform = &work->uniform;
  encode(*work);
  return work;
}

// Entries that are drawn as the weights are: as good as any for the time that they take.
std::unique_ptr<Workload> make_codebook_workload(const std::string& name, std::size_t entries, std::uint8_t dimension) {
  auto work = begin_workload(name, CodecId::kCodebook, DType::kBF16, 16);
  Codebook& book = work->codebooks.emplace_back();
  book.dimension = work->codebook.dimension = dimension;
  const auto values = testing::draw_weights(entries * dimension, 99, 0.02);
  book.values.assign(values.begin(), values.end());
  if (dimension == 1) std::sort(book.values.begin(), book.values.end());
  work->codebook.books = {0};
  work->codebook.index_bytes = entries > 256 ? 2 : 1;
  work->view.codebook = &work->codebook;
  work->view.codebooks = work->codebooks;
  encode(*work);
  return work;
}

std::unique_ptr<Workload> make_trellis_workload(const std::string& name, bool predicts, int states_log2,
                                                int block_log2) {
  auto work = begin_workload(name, CodecId::kTrellis, DType::kBF16, block_log2);
  work->view.trellis = &work->trellis;
  work->view.shape = &trellis::typical_shapes()[3];
  work->trellis = trellis_stream(predicts, states_log2);
  encode(*work);
  return work;
}

void in_threads(std::size_t n, const std::function<void(std::size_t)>& body) {
  std::vector<std::future<void>> threads;
  for (std::size_t i = 0; i < n; i++) threads.push_back(std::async(std::launch::async, body, i));
  for (auto& thread : threads) thread.get();
}

}  // namespace weft::bench
