// What the kernels for segments are timed on: drawn weights, coded on the CPU.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backends/backend.hpp"

namespace weft::bench {

// Segments of one kind, `sizes.distinct` of them.
struct Workload {
  std::string name;
  SegmentView view;
  CodecSpec spec;
  UniformStream uniform;
  TrellisStream trellis;
  CodebookStream codebook;
  std::vector<Codebook> codebooks;
  std::deque<std::vector<std::byte>> units;
  std::deque<EncodedSegment> encoded;
  std::deque<std::vector<std::span<const std::byte>>> blocks;
  double bits_per_weight = 0;

  [[nodiscard]] double weight_bytes(std::size_t segments) const;
  // The same segments again and again.
  [[nodiscard]] std::vector<DecodeItem> decode_items(std::size_t segments) const;
};

// `step`: of what is quantized uniformly, in deviations. The steps of channels are about as large.
[[nodiscard]] std::unique_ptr<Workload> make_channel_workload(const std::string& name, double step);
[[nodiscard]] std::unique_ptr<Workload> make_workload(const std::string& name, CodecId codec, DType dtype, double step,
                                                      int block_log2 = 16, bool pairs = true);
[[nodiscard]] std::unique_ptr<Workload> make_codebook_workload(const std::string& name, std::size_t entries,
                                                               std::uint8_t dimension);
[[nodiscard]] std::unique_ptr<Workload> make_trellis_workload(const std::string& name, bool predicts,
                                                              int states_log2 = 3, int block_log2 = 17);

// Calls body(i) for all i < n, each in a thread of its own; throws what one of them throws.
void in_threads(std::size_t n, const std::function<void(std::size_t)>& body);

}  // namespace weft::bench
