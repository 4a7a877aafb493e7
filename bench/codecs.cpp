// Whole segments through the CPU backend (checksum, entropy coding, planes) beside zstd on the same bytes, one thread.
#include <zstd.h>

#include <cstring>

#include "backends/backend.hpp"
#include "data.hpp"
#include "engine/segment_encoder.hpp"
#include "suites.hpp"
#include "timing.hpp"

namespace weft::bench {
namespace {

constexpr std::size_t kUnits = std::size_t{1} << 23;  // 16 MB of BF16
constexpr std::size_t kSegment = std::size_t{1} << 20;

struct Measured {
  double bytes = 0, encode = 0, decode = 0;  // size, seconds, seconds
};

// Tables as the index stores them: about 1.5 bytes a symbol, and three bytes a block for its size.
std::size_t side_bytes(const EncodedSegment& segment) {
  std::size_t bytes = 3 * segment.block_sizes.size() + segment.tables.size();
  for (const auto& table : segment.tables) {
    if (!table) continue;
    bytes += 2;
    for (const auto frequency : table->frequencies) bytes += frequency < 128 ? 1 : 2;
  }
  return bytes;
}

Measured measure_weft(SegmentView view, const CodecSpec& spec, std::span<const std::byte> units, bool lossless) {
  const auto coder = make_cpu_backend()->make_coder();
  const auto unit_size = static_cast<std::size_t>(unit_bytes(view.dtype));
  const std::size_t count = (view.units + kSegment - 1) / kSegment;
  std::vector<EncodedSegment> segments(count);
  const auto view_of = [&](std::size_t s) {
    SegmentView part = view;
    part.first_unit = s * kSegment;
    part.units = std::min<std::uint64_t>(kSegment, view.units - part.first_unit);
    return part;
  };
  const auto bytes_of = [&](const SegmentView& part, auto all) {
    return all.subspan(part.first_unit * unit_size, part.units * unit_size);
  };
  Measured measured;
  measured.encode = fastest([&] {
    for (std::size_t s = 0; s < count; s++) coder->encode(view_of(s), spec, bytes_of(view_of(s), units), segments[s]);
  });
  std::vector<std::byte> back(units.size());
  std::vector<std::vector<std::span<const std::byte>>> blocks(count);
  for (std::size_t s = 0; s < count; s++) {
    engine::split_blocks(view_of(s), 0, segments[s].block_sizes, segments[s].bytes, blocks[s]);
    measured.bytes += static_cast<double>(segments[s].bytes.size() + side_bytes(segments[s]));
  }
  measured.decode = fastest([&] {
    for (std::size_t s = 0; s < count; s++) {
      const SegmentView part = segments[s].with_tables(view_of(s));
      if (const auto fault = coder->decode(part, 0, blocks[s], bytes_of(part, std::span(back))))
        throw std::runtime_error(fault->reason);
    }
  });
  if (lossless && std::memcmp(back.data(), units.data(), units.size()) != 0)
    throw std::runtime_error("lossless decoding gave other bytes");
  return measured;
}

Measured measure_zstd(std::span<const std::byte> bytes, int level) {
  std::vector<std::byte> frame(ZSTD_compressBound(bytes.size())), back(bytes.size());
  Measured measured;
  std::size_t size = 0;
  const double start = thread_seconds();
  size = ZSTD_compress(frame.data(), frame.size(), bytes.data(), bytes.size(), level);
  measured.encode = thread_seconds() - start;
  measured.decode = fastest([&] { (void)ZSTD_decompress(back.data(), back.size(), frame.data(), size); });
  measured.bytes = static_cast<double>(size);
  return measured;
}

double exponent_entropy(std::span<const std::uint16_t> weights) {
  std::vector<std::uint8_t> exponents;
  for (const auto weight : weights) exponents.push_back(static_cast<std::uint8_t>(weight >> 7));
  return entropy(exponents);
}

Table lossless_table() {
  const auto weights = bf16_weights(kUnits, 7);
  const auto bytes = std::as_bytes(std::span(weights));
  SegmentView view;
  view.codec = CodecId::kLossless;
  view.dtype = DType::kBF16;
  view.units = weights.size();
  CodecSpec singly;
  singly.pairs = false;
  const Measured weft = measure_weft(view, CodecSpec{}, bytes, true), single = measure_weft(view, singly, bytes, true);
  const Measured fast = measure_zstd(bytes, 3), small = measure_zstd(bytes.first(bytes.size() / 8), 19);
  const double floor = exponent_entropy(weights) + 8;

  Table table(fmt::format("Lossless BF16, {} M weights; order-0 exponent entropy + 8 is {:.3f} bits",
                          weights.size() >> 20, floor),
              "GB/s of weights", {"bits/weight", "above floor", "encode", "decode", "decode / zstd -3"});
  const auto add = [&](const char* name, const Measured& m, std::size_t size) {
    const double bits = 16 * m.bytes / static_cast<double>(size), gigabytes = static_cast<double>(size) / 1e9;
    const double zstd_rate = static_cast<double>(bytes.size()) / 1e9 / fast.decode;
    table.add(name, {bits, bits - floor, gigabytes / m.encode, gigabytes / m.decode, gigabytes / m.decode / zstd_rate});
  };
  add("weft lossless", weft, bytes.size());
  add("weft lossless, no pairs", single, bytes.size());
  add("zstd -3", fast, bytes.size());
  add("zstd -19 (an eighth of the data)", small, bytes.size() / 8);
  return table;
}

Table uniform_table() {
  const auto weights = bf16_weights(kUnits, 7);
  Table table("Uniform quantization of BF16", "GB/s of weights", {"bits/weight", "encode", "decode"});
  for (const double relative_step : {2.0, 0.6, 0.15, 0.04}) {
    UniformStream stream;
    stream.fine_step = static_cast<float>(0.023 * relative_step / 64);
    SegmentView view;
    view.codec = CodecId::kUniform;
    view.dtype = DType::kBF16;
    view.units = weights.size();
    view.uniform = &stream;
    CodecSpec spec;
    spec.codec = CodecId::kUniform;
    for (const bool pairs : {true, false}) {
      spec.pairs = pairs;
      const Measured m = measure_weft(view, spec, std::as_bytes(std::span(weights)), false);
      const double n = static_cast<double>(weights.size()), gigabytes = 2 * n / 1e9;
      table.add(fmt::format("relative_step {}{}", relative_step, pairs ? "" : ", no pairs"),
                {8 * m.bytes / n, gigabytes / m.encode, gigabytes / m.decode});
    }
  }
  return table;
}

}  // namespace

std::vector<Table> codec_tables() { return {lossless_table(), uniform_table()}; }

}  // namespace weft::bench
