#include "engine/codebooks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <mutex>
#include <span>

#include "backends/cpu/kernels.hpp"
#include "cluster/scalar_kmeans.hpp"
#include "engine/beyond_float.hpp"
#include "engine/workers.hpp"

namespace weft::engine {
namespace {

constexpr std::uint64_t kSampleRun = 4096;               // consecutive units of a sample
constexpr std::uint64_t kClusterBytes = 14;              // a value, its key, the sort's copy of that, prefix sums
constexpr std::uint64_t kWeighedBytes = 40;              // and weights of all these
constexpr std::size_t kPatterns = std::size_t{1} << 16;  // of a 16-bit type
constexpr std::uint64_t kHistogramBytes = kPatterns * (8 + 8 + 8 + kWeighedBytes);
constexpr double kImportanceUnits = 0x1p31;  // that the largest importance of a histogram's has

bool has_histogram(DType dtype) { return unit_bytes(dtype) == 2; }

std::uint64_t clustered_units(const Plan& plan, std::size_t stream) {
  return plan.importances[stream] ? kWeighedUnits : kClusteredUnits;
}

// Values of a stream, each with a weight unless all weigh the same.
struct Sample {
  std::vector<float> values, weights;
  std::uint64_t units = 0;    // looked at
  std::uint64_t finite = 0;   // of these
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
    const Importance* importance = plan_.importances[pieces.front().stream].get();
    return has_histogram(dtype) ? read_histogram(pieces, dtype, importance) : read_values(pieces, dtype, importance);
  }

 private:
  // Calls f(piece, bytes of its units) for all pieces on all threads.
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

  [[nodiscard]] float largest_importance(std::span<const Piece> pieces, const Importance& importance) const {
    std::vector<float> largest(threads_);
    run_parallel(threads_, pieces.size(), cancel_, [&](std::uint32_t worker, std::size_t p) {
      std::vector<float> weights(pieces[p].units);
      times_[worker].time(Stage::kRead, weights.size() * sizeof(float),
                          [&] { importance.read(pieces[p].first, weights); });
      for (const float weight : weights) largest[worker] = std::max(largest[worker], weight);
    });
    return *std::max_element(largest.begin(), largest.end());
  }

  [[nodiscard]] Sample read_histogram(std::span<const Piece> pieces, DType dtype, const Importance* importance) const {
    Sample sample;
    std::vector<std::uint64_t> totals(kPatterns), sums(importance != nullptr ? kPatterns : 0);
    std::mutex mutex;
    const double largest = importance != nullptr ? static_cast<double>(largest_importance(pieces, *importance)) : 0;
    const double scale = largest > 0 ? kImportanceUnits / largest : 0;
    for_pieces(pieces, dtype, [&](std::size_t p, std::span<const std::byte> units) {
      std::vector<std::uint32_t> counts(kPatterns);
      std::vector<std::uint64_t> weighed(sums.size());
      std::vector<float> weights(importance != nullptr ? pieces[p].units : 0);
      if (importance != nullptr) importance->read(pieces[p].first, weights);
      for (std::size_t i = 0; i < pieces[p].units; i++) {
        std::uint16_t pattern = 0;
        std::memcpy(&pattern, units.data() + 2 * i, 2);
        counts[pattern]++;
        if (importance != nullptr)
          weighed[pattern] += static_cast<std::uint64_t>(static_cast<double>(weights[i]) * scale);
      }
      const std::lock_guard lock(mutex);
      for (std::size_t i = 0; i < kPatterns; i++) totals[i] += counts[i];
      for (std::size_t i = 0; i < sums.size(); i++) sums[i] += weighed[i];
    });
    for (const Piece& piece : pieces) sample.units += piece.units;
    for (std::size_t i = 0; i < kPatterns; i++) {
      if (totals[i] == 0) continue;
      const auto pattern = static_cast<std::uint16_t>(i);
      float value = 0;
      cpu::active_kernels().to_float(dtype, std::as_bytes(std::span(&pattern, 1)).data(), 1, &value);
      if (!std::isfinite(value)) continue;
      sample.values.push_back(value);
      sample.finite += totals[i];
      sample.weights.push_back(importance == nullptr ? static_cast<float>(totals[i])
                               : scale > 0           ? static_cast<float>(static_cast<double>(sums[i]) / scale)
                                                     : 0.0f);
    }
    return sample;
  }

  [[nodiscard]] Sample read_values(std::span<const Piece> pieces, DType dtype, const Importance* importance) const {
    Sample sample;
    std::vector<std::uint64_t> places;
    for (const Piece& piece : pieces) {
      places.push_back(sample.units);
      sample.units += piece.units;
    }
    sample.values.resize(sample.units);
    if (importance != nullptr) sample.weights.resize(sample.units);
    std::atomic<bool> is_beyond{false};
    for_pieces(pieces, dtype, [&](std::size_t p, std::span<const std::byte> units) {
      const std::span values(sample.values.data() + places[p], pieces[p].units);
      cpu::active_kernels().to_float(dtype, units.data(), values.size(), values.data());
      if (beyond_float(dtype, units, values)) is_beyond = true;
      if (importance != nullptr)
        importance->read(pieces[p].first, std::span(sample.weights).subspan(places[p], pieces[p].units));
    });
    sample.beyond_float = is_beyond;
    if (importance != nullptr) {
      std::size_t kept = 0;
      for (std::size_t i = 0; i < sample.values.size(); i++)
        if (std::isfinite(sample.values[i])) sample.weights[kept++] = sample.weights[i];
      sample.weights.resize(kept);
    }
    std::erase_if(sample.values, [](float value) { return !std::isfinite(value); });
    sample.finite = sample.values.size();
    return sample;
  }

  const Network& network_;
  const Plan& plan_;
  std::uint32_t threads_;
  const std::atomic<bool>* cancel_;
  std::vector<StageTimes>& times_;
};

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
  const double share = 1 - static_cast<double>(sample.finite) / static_cast<double>(sample.units);
  if (!saves(codebook, stream, share * static_cast<double>(stream.units))) return "a codebook saves nothing";
  clustering.inertia = clusters.inertia;
  clustering.iterations = clusters.iterations;
  clustering.dead = spec.clusters - static_cast<std::uint32_t>(codebook.centroids.size());
  stream.codebook = std::move(codebook);
  return "";
}

}  // namespace

std::vector<Piece> pieces_for_codebooks(const Plan& plan) {
  const Index& index = plan.index;
  std::vector<Piece> pieces;
  for (std::size_t s = 0; s < index.streams.size(); s++) {
    const StreamRecord& stream = index.streams[s];
    if (stream.codec != CodecId::kCodebook) continue;
    const std::uint64_t most = clustered_units(plan, s);
    if (has_histogram(stream.dtype) || stream.units <= most) {
      for (std::size_t i = 0; i < stream.segment_count; i++) {
        const SegmentRecord& segment = index.segments[stream.first_segment + i];
        pieces.push_back({s, segment.first_unit, segment.units});
      }
      continue;
    }
    const std::uint64_t runs = most / kSampleRun;
    const std::uint64_t last = stream.units - kSampleRun;  // where the last run begins
    for (std::uint64_t run = 0; run < runs; run++) {
      const std::uint64_t whole = last / (runs - 1) * run, rest = last % (runs - 1) * run / (runs - 1);
      pieces.push_back({s, whole + rest, kSampleRun});
    }
  }
  return pieces;
}

void check_codebook_memory(const Plan& plan, std::uint64_t memory_limit) {
  std::uint64_t bytes = 0;
  for (std::size_t s = 0; s < plan.index.streams.size(); s++) {
    const StreamRecord& stream = plan.index.streams[s];
    if (stream.codec != CodecId::kCodebook) continue;
    const std::uint64_t per_unit = plan.importances[s] ? kWeighedBytes : kClusterBytes;
    bytes = std::max(bytes, has_histogram(stream.dtype) ? kHistogramBytes
                                                        : std::min(stream.units, clustered_units(plan, s)) * per_unit);
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
