#include "support/host_device.hpp"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <numeric>
#include <vector>

#include "backends/cpu/kernels.hpp"
#include "backends/cpu/warp_portable.hpp"
#include "backends/cuda/device.hpp"
#include "support/host_clusters.hpp"
#include "support/host_trellis.hpp"
#include "weft/core/frequency.hpp"

namespace weft::testing {

namespace {

class HostQueue final : public cuda::Queue {
 public:
  void phase(cuda::Phase phase) override {
    defer([this, phase] { phase_ = static_cast<std::size_t>(phase); });
  }
  void to_device(void* to, const void* from, std::size_t n) override {
    defer([=] { copy_now(to, from, n); });
  }
  void to_host(void* to, const void* from, std::size_t n) override {
    defer([=] { copy_now(to, from, n); });
  }
  void copy(void* to, const void* from, std::size_t n) override {
    defer([=] { copy_now(to, from, n); });
  }
  void checksum(const cuda::ChecksumJob* jobs, std::uint32_t count, std::uint32_t* crcs) override {
    defer([=] {
      for (std::uint32_t i = 0; i < count; i++) crcs[i] = cpu::portable_kernels().crc32c(jobs[i].data, jobs[i].n);
    });
  }
  void decode(cuda::DecodeOp op, const core::BlockGroup* groups, std::uint32_t count, const core::BlockJob* jobs,
              std::uint8_t* out, std::uint32_t* status) override {
    defer([=, this] {
      for (std::uint32_t g = 0; g < count; g++) decode_group(op, groups[g], {jobs, out, status});
    });
  }
  void decode_trellis(cuda::TrellisOp op, const cuda::TrellisGroups& groups, const core::TrellisJob* jobs,
                      std::uint8_t* out, std::uint32_t* status) override {
    defer([=] {
      std::vector<std::uint32_t> memory(groups.memory_bytes / 4);
      for (std::uint32_t g = 0; g < groups.count; g++) {
        const core::TrellisGroup& group = groups.groups[g];
        if (group.job_count > cuda::kTrellisGroupBlocks) std::abort();
        for (std::uint32_t thread = 0; thread < 256; thread++)
          core::fill_trellis_memory(group, memory.data(), thread, 256);
        for (std::uint32_t job = group.first_job; job < group.first_job + group.job_count; job++)
          status[job] = cuda::with_trellis_op(op, [&](auto unit, auto zero, auto predicts) {
            return static_cast<std::uint32_t>(
                core::decode_trellis_block<Warp, decltype(unit), decltype(zero)::value, decltype(predicts)::value>(
                    *group.stream, jobs[job], memory.data(), nullptr, out));
          });
      }
    });
  }
  void look_up(core::FloatType type, const core::LookUpJob* jobs, std::uint32_t count, std::uint8_t* out,
               std::uint32_t* status) override {
    defer([=] {
      for (std::uint32_t job = 0; job < count; job++)
        status[job] = static_cast<std::uint32_t>(
            core::with_float_type(type, [&](auto unit) { return look_up_block<decltype(unit)>(jobs[job], out); }));
    });
  }
  void copy_from_view(const core::ViewCopy& copy) override {
    defer([=] {
      for (std::uint32_t thread = 0; thread < 7; thread++) core::copy_from_view(copy, thread, 7);
    });
  }
  void encode(cuda::EncodePass pass, cuda::EncodeOp op, const cuda::EncodeArrays& arrays) override {
    defer([=, this] {
      switch (pass) {
        case cuda::EncodePass::kThresholds:
        case cuda::EncodePass::kRateThresholds:
        case cuda::EncodePass::kTables:
        case cuda::EncodePass::kLayout:
          for (std::uint32_t i = 0; i < arrays.segment_count; i++)
            for (std::uint32_t p = 0; p < core::kMaxPlanes; p++)
              core::encode_segment_pass<Warp>(pass_of(pass), arrays.round, arrays.segments[i], p, arrays.blocks,
                                              scratch_);
          return;
        default:
          for (std::uint32_t g = 0; g < arrays.group_count; g++) encode_group(pass, op, arrays, arrays.groups[g]);
      }
    });
  }
  void encode_trellis(cuda::TrellisPass pass, cuda::TrellisEncodeOp op,
                      const cuda::TrellisEncodeArrays& arrays) override {
    defer([=] { encode_trellis_on_host(pass, op, arrays); });
  }
  void cluster_scalars(cuda::ScalarPass pass, const cuda::ScalarArrays& arrays) override {
    defer([=] { cluster_scalars_on_host(pass, arrays); });
  }
  void cluster_vectors(cuda::VectorPass pass, const cuda::VectorArrays& arrays) override {
    defer([=] { cluster_vectors_on_host(pass, arrays); });
  }
  void wait() override {
    for (const auto& step : steps_) {
      const auto begin = std::chrono::steady_clock::now();
      step();
      times_.seconds[phase_] += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }
    steps_.clear();
  }
  cuda::PhaseTimes take_times() override { return std::exchange(times_, {}); }

 private:
  using Warp = cpu::PortableWarp;

  void defer(std::function<void()> step) { steps_.push_back(std::move(step)); }
  static void copy_now(void* to, const void* from, std::size_t n) {
    if (n > 0) std::memcpy(to, from, n);
  }

  template <class Float>
  static core::Status look_up_block(const core::LookUpJob& job, std::uint8_t* out) {
    bool valid = true;
    for (std::uint32_t thread = 0; thread < 7; thread++) valid &= core::look_up_units<Float>(job, out, thread, 7);
    return valid ? core::apply_exceptions<Warp, typename Float::Unit>(job, out + job.out) : core::Status::kIndices;
  }

  struct DecodeArrays {
    const core::BlockJob* jobs;
    std::uint8_t* out;
    std::uint32_t* status;
  };

  void decode_group(cuda::DecodeOp op, const core::BlockGroup& group, const DecodeArrays& arrays) {
    using enum cuda::DecodeOp;
    using enum core::FloatType;
    switch (op) {
      case kMerge1:
        return merge<std::uint8_t>(group, arrays);
      case kMerge2:
        return merge<std::uint16_t>(group, arrays);
      case kMerge4:
        return merge<std::uint32_t>(group, arrays);
      case kMerge8:
        return merge<std::uint64_t>(group, arrays);
      case kTableBF16:
        return dequantize<kBF16, true>(group, arrays);
      case kTableF16:
        return dequantize<kF16, true>(group, arrays);
      case kTableF32:
        return dequantize<kF32, true>(group, arrays);
      case kTableF64:
        return dequantize<kF64, true>(group, arrays);
      case kStepsBF16:
        return dequantize<kBF16, false>(group, arrays);
      case kStepsF16:
        return dequantize<kF16, false>(group, arrays);
      case kStepsF32:
        return dequantize<kF32, false>(group, arrays);
      case kStepsF64:
        return dequantize<kF64, false>(group, arrays);
      case kPairs1:
        return pairs<core::PairsToBytes>(group, arrays);
      case kPairs2:
        return pairs<core::PairsToUnits<std::uint16_t>>(group, arrays);
      case kPairs4:
        return pairs<core::PairsToUnits<std::uint32_t>>(group, arrays);
      case kPairsBF16:
        return pairs<core::PairsToWeights<kBF16>>(group, arrays, group);
      case kPairsF16:
        return pairs<core::PairsToWeights<kF16>>(group, arrays, group);
      case kPairsF32:
        return pairs<core::PairsToWeights<kF32>>(group, arrays, group);
    }
  }
  template <class Make>
  void decode_jobs(const core::BlockGroup& group, const DecodeArrays& arrays, Make make) {
    if (group.frequencies != nullptr) {
      std::uint16_t cumulative[257] = {};
      for (std::size_t s = 0; s < 256; s++)
        cumulative[s + 1] = static_cast<std::uint16_t>(cumulative[s] + group.frequencies[s]);
      for (std::uint32_t slot = 0; slot < core::kProbScale; slot++) table_[slot] = core::decode_slot(cumulative, slot);
    }
    for (std::uint32_t i = 0; i < group.job_count; i++) {
      const std::uint32_t job = group.first_job + i;
      const core::Status status = core::decode_block<Warp>(make(arrays.jobs[job]), table_.data(), {tile_, nullptr});
      arrays.status[job] = static_cast<std::uint32_t>(status);
    }
  }
  template <class Unit>
  void merge(const core::BlockGroup& group, const DecodeArrays& arrays) {
    decode_jobs(group, arrays, [&](const core::BlockJob& job) { return core::MergeUnits<Unit>(job, arrays.out); });
  }
  template <class Finish, class... More>
  void pairs(const core::BlockGroup& group, const DecodeArrays& arrays, const More&... more) {
    using Value = typename Finish::Value;
    std::array<Value, core::kTableSymbols> values;
    for (std::uint32_t pair = 0; pair < values.size(); pair++) values[pair] = Finish::value(group, pair);
    decode_jobs(group, arrays, [&](const core::BlockJob& job) {
      return Finish(job, arrays.out, more..., core::PairTable<Value>{group.pair_base, values.data()});
    });
  }
  template <core::FloatType kType, bool kByTable>
  void dequantize(const core::BlockGroup& group, const DecodeArrays& arrays) {
    const core::UniformParameters& uniform = *group.uniform;
    for (std::uint32_t s = 0; s < 256 && kByTable; s++) values_[s] = core::value_of_symbol<kType>(group, s);
    decode_jobs(group, arrays, [&](const core::BlockJob& job) {
      return core::Dequantize<kType, kByTable>(job, arrays.out, uniform, values_);
    });
  }

  static core::SegmentPass pass_of(cuda::EncodePass pass) {
    return pass == cuda::EncodePass::kThresholds       ? core::SegmentPass::kThresholds
           : pass == cuda::EncodePass::kRateThresholds ? core::SegmentPass::kRateThresholds
           : pass == cuda::EncodePass::kTables         ? core::SegmentPass::kTables
                                                       : core::SegmentPass::kLayout;
  }
  static void encode_group(cuda::EncodePass pass, cuda::EncodeOp op, const cuda::EncodeArrays& arrays,
                           const cuda::EncodeGroup& group) {
    using enum cuda::EncodeOp;
    switch (op) {
      case kUnits1:
        return encode_units<std::uint8_t>(pass, arrays, group);
      case kUnits2:
        return encode_units<std::uint16_t>(pass, arrays, group);
      case kUnits4:
        return encode_units<std::uint32_t>(pass, arrays, group);
      case kUnits8:
        return encode_units<std::uint64_t>(pass, arrays, group);
      case kBF16:
        return encode_weights<core::FloatType::kBF16>(pass, arrays, group);
      case kF16:
        return encode_weights<core::FloatType::kF16>(pass, arrays, group);
      case kF32:
        return encode_weights<core::FloatType::kF32>(pass, arrays, group);
      case kF64:
        return encode_weights<core::FloatType::kF64>(pass, arrays, group);
      case kIndicesBF16:
        return encode_indices<core::FloatType::kBF16>(pass, arrays, group);
      case kIndicesF16:
        return encode_indices<core::FloatType::kF16>(pass, arrays, group);
      case kIndicesF32:
        return encode_indices<core::FloatType::kF32>(pass, arrays, group);
      case kIndicesF64:
        return encode_indices<core::FloatType::kF64>(pass, arrays, group);
      case kCodebooksBF16:
        return encode_codebooks<core::FloatType::kBF16>(pass, arrays, group);
      case kCodebooksF16:
        return encode_codebooks<core::FloatType::kF16>(pass, arrays, group);
      case kCodebooksF32:
        return encode_codebooks<core::FloatType::kF32>(pass, arrays, group);
      case kCodebooksF64:
        return encode_codebooks<core::FloatType::kF64>(pass, arrays, group);
    }
  }
  static bool chooses_window(const core::SegmentJob& segment, const cuda::EncodeGroup& group) {
    return segment.may_pair != 0 && group.first_block == segment.first_block;
  }
  // What a thread block does around its warps: shared counts, and the table of the plane that is coded.
  template <int kPlanes, class Survey>
  static void survey(core::PlaneTables* planes, Survey count_all) {
    std::vector<std::uint32_t> words(core::SymbolCounters<kPlanes>::kWords);
    const core::SymbolCounters<kPlanes> counters{words.data()};
    count_all(counters);
    for (std::uint32_t thread = 0; thread < 7; thread++) counters.template add_to<Warp>(planes, thread, 7);
  }
  template <class Unit>
  static void code(const core::SegmentJob& segment, core::EncodeBlockJob* blocks, std::uint32_t count) {
    alignas(16) std::uint8_t stage[core::kStageBytes];
    for (int p = 0; p < segment.coded_planes; p++) {
      if (segment.planes[p].has_table == 0) continue;
      core::NearTables near{segment.planes[p].encode, {}};
      std::copy_n(segment.planes[p].replacement, core::kTableSymbols, near.replacement);
      for (std::uint32_t b = 0; b < count; b++) core::code_plane<Warp, Unit>(segment, blocks[b], p, near, stage);
    }
  }
  template <class Unit>
  static void encode_units(cuda::EncodePass pass, const cuda::EncodeArrays& arrays, const cuda::EncodeGroup& group) {
    core::SegmentJob& segment = arrays.segments[group.segment];
    core::EncodeBlockJob* blocks = arrays.blocks + group.first_block;
    core::WindowScratch scratch{};
    if (pass == cuda::EncodePass::kWindow && chooses_window(segment, group))
      core::choose_window_of_units<Warp, Unit>(segment, scratch);
    if (pass == cuda::EncodePass::kSurvey && segment.kind == core::EncodeKind::kLossless)
      survey<sizeof(Unit)>(segment.planes, [&](auto counters) {
        for (std::uint32_t b = 0; b < group.block_count; b++)
          core::survey_units<Warp, Unit>(segment, blocks[b], counters);
      });
    if (pass == cuda::EncodePass::kCode) code<Unit>(segment, blocks, group.block_count);
    alignas(16) std::uint8_t tile[core::kCrcChunk];
    for (std::uint32_t b = 0; pass == cuda::EncodePass::kWrite && b < group.block_count; b++)
      core::write_lossless<Warp, Unit>(segment, blocks[b], kCrcTables, tile);
  }
  template <core::FloatType kType>
  static void encode_weights(cuda::EncodePass pass, const cuda::EncodeArrays& arrays, const cuda::EncodeGroup& group) {
    core::SegmentJob& segment = arrays.segments[group.segment];
    core::EncodeBlockJob* blocks = arrays.blocks + group.first_block;
    const auto quantize = [&]<bool kLast>() {
      survey<1>(segment.planes, [&](auto counters) {
        for (std::uint32_t b = 0; b < group.block_count; b++)
          core::quantize_block<Warp, kType, kLast>(segment, blocks[b], segment.thresholds, counters, &segment.totals);
      });
    };
    core::WindowScratch scratch{};
    if (pass == cuda::EncodePass::kWindow && chooses_window(segment, group))
      core::choose_window_of_weights<Warp, kType>(segment, blocks[0], scratch);
    if (pass == cuda::EncodePass::kSurvey) quantize.template operator()<true>();
    if (pass == cuda::EncodePass::kQuantizeTrial && arrays.round < segment.price_rounds)
      quantize.template operator()<false>();
    if (pass == cuda::EncodePass::kCode) code<std::uint8_t>(segment, blocks, group.block_count);
    alignas(16) std::uint8_t tile[core::kCrcChunk];
    for (std::uint32_t b = 0; pass == cuda::EncodePass::kWrite && b < group.block_count; b++)
      core::write_uniform<Warp, kType>(segment, blocks[b], kCrcTables, tile);
  }

  template <core::FloatType kType>
  static void encode_indices(cuda::EncodePass pass, const cuda::EncodeArrays& arrays, const cuda::EncodeGroup& group) {
    core::SegmentJob& segment = arrays.segments[group.segment];
    core::EncodeBlockJob* blocks = arrays.blocks + group.first_block;
    const auto choose = [&]<bool kLast>() {
      survey<1>(segment.planes, [&](auto counters) {
        for (std::uint32_t b = 0; b < group.block_count; b++)
          core::choose_block_indices<Warp, kType, kLast>(segment, blocks[b], segment.choices[0].upper, counters);
      });
    };
    core::WindowScratch scratch{};
    if (pass == cuda::EncodePass::kWindow && chooses_window(segment, group))
      core::choose_window_of_indices<Warp, kType>(segment, scratch);
    if (pass == cuda::EncodePass::kSurvey) choose.template operator()<true>();
    if (pass == cuda::EncodePass::kQuantizeTrial && arrays.round < segment.price_rounds)
      choose.template operator()<false>();
    if (pass == cuda::EncodePass::kCode) code<std::uint8_t>(segment, blocks, group.block_count);
    alignas(16) std::uint8_t tile[core::kCrcChunk];
    for (std::uint32_t b = 0; pass == cuda::EncodePass::kWrite && b < group.block_count; b++)
      core::write_indices<Warp, kType>(segment, blocks[b], kCrcTables, tile);
  }

  template <core::FloatType kType>
  static void encode_codebooks(cuda::EncodePass pass, const cuda::EncodeArrays& arrays,
                               const cuda::EncodeGroup& group) {
    using enum cuda::EncodePass;
    core::SegmentJob& segment = arrays.segments[group.segment];
    core::EncodeBlockJob* blocks = arrays.blocks + group.first_block;
    const auto for_blocks = [&](auto f) {
      for (std::uint32_t b = 0; b < group.block_count; b++) f(blocks[b]);
    };
    const auto choose = [&] {
      for_blocks([&](auto& block) { core::choose_of_codebooks<Warp, kType>(segment, block); });
    };
    const auto count = [&] {
      for (std::uint32_t p = 0; p < segment.coded_planes; p++)
        survey<1>(segment.planes + p, [&](auto counters) {
          for_blocks([&](auto& block) { core::count_indices<Warp>(segment, block, p, counters); });
        });
    };
    core::WindowScratch scratch{};
    if (pass == kQuantizeTrial && arrays.round < segment.price_rounds) choose(), count();
    if (pass == kGather && segment.vector_log2 > 0)
      for_blocks([&](auto& block) { core::gather_vectors<Warp, kType>(segment, block); });
    if (pass == kSearch && core::searches_groups(segment))
      for (std::uint32_t thread = 0; thread < 7; thread++)
        for_blocks([&](auto& block) { core::search_groups(segment, block, thread, 7); });
    if (pass == kChoose) choose();
    if (pass == kWindow && chooses_window(segment, group)) core::choose_windows_of_codebooks<Warp>(segment, scratch);
    if (pass == kSurvey) count();
    if (pass == kCode || pass == kWrite) encode_indices<kType>(pass, arrays, group);
  }

  static constexpr core::CrcTables kCrcTables = core::make_crc_tables();
  std::vector<std::function<void()>> steps_;
  std::size_t phase_ = 0;
  cuda::PhaseTimes times_;
  std::vector<std::uint32_t> table_ = std::vector<std::uint32_t>(core::kProbScale);
  std::uint32_t values_[256] = {};
  core::SegmentScratch scratch_{};
  alignas(16) std::uint8_t tile_[core::kTileSymbols] = {};
};

}  // namespace

std::unique_ptr<cuda::Queue> make_host_queue() { return std::make_unique<HostQueue>(); }

}  // namespace weft::testing
