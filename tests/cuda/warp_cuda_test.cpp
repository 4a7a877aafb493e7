// The CUDA model of a warp against the portable one, lane by lane on the host.
#include <gtest/gtest.h>

#include "backends/cpu/kernels.hpp"
#include "backends/cpu/warp_portable.hpp"
#include "backends/cuda/decode_batch.hpp"
#include "backends/cuda/trellis_encode_batch.hpp"
#include "core/trellis_cases.hpp"
#include "cuda/answer_of_warp.hpp"
#include "cuda/rans_cases.hpp"
#include "support/trellis_passes.hpp"
#include "trellis/shape.hpp"
#include "weft/core/crc32c.hpp"
#include "weft/core/decode_block.hpp"
#include "weft/core/rans_decode.hpp"

namespace weft::cuda {
namespace {

struct Encoded {
  std::vector<std::uint16_t> buffer;
  std::uint32_t word_count = 0;
  [[nodiscard]] const std::uint16_t* words() const { return buffer.data() + buffer.size() - word_count; }
};

Encoded encode_portable(const std::vector<std::uint8_t>& symbols, int lanes_log2, const RansTables& tables) {
  Encoded r{std::vector<std::uint16_t>(core::encode_bound_words(symbols.size())), 0};
  r.word_count = cpu::portable_kernels().rans_encode(symbols.data(), static_cast<std::uint32_t>(symbols.size()),
                                                     lanes_log2, tables.encode, r.buffer.data() + r.buffer.size());
  return r;
}

TEST(CudaWarp, EncodesAndDecodesLikeThePortableModel) {
  for (const RansCase& rans : rans_cases()) {
    const auto tables = rans.tables();
    for (const int lanes_log2 : {0, 3, core::kLanesLog2}) {
      for (const std::uint32_t n : {1u, 31u, 32u, 33u, 200u}) {
        if (lanes_log2 == 0 && n > 33) continue;  // a round per symbol
        SCOPED_TRACE(rans.name + ", lanes_log2 " + std::to_string(lanes_log2) + ", n " + std::to_string(n));
        const auto symbols = rans.symbols(n, n);
        const Encoded expected = encode_portable(symbols, lanes_log2, *tables);

        Encoded encoded{std::vector<std::uint16_t>(expected.buffer.size()), 0};
        std::uint16_t* end = encoded.buffer.data() + encoded.buffer.size();
        encoded.word_count = answer_of_warp(
            [&] { return core::rans_encode<CudaWarp>(symbols.data(), n, lanes_log2, tables->encode, end); });
        ASSERT_EQ(encoded.word_count, expected.word_count);
        EXPECT_EQ(std::vector(encoded.words(), encoded.words() + encoded.word_count),
                  std::vector(expected.words(), expected.words() + expected.word_count));

        for (const std::uint32_t missing : {0u, 1u}) {  // an exact copy, so that a read past the end is seen
          const std::vector<std::uint16_t> words(expected.words(), expected.words() + expected.word_count - missing);
          const auto word_count = static_cast<std::uint32_t>(words.size());
          std::vector<std::uint8_t> out(n), portable(n);
          const core::Status status = answer_of_warp([&] {
            return core::rans_decode<CudaWarp>(words.data(), word_count, lanes_log2, tables->decode.data(), n,
                                               out.data());
          });
          EXPECT_EQ(status, cpu::portable_kernels().rans_decode(words.data(), word_count, lanes_log2,
                                                                tables->decode.data(), n, portable.data()));
          EXPECT_EQ(out, portable);
          if (missing == 0) {
            EXPECT_EQ(status, core::Status::kOk);
            EXPECT_EQ(out, symbols);
          }
        }
      }
    }
  }
}

// One block of 2600 weights, some tiles and a rest: coded symbols, and a byte plane or exceptions beside them.
TEST(CudaWarp, FinishesBlocksLikeThePortableModel) {
  const RansCase rans = rans_cases()[2];
  const auto tables = rans.tables();
  constexpr std::uint32_t kUnits = 2600;
  const auto symbols = rans.symbols(kUnits, 9);
  const Encoded encoded = encode_portable(symbols, core::kLanesLog2, *tables);
  alignas(16) static std::uint8_t low_plane[kUnits];
  for (std::uint32_t i = 0; i < kUnits; i++) low_plane[i] = static_cast<std::uint8_t>(i * 7);
  const std::uint8_t exceptions[] = {3, 0, 0, 0, 0x27, 0x0A, 0, 0, 0x11, 0x22, 0x33, 0x44};  // units 3 and 2599

  core::BlockJob job{};
  job.symbols = reinterpret_cast<const std::uint8_t*>(encoded.words());
  job.symbol_bytes = 2 * encoded.word_count;
  job.source = core::SymbolSource::kRans;
  job.lanes_log2 = core::kLanesLog2;
  job.n = kUnits;
  job.rest[0] = low_plane;
  job.rotate = 1;
  core::UniformParameters uniform{};
  uniform.fine_step = 0.25f;
  uniform.low_bits = 8;
  const auto run = [&](auto warp, auto make) {
    using W = decltype(warp);
    alignas(16) std::uint8_t tile[core::kTileSymbols] = {};
    alignas(16) std::uint8_t ring[CudaWarp::kWordBytes] = {};
    std::vector<std::uint8_t> out(2 * kUnits);
    core::Status status{};
    const auto decode = [&] { return core::decode_block<W>(make(out.data()), tables->decode.data(), {tile, ring}); };
    if constexpr (std::is_same_v<W, CudaWarp>)
      status = answer_of_warp(decode);
    else
      status = decode();
    EXPECT_EQ(status, core::Status::kOk);
    return out;
  };
  const auto merge = [&](std::uint8_t* out) { return core::MergeUnits<std::uint16_t>(job, out); };
  EXPECT_EQ(run(CudaWarp{}, merge), run(cpu::PortableWarp{}, merge));
  job.low = low_plane;
  job.exceptions = exceptions;
  job.exception_count = 2;
  const auto dequantize = [&](std::uint8_t* out) {
    return core::Dequantize<core::FloatType::kBF16, false>(job, out, uniform, nullptr);
  };
  const auto weights = run(CudaWarp{}, dequantize);
  EXPECT_EQ(weights, run(cpu::PortableWarp{}, dequantize));
  EXPECT_EQ(weights[2 * 2599], 0x33);
}

TEST(CudaWarp, ChecksumsLikeThePortableModel) {
  static constexpr core::CrcTables kTables = core::make_crc_tables();
  std::mt19937 random(7);
  std::vector<std::uint8_t> data(16000);
  for (auto& byte : data) byte = static_cast<std::uint8_t>(random());
  for (const std::size_t n : {0, 1, 9, 127, 128, 129, 255, 256, 513, 690, 5119, 5120, 10300, 15364}) {
    const std::uint8_t* begin = data.data() + n % 4;
    EXPECT_EQ(answer_of_warp([&] { return core::crc32c<CudaWarp>(begin, n, kTables); }),
              cpu::portable_kernels().crc32c(begin, n))
        << n;
  }
}

// Path, coding and decoding of a block in the CUDA model.
template <bool kZero, bool kPredict>
void expect_same_trellis() {
  constexpr int kStatesLog2 = 3;
  for (const std::uint32_t n : {1u, 70u, 100u}) {
    SCOPED_TRACE(n);
    const TrellisStream stream = test::trellis_stream({kStatesLog2, kZero, kPredict}, 15, n);
    const test::TrellisBlock expected(cpu::portable_kernels(), stream, trellis::typical_shapes()[3],
                                      test::trellis_weights(stream, n, n), 5);
    const core::Weave& weave = expected.weave;
    const std::size_t woven = std::size_t{weave.run} * core::kLanes;
    std::vector<std::uint32_t> entries(woven);
    const auto* path = expected.work.path.data();
    std::vector<std::uint16_t> levels(woven), decoded(woven), buffer(core::encode_bound_words(n));
    const auto* classes = expected.input.classes;
    emulation::run_warp([&] {
      core::follow_path<CudaWarp, kZero, kPredict>(weave, kStatesLog2, expected.predictor, classes,
                                                   expected.input.reach, path, entries.data(), levels.data());
    });
    EXPECT_EQ(entries, expected.work.entries);
    EXPECT_EQ(levels, expected.work.woven_levels);
    std::uint16_t* end = buffer.data() + buffer.size();
    const std::uint32_t count = answer_of_warp(
        [&] { return core::rans_encode_woven<CudaWarp>(weave, entries.data(), expected.tables->encode(), end); });
    EXPECT_EQ(std::vector(end - count, end), expected.words);
    for (const std::uint32_t missing : {0u, 1u}) {
      const std::vector<std::uint16_t> words(expected.words.begin(), expected.words.end() - missing);
      const core::Status status = answer_of_warp([&] {
        return core::trellis_decode<CudaWarp, kZero, kPredict>(weave, kStatesLog2, expected.predictor, classes,
                                                               words.data(), static_cast<std::uint32_t>(words.size()),
                                                               expected.tables->decode(), decoded.data());
      });
      std::vector<std::uint16_t> portable;
      EXPECT_EQ(status, expected.decode(cpu::portable_kernels(), words, portable));
      if (missing == 0) {
        EXPECT_EQ(status, core::Status::kOk);
        EXPECT_EQ(decoded, portable);
      }
    }
  }
}

TEST(CudaWarp, CodesATrellisPathLikeThePortableModel) {
  expect_same_trellis<false, false>();
  expect_same_trellis<true, false>();
  expect_same_trellis<false, true>();
  expect_same_trellis<true, true>();
}

// Runs what is trellis-coded in the CUDA model, at once; there is nothing else in such a batch but checksums.
class WarpQueue final : public Queue {
 public:
  void decode_trellis(TrellisOp op, const TrellisGroups& groups, const core::TrellisJob* jobs, std::uint8_t* out,
                      std::uint32_t* status) override {
    std::vector<std::uint32_t> memory(groups.memory_bytes / 4);
    alignas(16) std::uint8_t room[CudaWarp::kWordBytes] = {};
    for (std::uint32_t g = 0; g < groups.count; g++) {
      const core::TrellisGroup& group = groups.groups[g];
      core::fill_trellis_memory(group, memory.data(), 0, 1);
      for (std::uint32_t job = group.first_job; job < group.first_job + group.job_count; job++)
        status[job] = with_trellis_op(op, [&](auto unit, auto zero, auto predicts) {
          return static_cast<std::uint32_t>(answer_of_warp([&] {
            return core::decode_trellis_block<CudaWarp, decltype(unit), decltype(zero)::value,
                                              decltype(predicts)::value>(*group.stream, jobs[job], memory.data(), room,
                                                                         out);
          }));
        });
    }
  }
  void phase(Phase) override {}
  void to_device(void*, const void*, std::size_t) override {}
  void to_host(void*, const void*, std::size_t) override {}
  void copy(void*, const void*, std::size_t) override {}
  void checksum(const ChecksumJob*, std::uint32_t, std::uint32_t*) override {}
  void decode(DecodeOp, const core::BlockGroup*, std::uint32_t, const core::BlockJob*, std::uint8_t*,
              std::uint32_t*) override {}
  void look_up(core::FloatType, const core::LookUpJob*, std::uint32_t, std::uint8_t*, std::uint32_t*) override {}
  void copy_from_view(const core::ViewCopy&) override {}
  void encode(EncodePass, EncodeOp, const EncodeArrays&) override {}
  void encode_trellis(TrellisPass pass, TrellisEncodeOp op, const TrellisEncodeArrays& arrays) override {
    for (std::uint32_t j = 0; j < arrays.job_count; j++)
      arrays.jobs[j].lanes_log2 = lanes_log2.value_or(arrays.jobs[j].lanes_log2);
    testing::run_trellis_pass<CudaWarp>(pass, op, arrays, [](auto f) { emulation::run_warp(f); });
  }
  void cluster_scalars(ScalarPass, const ScalarArrays&) override {}
  void cluster_vectors(VectorPass, const VectorArrays&) override {}
  void square_rows(const core::RowJob&) override {}
  std::optional<std::uint8_t> lanes_log2;  // instead of those that encoders give blocks; never fewer
  void wait() override {}
  PhaseTimes take_times() override { return {}; }
};

TEST(CudaWarp, DecodesTrellisBlocksLikeTheCpu) {
  const auto cpu = make_cpu_backend()->make_coder();
  for (const bool zero : {false, true})
    for (const bool predicts : {false, true}) {
      SCOPED_TRACE(::testing::Message() << "zero " << zero << ", predicts " << predicts);
      TrellisStream stream = test::trellis_stream({3, zero, predicts}, 12, 5);
      stream.factors.resize(1);  // or its tables do not fit
      const test::TrellisBlock coded(cpu::portable_kernels(), stream, trellis::typical_shapes()[3],
                                     test::trellis_weights(stream, 3000, 1), 5);
      const DType dtype = zero ? predicts ? DType::kF64 : DType::kF32 : predicts ? DType::kF16 : DType::kBF16;
      const auto block = test::stored_block(coded, unit_bytes(dtype), {{7, 200}, {2999, core::kFarExact}});
      const std::span<const std::byte> bytes = block;
      SegmentView view;
      view.codec = CodecId::kTrellis;
      view.dtype = dtype;
      view.units = 3000;
      view.trellis = &stream;
      view.shape = &trellis::typical_shapes()[3];
      view.corrections = {5, -3, 2};
      std::vector<std::byte> expected(3000 * static_cast<std::size_t>(unit_bytes(dtype))), units(expected.size());
      ASSERT_FALSE(cpu->decode(view, 0, {&bytes, 1}, expected));

      DecodeItem item{view, 0, {&bytes, 1}, units, {}};
      const DecodeBatch batch({&item, 1});
      ASSERT_FALSE(batch.empty());
      std::vector<core::Words4> device((batch.device_bytes() + 15) / 16);  // for the alignment
      auto* memory = reinterpret_cast<std::byte*>(device.data());
      batch.fill(memory, memory);
      WarpQueue queue;
      batch.launch(queue, memory, nullptr);
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(), memory + batch.units_offset(0)));
    }
}

// A segment of one block: what an encode batch makes of it in the CUDA model.
struct EncodedOnWarps {
  EncodedSegment segment;
  std::vector<core::TrellisEncodeJob> jobs;
  std::vector<std::byte> planes;

  EncodedOnWarps(const SegmentView& view, std::span<const std::byte> units, std::optional<std::uint8_t> lanes_log2) {
    const CodecSpec spec;
    EncodeItem item{view, &spec, units, &segment};
    EncodeItem* const items[] = {&item};
    cpu::TrellisCache cache;
    EXPECT_TRUE(encodes_trellis_on_device(item, cache));
    const TrellisEncodeBatch batch(items, cache);
    std::vector<core::Words4> device((batch.device_bytes() + 15) / 16);
    auto* memory = reinterpret_cast<std::byte*>(device.data());
    batch.fill(memory, memory);
    WarpQueue queue;
    queue.lanes_log2 = lanes_log2;
    batch.launch(queue, memory);
    const auto* job = reinterpret_cast<const core::TrellisEncodeJob*>(memory);
    jobs.assign(job, job + view.block_count());
    const std::byte* end = memory + batch.device_bytes();
    planes.assign(end - batch.most_download_bytes(), end);
    batch.finish(memory, planes.data(), *make_cpu_backend()->make_coder());
  }
};

SegmentView trellis_view(const TrellisStream& stream, std::uint64_t units) {
  SegmentView view;
  view.codec = CodecId::kTrellis;
  view.dtype = DType::kF32;
  view.units = units;
  view.trellis = &stream;
  view.shape = &trellis::typical_shapes()[3];
  return view;
}

// All 32 lanes, which encoders give to large blocks only, some without a weight in the last steps; then one.
TEST(CudaWarp, EncodesTrellisBlocksLikeTheCpu) {
  for (const auto& mode : test::trellis_modes()) {
    for (const std::uint32_t n : {1u, 70u, 133u}) {
      // 32 threads for a lane each are slow: of many states one labelling.
      const int labelling = (mode.keeps_zero ? 2 : 0) + (mode.predicts ? 1 : 0);
      if (mode.states_log2 > 4 && (n != 70 || mode.states_log2 % 4 != labelling)) continue;
      SCOPED_TRACE(test::name_of(mode) + ", " + std::to_string(n) + " weights");
      TrellisStream stream = test::trellis_stream(mode, 13, n);
      stream.factors.resize(1);  // or its tables do not fit
      stream.pins_zero = mode.keeps_zero && n == 70;
      auto weights = test::trellis_weights(stream, n, n);
      for (std::size_t i = 0; i < n; i += 5) weights[i] = i % 3 == 0 ? 0.0f : i % 3 == 1 ? 3000.0f : weights[i];
      if (n == 133) weights[77] = std::numeric_limits<float>::quiet_NaN();
      const SegmentView view = trellis_view(stream, n);
      const float step = stream.fine_step * 64;  // a power of two, so that the CPU gets the same steps
      std::vector<float> units = weights;
      for (float& unit : units) unit *= step;
      const auto bytes = std::as_bytes(std::span(units));
      const test::TrellisBlock expected(cpu::portable_kernels(), stream, *view.shape, weights, 5);
      const EncodedOnWarps spread(view, bytes, 5);
      ASSERT_EQ(spread.jobs[0].word_count, expected.words.size());
      if (spread.jobs[0].packed_bytes(4) > 0) {
        ASSERT_EQ(std::memcmp(spread.planes.data(), expected.words.data(), 2 * expected.words.size()), 0);
      }
      if (n == 70) continue;
      EncodedSegment of_cpu;
      make_cpu_backend()->make_coder()->encode(view, CodecSpec{}, bytes, of_cpu);
      const EncodedOnWarps whole(view, bytes, {});
      EXPECT_EQ(whole.segment.bytes, of_cpu.bytes);
      EXPECT_EQ(whole.segment.corrections, of_cpu.corrections);
    }
  }
}

}  // namespace
}  // namespace weft::cuda
