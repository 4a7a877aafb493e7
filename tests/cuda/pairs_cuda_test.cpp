// Planes of pairs in the CUDA model of a warp against the portable one: counting, coding, decoding.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>

#include "backends/cpu/warp_portable.hpp"
#include "backends/cuda/device.hpp"
#include "cuda/answer_of_warp.hpp"
#include "weft/core/encode_block.hpp"

namespace weft::cuda {
namespace {

constexpr std::uint32_t kUnits = 2 * 600;  // two tiles of pairs and a rest
constexpr std::uint8_t kBase = 120;

// A block of one segment with whatever its passes need. Symbols of plane 0 are levels around 128, some far out.
template <class Unit>
struct Coded {
  alignas(16) Unit units[kUnits] = {};
  alignas(16) std::uint16_t words[core::encode_bound_words(kUnits) + 400] = {};
  core::PlaneTables planes[sizeof(Unit)] = {};
  core::SegmentJob segment{};
  core::EncodeBlockJob block{};

  Coded() {
    std::mt19937_64 random(3);
    std::normal_distribution<double> normal(128, 2);
    for (std::uint32_t i = 0; i < kUnits; i++) {
      const auto level = i % 97 == 3 ? random() % 256 : static_cast<std::uint64_t>(std::lrint(normal(random)));
      units[i] = static_cast<Unit>(level << (8 * (sizeof(Unit) - 1)));
      if (sizeof(Unit) > 1) units[i] = static_cast<Unit>(units[i] | (random() & 255));
    }
    segment.units = reinterpret_cast<const std::uint8_t*>(units);
    segment.symbols = reinterpret_cast<std::uint8_t*>(units);
    segment.planes = planes;
    segment.block_count = 1;
    segment.block_log2 = 16;
    segment.unit_bytes = segment.plane_count = sizeof(Unit);
    segment.coded_planes = 1;
    segment.kind = core::EncodeKind::kLossless;
    block.n = kUnits;
    block.words_end[0] = words + core::encode_bound_words(kUnits) / 8 * 8;
    planes[0].window = {kBase, 128, 1};
  }

  // Counts and codes plane 0 with run(f), which runs f in a warp of model W.
  template <class W, class Run>
  void encode(Run run) {
    core::PlaneChoice work[2];
    core::OneThread team;
    if constexpr (sizeof(Unit) > 1) {
      using Counters = core::SymbolCounters<sizeof(Unit)>;
      std::vector<std::uint32_t> counts(Counters::kWords);
      run([&] { core::survey_units<W, Unit>(segment, block, Counters{counts.data()}); });
      Counters{counts.data()}.template add_to<cpu::PortableWarp>(planes, 0, 1);
    } else {
      block.varying = 1;
      for (std::uint32_t i = 0; i < kUnits; i += 2)
        planes[0].counted.pairs[planes[0].window.pair(units[i], units[i + 1])]++;
    }
    // Pairs, whatever they cost.
    core::choose_pairs(planes[0].counted, planes[0].window, work[0], work[1], planes[0].replacement, team);
    std::copy_n(work[0].frequencies, core::kTableSymbols, planes[0].frequencies);
    core::build_encode_table(planes[0].frequencies, planes[0].encode, team);
    planes[0].paired = 1;
    core::NearTables near;
    for (std::uint32_t s = 0; s < core::kTableSymbols; s++) near.set(planes[0], s);
    alignas(16) std::uint8_t stage[core::kStageBytes] = {};
    run([&] { core::code_plane<W, Unit>(segment, block, 0, near, stage); });
  }
  [[nodiscard]] const std::uint8_t* plane() const {
    return reinterpret_cast<const std::uint8_t*>(block.words_end[0] - block.word_count[0]);
  }
  [[nodiscard]] std::size_t plane_bytes() const {
    return core::bytes_of_pairs(block.word_count[0], block.record_count);
  }
};

void in_turn(const std::function<void()>& f) { f(); }
void in_all_lanes(const std::function<void()>& f) {
  emulation::run_warp([&] { f(); });
}

template <class Unit>
std::unique_ptr<Coded<Unit>> expect_same_coding() {
  auto portable = std::make_unique<Coded<Unit>>(), device = std::make_unique<Coded<Unit>>();
  portable->template encode<cpu::PortableWarp>(in_turn);
  device->template encode<CudaWarp>(in_all_lanes);
  EXPECT_GT(portable->block.record_count, 5u);
  EXPECT_EQ(device->plane_bytes(), portable->plane_bytes());
  EXPECT_EQ(std::memcmp(device->plane(), portable->plane(), portable->plane_bytes()), 0);
  EXPECT_EQ(std::memcmp(&device->planes[0], &portable->planes[0], sizeof device->planes[0]), 0);
  return portable;
}

// Decodes with a finisher of both models; make(out) makes it.
template <class Finish, class Make>
std::vector<std::uint8_t> expect_same_decoding(const core::PlaneTables& plane, std::size_t unit_bytes, Make make,
                                               core::Status expected = core::Status::kOk) {
  std::vector<std::uint32_t> table(core::kProbScale);
  core::build_decode_table(plane.frequencies, table.data());
  const auto run = [&](auto warp) {
    using W = decltype(warp);
    alignas(16) std::uint8_t tile[core::kTileSymbols] = {};
    alignas(16) std::uint8_t ring[CudaWarp::kWordBytes] = {};
    std::vector<core::Words4> room(kUnits * unit_bytes / 16 + 1);
    auto* out = reinterpret_cast<std::uint8_t*>(room.data());
    const auto decode = [&] { return core::decode_block<W>(make(out), table.data(), {tile, ring}); };
    if constexpr (std::is_same_v<W, CudaWarp>)
      EXPECT_EQ(answer_of_warp(decode), expected);
    else
      EXPECT_EQ(decode(), expected);
    return std::vector<std::uint8_t>(out, out + kUnits * unit_bytes);
  };
  const auto units = run(cpu::PortableWarp{});
  EXPECT_EQ(run(CudaWarp{}), units);
  return units;
}

template <class Unit>
core::BlockJob job_of(const Coded<Unit>& coded) {
  core::BlockJob job{};
  job.symbols = coded.plane();
  job.symbol_bytes = 2 * coded.block.word_count[0];
  job.source = core::SymbolSource::kRans;
  job.lanes_log2 = static_cast<std::uint8_t>(core::lanes_log2_for(kUnits / 2));
  job.n = kUnits;
  job.records = job.symbols + job.symbol_bytes;
  job.record_count = coded.block.record_count;
  return job;
}

TEST(CudaPairs, UnitsAreCodedAndFinishedLikeInThePortableModel) {
  const auto check = []<class Unit>(Unit) {
    const auto coded = expect_same_coding<Unit>();
    alignas(16) static std::uint8_t rest[3][kUnits];
    core::BlockJob job = job_of(*coded);
    for (std::uint32_t i = 0; i < kUnits; i++)
      for (std::size_t p = 0; p + 1 < sizeof(Unit); p++) {
        rest[p][i] = static_cast<std::uint8_t>(coded->units[i] >> (8 * (sizeof(Unit) - 2 - p)));
        job.rest[p] = rest[p];
      }
    using Finish = core::PairsToUnits<Unit>;
    const auto make = [&](std::uint8_t* out) { return Finish(job, out, {kBase, nullptr}); };
    const auto units = expect_same_decoding<Finish>(coded->planes[0], sizeof(Unit), make);
    EXPECT_EQ(std::memcmp(units.data(), coded->units, units.size()), 0);
  };
  check(std::uint16_t{});
  check(std::uint32_t{});
}

TEST(CudaPairs, SymbolsAndWeightsToo) {
  const auto coded = expect_same_coding<std::uint8_t>();
  const core::BlockJob job = job_of(*coded);
  core::BlockGroup group{};
  group.pair_base = kBase;
  std::uint16_t bytes[256];
  for (std::uint32_t p = 0; p < 256; p++) bytes[p] = core::PairsToBytes::value(group, p);
  const auto symbols = expect_same_decoding<core::PairsToBytes>(coded->planes[0], 1, [&](std::uint8_t* out) {
    return core::PairsToBytes(job, out, {kBase, bytes});
  });
  EXPECT_EQ(std::memcmp(symbols.data(), coded->units, kUnits), 0);

  core::UniformParameters uniform{};
  uniform.fine_step = 0.25f;
  group.uniform = &uniform;
  const auto check = [&]<core::FloatType kType>() {
    using Finish = core::PairsToWeights<kType>;
    using Unit = typename Finish::Output;
    typename Finish::Value values[256];
    for (std::uint32_t p = 0; p < 256; p++) values[p] = Finish::value(group, p);
    const auto weights = expect_same_decoding<Finish>(coded->planes[0], sizeof(Unit), [&](std::uint8_t* out) {
      return Finish(job, out, group, {kBase, values});
    });
    for (std::uint32_t i = 0; i < kUnits; i++) {
      Unit unit = 0;
      std::memcpy(&unit, weights.data() + i * sizeof(Unit), sizeof(Unit));
      ASSERT_EQ(unit, core::FloatUnit<kType>::narrow(uniform.weight(coded->units[i], 0, 0.25f))) << i;
    }
  };
  check.operator()<core::FloatType::kBF16>();
  check.operator()<core::FloatType::kF32>();
}

TEST(CudaPairs, RecordsThatDoNotDescendAreRefused) {
  const auto coded = expect_same_coding<std::uint8_t>();
  core::BlockJob job = job_of(*coded);
  std::vector<std::uint8_t> records(job.records, job.records + 4 * std::size_t{job.record_count});
  job.records = records.data();
  std::uint16_t bytes[256] = {};
  const auto check = [&] {
    expect_same_decoding<core::PairsToBytes>(
        coded->planes[0], 1,
        [&](std::uint8_t* out) {
          return core::PairsToBytes(job, out, {kBase, bytes});
        },
        core::Status::kRecords);
  };
  std::memcpy(records.data() + 4, records.data(), 4);
  check();
  std::memcpy(records.data() + 4, job.records + 8, 4);
  core::store_bytewise(records.data(), core::pack_record(kUnits, 3));
  check();
}

}  // namespace
}  // namespace weft::cuda
