#include "engine/codebooks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <mutex>
#include <numeric>
#include <span>

#include "backends/cpu/kernels.hpp"
#include "cluster/scalar_kmeans.hpp"
#include "engine/beyond_float.hpp"
#include "engine/workers.hpp"

namespace weft::engine {
namespace {

constexpr std::uint64_t kSampleRun = 4096;               // consecutive units of a sample
constexpr std::uint64_t kClusterBytes = 14;              // a value, its key, the sort's copy of that, prefix sums
constexpr std::size_t kPatterns = std::size_t{1} << 16;  // of a 16-bit type
constexpr std::uint64_t kHistogramBytes = kPatterns * (8 + 8 + kClusterBytes);

bool has_histogram(DType dtype) { return unit_bytes(dtype) == 2; }

// Values of a stream, each with a weight unless all weigh the same.
struct Sample {
  std::vector<float> values, weights;
  std::uint64_t units = 0;    // looked at
  bool beyond_float = false;  // an F64 value is finite and not zero, but as a float32 it is not
};

class Sampler {
 public:
  Sampler(const Network& network, const Plan& plan, std::uint32_t threads, const std::atomic<bool>* cancel,
          std::vector<StageTimes>& times)
      : network_(network), plan_(plan), threads_(threads), cancel_(cancel), times_(times) {}

  // The finite values of these pieces of one stream.
  [[nodiscard]] Sample read(std::span<const Piece> pieces) const {
    const DType dtype = plan_.index.streams[pieces.front().stream].dtype;
    return has_histogram(dtype) ? read_histogram(pieces, dtype) : read_values(pieces, dtype);
  }

 private:
  // Calls f(worker, piece, bytes of its units) for all pieces on all threads.
  template <class F>
  void for_pieces(std::span<const Piece> pieces, DType dtype, F f) const {
    std::vector<std::vector<std::byte>> buffers(threads_);
    run_parallel(threads_, pieces.size(), cancel_, [&](std::uint32_t worker, std::size_t p) {
      auto& units = buffers[worker];
      units.resize(pieces[p].units * static_cast<std::uint64_t>(unit_bytes(dtype)));
      times_[worker].time(Stage::kRead, units.size(),
                          [&] { read_units(network_, plan_, pieces[p].stream, pieces[p].first, units); });
      times_[worker].time(Stage::kQuantize, units.size(), [&] { f(p, units); });
    });
  }

  [[nodiscard]] Sample read_histogram(std::span<const Piece> pieces, DType dtype) const {
    Sample sample;
    std::vector<std::uint64_t> totals(kPatterns);
    std::mutex mutex;
    for_pieces(pieces, dtype, [&](std::size_t, std::span<const std::byte> units) {
      std::vector<std::uint32_t> counts(kPatterns);
      for (std::size_t at = 0; at < units.size(); at += 2) {
        std::uint16_t pattern = 0;
        std::memcpy(&pattern, units.data() + at, 2);
        counts[pattern]++;
      }
      const std::lock_guard lock(mutex);
      for (std::size_t i = 0; i < kPatterns; i++) totals[i] += counts[i];
    });
    for (const Piece& piece : pieces) sample.units += piece.units;
    for (std::size_t i = 0; i < kPatterns; i++) {
      if (totals[i] == 0) continue;
      const auto pattern = static_cast<std::uint16_t>(i);
      float value = 0;
      cpu::active_kernels().to_float(dtype, std::as_bytes(std::span(&pattern, 1)).data(), 1, &value);
      if (!std::isfinite(value)) continue;
      sample.values.push_back(value);
      sample.weights.push_back(static_cast<float>(totals[i]));
    }
    return sample;
  }

  [[nodiscard]] Sample read_values(std::span<const Piece> pieces, DType dtype) const {
    Sample sample;
    std::vector<std::uint64_t> places;
    for (const Piece& piece : pieces) {
      places.push_back(sample.units);
      sample.units += piece.units;
    }
    sample.values.resize(sample.units);
    std::atomic<bool> is_beyond{false};
    for_pieces(pieces, dtype, [&](std::size_t p, std::span<const std::byte> units) {
      const std::span values(sample.values.data() + places[p], pieces[p].units);
      cpu::active_kernels().to_float(dtype, units.data(), values.size(), values.data());
      if (beyond_float(dtype, units, values)) is_beyond = true;
    });
    sample.beyond_float = is_beyond;
    std::erase_if(sample.values, [](float value) { return !std::isfinite(value); });
    return sample;
  }

  const Network& network_;
  const Plan& plan_;
  std::uint32_t threads_;
  const std::atomic<bool>* cancel_;
  std::vector<StageTimes>& times_;
};

// How many values there are, by weight.
double count_of(const Sample& sample) {
  if (sample.weights.empty()) return static_cast<double>(sample.values.size());
  return std::accumulate(sample.weights.begin(), sample.weights.end(), 0.0);
}

bool all_zero(const Sample& sample) {
  return std::all_of(sample.values.begin(), sample.values.end(), [](float value) { return value == 0; });
}

// What comes back when the values are stored as this type.
std::vector<float> stored_as(DType dtype, const std::vector<float>& values) {
  std::vector<std::byte> units(values.size() * static_cast<std::size_t>(unit_bytes(dtype)));
  std::vector<float> result(values.size());
  cpu::active_kernels().from_float(dtype, values.data(), values.size(), units.data());
  cpu::active_kernels().to_float(dtype, units.data(), values.size(), result.data());
  return result;
}

// Entries in the codebook's type, without those that a decoder could not tell apart in the tensor's type. False when one of
// them is not finite there.
bool set_centroids(const std::vector<float>& wanted, DType element, CodebookStream& codebook) {
  const std::vector<float> stored = stored_as(codebook.dtype, wanted), restored = stored_as(element, stored);
  codebook.centroids.clear();
  for (std::size_t i = 0; i < stored.size(); i++) {
    if (!std::isfinite(stored[i]) || !std::isfinite(restored[i])) return false;
    if (i > 0 && restored[i] == restored[i - 1]) {
      if (stored[i] == 0) codebook.centroids.back() = 0;  // of those, zero itself
      continue;
    }
    codebook.centroids.push_back(stored[i] + 0.0f);  // -0 becomes +0
  }
  return true;
}

// Whether indices of a fixed width, the entries and the exceptions take less than the units as they are.
bool saves(const CodebookStream& codebook, const StreamRecord& stream, double exceptions) {
  const double units = static_cast<double>(stream.units), unit_bits = 8.0 * unit_bytes(stream.dtype);
  const std::size_t entries = codebook.centroids.size();
  const double book_bits = 8.0 * unit_bytes(codebook.dtype) * static_cast<double>(entries);
  const auto width = static_cast<int>(std::bit_width(entries - 1));
  return units * width + book_bits + exceptions * (32 + unit_bits) < units * unit_bits;
}

// Returns an empty string, or why the stream cannot have a codebook.
std::string set_codebook(const Sample& sample, const CodecSpec& spec, std::uint32_t threads, StreamRecord& stream,
                         Clustering& clustering) {
  if (sample.values.empty()) return "none of its values is finite";
  if (sample.beyond_float && all_zero(sample)) return "no float32 entry fits the size of its values";
  const cluster::ScalarClusters clusters = cluster::cluster_scalars(
      sample.values, sample.weights,
      {.clusters = spec.clusters, .lambda = spec.codebook_lambda, .pin_zero = spec.pin_zero, .threads = threads});
  CodebookStream codebook;
  codebook.dtype = spec.centroid_dtype;
  codebook.bit_price = clusters.lambda;
  if (!set_centroids(clusters.centroids, stream.dtype, codebook))
    return fmt::format("its values are beyond the range of {} entries", name_of(codebook.dtype));
  const double share = 1 - count_of(sample) / static_cast<double>(sample.units);
  if (!saves(codebook, stream, share * static_cast<double>(stream.units))) return "a codebook saves nothing";
  clustering.inertia = clusters.inertia;
  clustering.iterations = clusters.iterations;
  clustering.dead = spec.clusters - static_cast<std::uint32_t>(codebook.centroids.size());
  stream.codebook = std::move(codebook);
  return "";
}

}  // namespace

std::vector<Piece> pieces_for_codebooks(const Index& index) {
  std::vector<Piece> pieces;
  for (std::size_t s = 0; s < index.streams.size(); s++) {
    const StreamRecord& stream = index.streams[s];
    if (stream.codec != CodecId::kCodebook) continue;
    if (has_histogram(stream.dtype) || stream.units <= kClusteredUnits) {
      for (std::size_t i = 0; i < stream.segment_count; i++) {
        const SegmentRecord& segment = index.segments[stream.first_segment + i];
        pieces.push_back({s, segment.first_unit, segment.units});
      }
      continue;
    }
    constexpr std::uint64_t kRuns = kClusteredUnits / kSampleRun;
    const std::uint64_t last = stream.units - kSampleRun;  // where the last run begins
    for (std::uint64_t run = 0; run < kRuns; run++) {
      const std::uint64_t whole = last / (kRuns - 1) * run, rest = last % (kRuns - 1) * run / (kRuns - 1);
      pieces.push_back({s, whole + rest, kSampleRun});
    }
  }
  return pieces;
}

void check_codebook_memory(const Index& index, std::uint64_t memory_limit) {
  std::uint64_t bytes = 0;
  for (const StreamRecord& stream : index.streams) {
    if (stream.codec != CodecId::kCodebook) continue;
    bytes = std::max(
        bytes, has_histogram(stream.dtype) ? kHistogramBytes : std::min(stream.units, kClusteredUnits) * kClusterBytes);
  }
  (void)thread_count(1, memory_limit, bytes);
}

void choose_codebooks(const Network& network, Plan& plan, const std::vector<Piece>& pieces, std::uint32_t threads,
                      const std::atomic<bool>* cancel, std::vector<StageTimes>& times) {
  const Sampler sampler(network, plan, threads, cancel, times);
  for (std::size_t begin = 0, end = 0; begin < pieces.size(); begin = end) {
    const std::size_t s = pieces[begin].stream;
    while (end < pieces.size() && pieces[end].stream == s) end++;
    const Sample sample = sampler.read(std::span(pieces).subspan(begin, end - begin));
    const std::string fault = times[0].time(Stage::kQuantize, 0, [&] {
      return set_codebook(sample, plan.specs[s], threads, plan.index.streams[s], plan.clusterings[s]);
    });
    if (!fault.empty()) fall_back_to_lossless(plan, s, fault);
  }
}

}  // namespace weft::engine
