// The CUDA model of a warp against the portable one, lane by lane on the host.
#include <gtest/gtest.h>

#include "backends/cpu/kernels.hpp"
#include "backends/cpu/warp_portable.hpp"
#include "core/trellis_cases.hpp"
#include "cuda/answer_of_warp.hpp"
#include "cuda/rans_cases.hpp"
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
      core::follow_path<CudaWarp, kZero, kPredict>(weave, kStatesLog2, expected.input, path, entries.data(),
                                                   levels.data());
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
        return core::trellis_decode<CudaWarp, kZero, kPredict>(
            weave, kStatesLog2, expected.predictor, expected.input.places, classes, words.data(),
            static_cast<std::uint32_t>(words.size()), expected.tables->decode(), decoded.data());
      });
      std::vector<std::uint16_t> portable;
      EXPECT_EQ(status, expected.decode(cpu::portable_kernels(), words, portable));
      if (missing == 0) {
        EXPECT_EQ(status, core::Status::kOk);
        EXPECT_EQ(expected.in_order(weave, decoded), portable);
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

}  // namespace
}  // namespace weft::cuda
