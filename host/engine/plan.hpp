// The plan of a compression: which tensors form which streams, and how each is coded.
//
// A plan is an archive index without sizes: the run fills it in. Small tensors that are coded alike share a stream, so
// that a network of many small tensors does not pay for tables and blocks of each.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backends/backend.hpp"
#include "engine/importance.hpp"
#include "engine/pruning.hpp"
#include "weft/archive.hpp"
#include "weft/config.hpp"
#include "weft/network.hpp"
#include "weft/report.hpp"

namespace weft::engine {

struct Clustering {
  double inertia = 0;
  std::uint32_t iterations = 0, dead = 0;
};

// A trellis tensor of up to this size is looked at whole, and may be coded with a view; it then is one segment.
inline constexpr int kWholeUnitsLog2 = 22;
inline constexpr std::uint64_t kWholeUnits = std::uint64_t{1} << kWholeUnitsLog2;

struct Plan {
  Index index;
  std::vector<CodecSpec> specs;                                // per stream
  std::vector<std::size_t> asset_files;                        // per stream: its file, if it is an asset's
  std::vector<Clustering> clusterings;                         // per stream: how its codebook was found, if it has one
  std::vector<std::shared_ptr<const Importance>> importances;  // per stream: of its weights, if its rule names a file
  std::vector<TensorPruning> prunings;                         // per tensor
  std::vector<std::string> notes;                              // per tensor: why it is not coded as the config wishes
  bool bounds_errors = false;          // steps are for the largest error, not for the squared one
  std::uint32_t model_threads = 1;     // workers that the memory allows to look at whole trellis tensors
  std::uint32_t codebook_threads = 1;  // and to cluster
};

// Throws Error(kConfig) for a rule that does not fit a tensor, such as a channel axis that it does not have.
[[nodiscard]] Plan make_plan(const Network& network, const Config& config);

// Codes the tensor of a lossy stream losslessly after all, and notes why.
void fall_back_to_lossless(Plan& plan, std::size_t stream, const std::string& why);

// A segment as a backend sees it, with the tables that its index names (none while they are not known).
[[nodiscard]] SegmentView segment_view(const Index& index, const StreamRecord& stream, const SegmentRecord& segment);

// Bytes of working memory for one worker: encoding or decoding this many units of a stream.
[[nodiscard]] std::uint64_t encode_bytes(const StreamRecord& stream, std::uint64_t units);
[[nodiscard]] std::uint64_t encode_bytes(const Plan& plan, std::size_t stream, std::uint64_t units);
[[nodiscard]] std::uint64_t decode_bytes(const StreamRecord& stream, std::uint64_t units);

// Calls f(tensor, first unit in the tensor, first unit in the run, units) for the members' parts of the stream's units
// [first, first + units).
template <class F>
void for_members(const Index& index, const StreamRecord& stream, std::uint64_t first, std::uint64_t units, F f) {
  for (const std::size_t tensor : stream.members) {
    const TensorPlace& place = index.places[tensor];
    const std::uint64_t begin = std::max(first, place.first_unit);
    const std::uint64_t end = std::min(first + units, place.first_unit + place.units);
    if (begin < end) f(tensor, begin - place.first_unit, begin - first, end - begin);
  }
}

// What the plan knows of its tensors beyond the index: notes, and how codebooks were found.
void add_notes(const Plan& plan, std::vector<TensorReport>& reports);

// Whether a tensor of the stream is pruned.
[[nodiscard]] bool is_pruned(const Plan& plan, std::size_t stream);

enum class Weights : std::uint8_t { kPruned, kOriginal };
// Reads units [first, first + out.size() / unit bytes) of a stream from the network.
void read_units(const Network& network, const Plan& plan, std::size_t stream, std::uint64_t first,
                std::span<std::byte> out, Weights weights = Weights::kPruned);
// The same before a view reorders them.
void read_memory_order(const Network& network, const Plan& plan, std::size_t stream, std::uint64_t first,
                       std::span<std::byte> out, Weights weights = Weights::kPruned);

}  // namespace weft::engine
