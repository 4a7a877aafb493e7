// What is looked at to find codebooks, and the memory that it takes.
#include <algorithm>
#include <string>
#include <unordered_map>

#include "archive/codebook_index.hpp"
#include "backends/codebook_groups.hpp"
#include "engine/codebooks.hpp"
#include "engine/weight_sample.hpp"

namespace weft::engine {
namespace {

constexpr std::uint64_t kSampleRun = 4096;       // consecutive units of a sample
constexpr std::uint64_t kVectorsPerEntry = 128;  // beyond these, more vectors move entries by less than the error tells
constexpr std::uint64_t kClusterBytes = 18;      // of a unit: a value, its key, the sort's copy of that, prefix sums
constexpr std::uint64_t kVectorBytes = 28;       // its value, twice among vectors, and what is known of each of them
constexpr std::uint64_t kWeighedBytes = 48;      // and weights of all these
constexpr std::uint64_t kHistogramBytes = (std::uint64_t{1} << 16) * (8 + 8 + 8 + kWeighedBytes);

// Units that one clustering looks at.
std::uint64_t most_units(const Plan& plan, std::size_t s) {
  const CodecSpec& spec = plan.specs[s];
  const CodebookStream& stream = plan.index.streams[s].codebook;
  std::uint64_t most = plan.importances[s] ? kWeighedUnits : kClusteredUnits;
  if (stream.dimension == 1) return most;
  most = std::min(most, kVectorUnits);
  return std::min(most, std::min(most, group_count(stream)) * spec.clusters * stream.dimension * kVectorsPerEntry);
}

// Per stream: the units to look at, or all if there are no more. Streams that share a codebook have a part each.
std::vector<std::uint64_t> budgets(const Plan& plan) {
  std::unordered_map<std::string, std::uint64_t> shared;
  const auto is_codebook = [&](std::size_t s) { return plan.index.streams[s].codec == CodecId::kCodebook; };
  for (std::size_t s = 0; s < plan.index.streams.size(); s++)
    if (is_codebook(s) && plan.specs[s].shared) shared[*plan.specs[s].shared] += plan.index.streams[s].units;
  std::vector<std::uint64_t> budgets(plan.index.streams.size());
  for (std::size_t s = 0; s < budgets.size(); s++) {
    if (!is_codebook(s)) continue;
    budgets[s] = most_units(plan, s);
    if (!plan.specs[s].shared) continue;
    const double part = static_cast<double>(plan.index.streams[s].units) /
                        static_cast<double>(std::max<std::uint64_t>(1, shared[*plan.specs[s].shared]));
    budgets[s] = static_cast<std::uint64_t>(part * static_cast<double>(budgets[s]));
  }
  return budgets;
}

// Evenly spread runs of whole vectors, as many as come to about `most` units.
void add_sample(std::size_t s, const StreamRecord& stream, std::uint64_t most, std::vector<Piece>& pieces) {
  const std::uint64_t units = stream.units, dimension = stream.codebook.dimension;
  const auto align = [&](std::uint64_t x) { return x / dimension * dimension; };
  const std::uint64_t run = std::min(kSampleRun, align(most / 2)), runs = most / run;
  const std::uint64_t last = units - run;  // where the last run begins
  for (std::uint64_t i = 0; i < runs; i++) {
    const std::uint64_t whole = last / (runs - 1) * i, rest = last % (runs - 1) * i / (runs - 1);
    pieces.push_back({s, align(whole + rest), i + 1 < runs ? run : units - align(last)});
  }
}

}  // namespace

std::vector<Piece> pieces_for_codebooks(const Plan& plan) {
  const Index& index = plan.index;
  const std::vector<std::uint64_t> most = budgets(plan);
  std::vector<Piece> pieces;
  for (std::size_t s = 0; s < index.streams.size(); s++) {
    const StreamRecord& stream = index.streams[s];
    if (stream.codec != CodecId::kCodebook) continue;
    const std::uint64_t wanted = std::max<std::uint64_t>(most[s], 2 * archive::kMaxDimension);
    if (!has_histogram(stream) && stream.units > wanted) {
      add_sample(s, stream, wanted, pieces);
      continue;
    }
    for (std::size_t i = 0; i < stream.segment_count; i++) {
      const SegmentRecord& segment = index.segments[stream.first_segment + i];
      pieces.push_back({s, segment.first_unit, segment.units});
    }
  }
  return pieces;
}

std::uint64_t codebook_bytes(const Plan& plan) {
  const std::vector<std::uint64_t> most = budgets(plan);
  std::unordered_map<std::string, std::uint64_t> jobs;
  std::uint64_t bytes = 0;
  for (std::size_t s = 0; s < plan.index.streams.size(); s++) {
    const StreamRecord& stream = plan.index.streams[s];
    if (stream.codec != CodecId::kCodebook) continue;
    const std::uint64_t per_unit = plan.importances[s]             ? kWeighedBytes
                                   : stream.codebook.dimension > 1 ? kVectorBytes
                                                                   : kClusterBytes;
    const std::uint64_t mine = has_histogram(stream) ? kHistogramBytes : std::min(stream.units, most[s]) * per_unit;
    bytes = std::max(bytes, plan.specs[s].shared ? jobs[*plan.specs[s].shared] += mine : mine);
  }
  return bytes;
}

}  // namespace weft::engine
