// What the CUDA backend needs of a device, as an interface: memory, an ordered queue of copies and kernels.
//
// Read me first:
// * One implementation, cuda/cuda_device.cpp, on CUDA, or in the tests on an emulation of it (tests/emulation); and tests bound
//   its memory. Nothing above this line knows which one it has.
// * Kernels take arrays of jobs in device memory whose pointers are device pointers, and leave one answer per job.
//   Whoever builds jobs has checked that they stay within the memory that is theirs.
// * A failing call throws Error(kDevice). Running out of memory is no failure: allocate() answers null.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>

#include "weft/core/decode_block.hpp"
#include "weft/core/decode_by_class.hpp"
#include "weft/core/decode_pairs.hpp"
#include "weft/core/encode_block.hpp"
#include "weft/core/look_up.hpp"
#include "weft/core/nearest_vectors.hpp"
#include "weft/core/row_squares.hpp"
#include "weft/core/sorted_keys.hpp"
#include "weft/core/trellis_decode.hpp"
#include "weft/core/trellis_maps.hpp"
#include "weft/core/trellis_spread.hpp"
#include "weft/core/vector_sums.hpp"
#include "weft/core/view.hpp"

namespace weft::cuda {

// Blocks of a group, and warps of a thread block. Smaller groups fill a device more evenly; larger ones share a table.
inline constexpr std::uint32_t kGroupBlocks = 16, kDecodeGroupBlocks = 8;

struct ChecksumJob {  // core::crc32c
  const std::uint8_t* data;
  std::uint64_t n;
};

// The instances of core::decode_block.
enum class DecodeOp : std::uint8_t {
  kMerge1,
  kMerge2,
  kMerge4,
  kMerge8,
  kTableBF16,  // Dequantize by table: no low bits, one step
  kTableF16,
  kTableF32,
  kTableF64,
  kStepsBF16,  // Dequantize with all there is
  kStepsF16,
  kStepsF32,
  kStepsF64,
  kPairs1,  // plane 0 in pairs: to symbols, to units, to weights by a table
  kPairs2,
  kPairs4,
  kPairsBF16,
  kPairsF16,
  kPairsF32,
};
inline constexpr std::size_t kDecodeOps = 18;

// Groups in device memory, and the most tables that one of them has.
struct ClassGroups {
  const core::ClassGroup* groups;
  std::uint32_t count, table_count;
};

// The instances of core::decode_trellis_block: by the size of units, labelling and prediction.
enum class TrellisOp : std::uint8_t {};
inline constexpr std::size_t kTrellisOps = 12;
[[nodiscard]] constexpr TrellisOp trellis_op(int unit_bytes, bool keeps_zero, bool predicts) noexcept {
  const int size = unit_bytes == 2 ? 0 : unit_bytes == 4 ? 1 : 2;
  return static_cast<TrellisOp>(4 * size + (keeps_zero ? 2 : 0) + (predicts ? 1 : 0));
}
// Calls f(Unit, keeps zero, predicts) with values of these types.
template <class F>
auto with_trellis_op(TrellisOp op, F f) {
  const auto number = static_cast<unsigned>(op);
  const auto with_unit = [&](auto zero, auto predicts) {
    if (number / 4 == 0) return f(std::uint16_t{}, zero, predicts);
    return number / 4 == 1 ? f(std::uint32_t{}, zero, predicts) : f(std::uint64_t{}, zero, predicts);
  };
  if (number % 4 < 2)
    return number % 2 == 0 ? with_unit(std::false_type{}, std::false_type{})
                           : with_unit(std::false_type{}, std::true_type{});
  return number % 2 == 0 ? with_unit(std::true_type{}, std::false_type{})
                         : with_unit(std::true_type{}, std::true_type{});
}

// Groups in device memory, and the most bytes of shared memory that one of them needs: for core::TrellisMemory; for the
// same with exact rows, and for core::TrellisMaps, if there are any (0: none).
struct TrellisGroups {
  const core::TrellisGroup* groups;
  std::uint32_t count, job_count, memory_bytes, exact_bytes, map_bytes;
};

// The passes of core/encode_block.hpp, and the types of units that those over blocks are made for.
enum class EncodePass : std::uint8_t {
  kThresholds,      // all uniform segments: halfway
  kQuantizeTrial,   // those with a price of bits: counts only, in rounds
  kRateThresholds,  // those with a price of bits: by the trial's counts
  kGather,          // vectors: scaled floats
  kSearch,          // vectors with a codebook for each group; those with one have VectorPass::kNearest
  kChoose,          // the ops of kCodebooks...: keeps indices
  kWindow,          // those that may have pairs
  kSurvey,          // quantizes for good, or counts the units' bytes
  kTables,
  kCode,
  kLayout,
  kWrite,
};
enum class EncodeOp : std::uint8_t {
  kUnits1,
  kUnits2,
  kUnits4,
  kUnits8,
  kBF16,  // uniform
  kF16,
  kF32,
  kF64,
  kIndicesBF16,  // EncodeKind::kIndices
  kIndicesF16,
  kIndicesF32,
  kIndicesF64,
  kCodebooksBF16,  // EncodeKind::kCodebooks
  kCodebooksF16,
  kCodebooksF32,
  kCodebooksF64,
};
inline constexpr std::size_t kEncodeOps = 16;
// The op of weights of a type, from that of BF16.
[[nodiscard]] constexpr EncodeOp encode_op(EncodeOp of_bf16, core::FloatType type) noexcept {
  return static_cast<EncodeOp>(static_cast<unsigned>(of_bf16) + static_cast<unsigned>(type));
}

// Blocks of one segment, for one thread block.
struct EncodeGroup {
  std::uint32_t segment, first_block, block_count;
};

// In device memory. The passes over segments (thresholds, tables, layout) take all of them, the others the groups.
struct EncodeArrays {
  core::SegmentJob* segments;
  std::uint32_t segment_count;
  core::EncodeBlockJob* blocks;
  const EncodeGroup* groups;
  std::uint32_t group_count;
  std::uint32_t round;  // of kQuantizeTrial and kRateThresholds
};

inline constexpr std::uint32_t kSearchGroupWarps = 4;  // of a TrellisSearchGroup: a thread block's

// The passes of core/trellis_encode.hpp.
enum class TrellisPass : std::uint8_t { kWeave, kSearch, kCode, kPack };

// The instances of core::BlockSearch and core::SingleSearch: by labelling, prediction, and how many states there are.
enum class TrellisEncodeOp : std::uint8_t {};
inline constexpr std::size_t kTrellisEncodeOps = 16;
[[nodiscard]] constexpr TrellisEncodeOp trellis_encode_op(int states_log2, bool keeps_zero, bool predicts) noexcept {
  const int size = states_log2 == 0                       ? 3
                   : states_log2 < core::kLaneStatesLog2  ? 0
                   : states_log2 == core::kLaneStatesLog2 ? 1
                                                          : 2;
  return static_cast<TrellisEncodeOp>(4 * size + (keeps_zero ? 2 : 0) + (predicts ? 1 : 0));
}
// Calls f(states of a lane, whether a chain's are spread, keeps zero, predicts) with values of these types.
template <class F>
auto with_trellis_encode_op(TrellisEncodeOp op, F f) {
  const auto number = static_cast<unsigned>(op);
  const auto with_labels = [&](auto states, auto spread) {
    if (number % 4 < 2)
      return number % 2 == 0 ? f(states, spread, std::false_type{}, std::false_type{})
                             : f(states, spread, std::false_type{}, std::true_type{});
    return number % 2 == 0 ? f(states, spread, std::true_type{}, std::false_type{})
                           : f(states, spread, std::true_type{}, std::true_type{});
  };
  using Eight = std::integral_constant<std::uint32_t, core::kLaneStates>;
  if (number / 4 == 3) return with_labels(std::integral_constant<std::uint32_t, 1>{}, std::false_type{});
  if (number / 4 == 0) return with_labels(std::integral_constant<std::uint32_t, 4>{}, std::false_type{});
  return number / 4 == 1 ? with_labels(Eight{}, std::false_type{}) : with_labels(Eight{}, std::true_type{});
}

// In device memory: jobs of one op, and the groups of their searches.
struct TrellisEncodeArrays {
  core::TrellisEncodeJob* jobs;
  std::uint32_t job_count;
  const core::TrellisSearchGroup* groups;
  std::uint32_t group_count;
  std::uint32_t memory_bytes;  // core::SearchMemory that one of them needs at most
  std::uint8_t* out;           // of kPack, which takes the jobs of all ops
};

// The passes of clustering of scalars, over core/sorted_keys.hpp.
enum class ScalarPass : std::uint8_t {
  kKeys,    // of the values
  kSort,    // keys, and weights if there are any, which ride along; equal keys stay in their order
  kSums,    // the prefix
  kPlaces,  // answers questions
  kRuns,
  kSquares,
};

// In device memory; each pass looks at what it needs. The rooms are as long as what they are named after.
struct ScalarArrays {
  const float* values;
  std::uint32_t *keys, *keys_room, *weights, *weights_room;  // weights may be null
  core::Prefix* prefix;
  void* scratch;  // Device::sort_scratch_bytes
  std::size_t scratch_bytes;
  core::SortedKeys sorted;  // the arrays above once more, for those passes that read them
  const core::PlaceQuestion* questions;
  core::Place* places;
  std::uint32_t question_count;
  core::RunList runs;
  core::SquaresJob squares;
};

// The passes of clustering of vectors, over core/nearest_vectors.hpp and core/vector_sums.hpp.
enum class VectorPass : std::uint8_t {
  kNearest,     // with fused scores, then exactly where those do not settle it
  kTotals,      // of each entry, from zero
  kDrawSums,    // of each piece
  kDrawPlaces,  // the vectors of drawn points
};

// In device memory; each pass looks at what it needs.
struct VectorArrays {
  core::VectorSums vectors;
  core::Entries entries;
  core::NearestAnswers answers;  // what `vectors` has of them, once more
  std::uint32_t* unsettled;      // room for a number per vector
  std::uint32_t* unsettled_count;
  std::uint64_t* totals;  // core::totals_width for each entry
  double* pieces;         // the errors of kTotals
  std::uint64_t* draw_sums;
  const core::DrawnPoint* points;
  std::uint64_t* drawn;
  std::uint32_t point_count;
};

enum class Phase : std::uint8_t { kUpload, kKernels, kDownload };

// Seconds that a queue spent in its phases, on the device's clock.
struct PhaseTimes {
  double seconds[3] = {};
};

class Queue {
 public:
  virtual ~Queue() = default;
  // Names what comes next, for the times.
  virtual void phase(Phase phase) = 0;
  virtual void to_device(void* to, const void* from, std::size_t n) = 0;
  virtual void to_host(void* to, const void* from, std::size_t n) = 0;
  // Within the device's memory.
  virtual void copy(void* to, const void* from, std::size_t n) = 0;
  virtual void checksum(const ChecksumJob* jobs, std::uint32_t count, std::uint32_t* crcs) = 0;
  // The jobs' units go to out + job.out. status[i] answers jobs[i], a core::Status.
  virtual void decode(DecodeOp op, const core::BlockGroup* groups, std::uint32_t count, const core::BlockJob* jobs,
                      std::uint8_t* out, std::uint32_t* status) = 0;
  // The same of planes that are coded by class, to symbols.
  virtual void decode_classes(const ClassGroups& groups, const core::BlockJob* jobs, std::uint8_t* out,
                              std::uint32_t* status) = 0;
  virtual void decode_trellis(TrellisOp op, const TrellisGroups& groups, const core::TrellisJob* jobs,
                              std::uint8_t* out, std::uint32_t* status) = 0;
  // core::look_up_units and the jobs' exceptions; all jobs have units of this type.
  virtual void look_up(core::FloatType type, const core::LookUpJob* jobs, std::uint32_t count, std::uint8_t* out,
                       std::uint32_t* status) = 0;
  virtual void copy_from_view(const core::ViewCopy& copy) = 0;
  virtual void encode(EncodePass pass, EncodeOp op, const EncodeArrays& arrays) = 0;
  virtual void encode_trellis(TrellisPass pass, TrellisEncodeOp op, const TrellisEncodeArrays& arrays) = 0;
  virtual void cluster_scalars(ScalarPass pass, const ScalarArrays& arrays) = 0;
  virtual void cluster_vectors(VectorPass pass, const VectorArrays& arrays) = 0;
  // job.parts[i] answers part i of the job's rows.
  virtual void square_rows(const core::RowJob& job) = 0;
  // Blocks until all of the above has happened.
  virtual void wait() = 0;
  // Since the last call; whole only after wait().
  virtual PhaseTimes take_times() = 0;
};

// Of a device's memory, and of the parts that it is cut into; blocks and units need 16.
inline constexpr std::size_t kBufferAlignment = 256;

class Device {
 public:
  virtual ~Device() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  // Aligned to kBufferAlignment. Null when there is not enough. Thread-safe, as everything of a Device.
  [[nodiscard]] virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* memory) noexcept = 0;
  // Host memory that copies run fast from and to.
  [[nodiscard]] virtual void* allocate_pinned(std::size_t bytes) = 0;
  virtual void release_pinned(void* memory) noexcept = 0;
  [[nodiscard]] virtual std::unique_ptr<Queue> make_queue() = 0;
  [[nodiscard]] virtual std::uint64_t free_bytes() = 0;
  // What ScalarPass::kSort and kSums need beside their arrays.
  [[nodiscard]] virtual std::size_t sort_scratch_bytes(std::uint64_t n, bool weighted) = 0;
};

}  // namespace weft::cuda
