// Any bytes as units of any type through any codec and back: lossless codecs give every bit back, the uniform codec keeps
// what is not finite bit by bit and moves nothing further than the width of a cell.
//
// The first four bytes of the input choose codec, element type and parameters; the rest are the units.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "archive/bytes.hpp"
#include "backends/cpu/cpu_codec.hpp"
#include "coders.hpp"
#include "engine/segment_encoder.hpp"

namespace {

using namespace weft;

void require(bool condition) {
  if (!condition) std::abort();
}

double value_of(DType dtype, const std::byte* unit) {
  if (dtype == DType::kF64) return archive::load_le<double>(unit);
  float value;
  cpu::portable_kernels().to_float(dtype, unit, 1, &value);
  return value;
}

// Twice the distance between neighbours of the type (and of float32, through which all of them go) around this value.
double rounding(DType dtype, double value) {
  const int bits = dtype == DType::kF16 ? 10 : dtype == DType::kBF16 ? 7 : 22;
  return std::abs(value) * std::ldexp(2.0, -bits) + std::ldexp(1.0, dtype == DType::kF16 ? -23 : -125);
}

void check_uniform(DType dtype, double cell, const std::byte* before, const std::byte* after, std::size_t size) {
  const double original = value_of(dtype, before), restored = value_of(dtype, after);
  if (std::isfinite(original)) {
    require(std::abs(original - restored) <= 1.5 * cell + rounding(dtype, original) + rounding(dtype, restored));
  } else {
    require(std::memcmp(before, after, size) == 0);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kHead = 4;
  if (size < kHead) return 0;
  const DType quantizable[] = {DType::kF16, DType::kBF16, DType::kF32, DType::kF64};
  SegmentView view;
  view.codec = static_cast<CodecId>(data[0] % 4);
  view.block_log2 = 10;
  view.dtype = static_cast<DType>(data[1] % kDTypeCount);
  if (view.codec == CodecId::kUniform) view.dtype = quantizable[data[1] % 4];
  if (view.codec == CodecId::kAsset) view.dtype = DType::kU8;
  UniformStream uniform;
  uniform.fine_step = std::ldexp(1.0f, std::clamp(data[2] - 128, -126, 120));
  uniform.low_bits = static_cast<std::uint8_t>(data[3] % 3 * 4);
  view.uniform = &uniform;
  CodecSpec spec;
  spec.codec = view.codec;
  spec.lambda = (data[3] & 16) != 0 ? 0.1 : 0;
  spec.correct_reconstruction = (data[3] & 32) != 0;

  const auto unit_size = static_cast<std::size_t>(unit_bytes(view.dtype));
  view.units = (size - kHead) / unit_size;
  if (view.units == 0) return 0;
  const auto body = std::as_bytes(std::span(data, size)).subspan(kHead, view.units * unit_size);
  const std::vector<std::byte> units(body.begin(), body.end());

  EncodedSegment segment;
  fuzz::coders().front()->encode(view, spec, units, segment);
  std::vector<std::span<const std::byte>> blocks;
  engine::split_blocks(view, 0, segment.block_sizes, segment.bytes, blocks);
  for (const auto& coder : fuzz::coders()) {
    EncodedSegment again;
    coder->encode(view, spec, units, again);
    require(again.bytes == segment.bytes && again.tables == segment.tables && again.corrections == segment.corrections);
    std::vector<std::byte> restored(units.size());
    require(!coder->decode(segment.with_tables(view), 0, blocks, restored));
    if (view.codec != CodecId::kUniform) {
      require(restored == units);
      continue;
    }
    for (std::size_t i = 0; i < units.size(); i += unit_size)
      check_uniform(view.dtype, 64.0 * uniform.fine_step, units.data() + i, restored.data() + i, unit_size);
  }
  return 0;
}
