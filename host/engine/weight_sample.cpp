#include "engine/weight_sample.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>

#include "backends/codebook_groups.hpp"
#include "backends/cpu/beyond_float.hpp"
#include "backends/cpu/kernels.hpp"
#include "engine/workers.hpp"

namespace weft::engine {
namespace {

constexpr std::size_t kPatterns = std::size_t{1} << 16;  // of a 16-bit type
constexpr double kImportanceUnits = 0x1p31;              // that the largest importance of a histogram's has

std::vector<float> values_of_patterns(DType dtype) {
  std::vector<std::uint16_t> patterns(kPatterns);
  for (std::size_t i = 0; i < kPatterns; i++) patterns[i] = static_cast<std::uint16_t>(i);
  std::vector<float> values(kPatterns);
  cpu::active_kernels().to_float(dtype, std::as_bytes(std::span(patterns)).data(), kPatterns, values.data());
  return values;
}

}  // namespace

bool has_histogram(const StreamRecord& stream) {
  return unit_bytes(stream.dtype) == 2 && stream.codebook.dimension == 1 && stream.codebook.group == 0;
}

// Calls f(piece's number, bytes of its units) for all pieces on all threads.
template <class F>
void Sampler::for_pieces(std::span<const Piece> pieces, F f) const {
  const auto unit = static_cast<std::uint64_t>(unit_bytes(dtype_of(pieces)));
  std::vector<std::vector<std::byte>> buffers(threads_);
  run_parallel(threads_, pieces.size(), cancel_, [&](std::uint32_t worker, std::size_t p) {
    auto& units = buffers[worker];
    units.resize(pieces[p].units * unit);
    times_[worker].time(Stage::kRead, units.size(),
                        [&] { read_units(network_, plan_, pieces[p].stream, pieces[p].first, units); });
    times_[worker].time(Stage::kQuantize, units.size(), [&] { f(p, units); });
  });
}

DType Sampler::dtype_of(std::span<const Piece> pieces) const {
  return plan_.index.streams[pieces.front().stream].dtype;
}

bool Sampler::any_importance(std::span<const Piece> pieces) const {
  return std::any_of(pieces.begin(), pieces.end(),
                     [&](const Piece& piece) { return plan_.importances[piece.stream] != nullptr; });
}

// Of streams that share a codebook, those without importance count as 1.
void Sampler::read_importance(const Piece& piece, std::span<float> weights) const {
  const Importance* importance = plan_.importances[piece.stream].get();
  if (importance == nullptr) return std::fill(weights.begin(), weights.end(), 1.0f);
  importance->read(piece.first, weights);
}

float Sampler::largest_importance(std::span<const Piece> pieces) const {
  std::vector<float> largest(threads_);
  run_parallel(threads_, pieces.size(), cancel_, [&](std::uint32_t worker, std::size_t p) {
    std::vector<float> weights(pieces[p].units);
    times_[worker].time(Stage::kRead, weights.size() * sizeof(float), [&] { read_importance(pieces[p], weights); });
    for (const float weight : weights) largest[worker] = std::max(largest[worker], weight);
  });
  return *std::max_element(largest.begin(), largest.end());
}

WeightSample Sampler::read_histogram(std::span<const Piece> pieces) {
  const std::vector<float> patterns = values_of_patterns(dtype_of(pieces));
  const bool weighed = any_importance(pieces);
  std::vector<std::uint64_t> totals(kPatterns), sums(weighed ? kPatterns : 0);
  std::mutex mutex;
  const double largest = weighed ? static_cast<double>(largest_importance(pieces)) : 0;
  const double scale = largest > 0 ? kImportanceUnits / largest : 0;
  for_pieces(pieces, [&](std::size_t p, std::span<const std::byte> units) {
    std::vector<std::uint32_t> counts(kPatterns);
    std::vector<std::uint64_t> part(sums.size());
    std::vector<float> weights(weighed ? pieces[p].units : 0);
    if (weighed) read_importance(pieces[p], weights);
    std::uint64_t finite = 0;
    for (std::size_t i = 0; i < pieces[p].units; i++) {
      std::uint16_t pattern = 0;
      std::memcpy(&pattern, units.data() + 2 * i, 2);
      counts[pattern]++;
      finite += std::isfinite(patterns[pattern]);
      if (weighed) part[pattern] += static_cast<std::uint64_t>(static_cast<double>(weights[i]) * scale);
    }
    const std::lock_guard lock(mutex);
    counts_[pieces[p].stream].units += pieces[p].units;
    counts_[pieces[p].stream].finite += finite;
    for (std::size_t i = 0; i < kPatterns; i++) totals[i] += counts[i];
    for (std::size_t i = 0; i < sums.size(); i++) sums[i] += part[i];
  });
  WeightSample sample;
  for (std::size_t i = 0; i < kPatterns; i++) {
    if (totals[i] == 0 || !std::isfinite(patterns[i])) continue;
    sample.values.push_back(patterns[i]);
    sample.weights.push_back(!weighed    ? static_cast<float>(totals[i])
                             : scale > 0 ? static_cast<float>(static_cast<double>(sums[i]) / scale)
                                         : 0.0f);
  }
  return sample;
}

// All values, finite or not, and the weight of each or none.
WeightSample Sampler::read_values(std::span<const Piece> pieces) {
  const DType dtype = dtype_of(pieces);
  const bool weighed = any_importance(pieces);
  WeightSample sample;
  std::vector<std::uint64_t> places;
  std::uint64_t all = 0;
  for (const Piece& piece : pieces) {
    places.push_back(all);
    all += piece.units;
  }
  sample.values.resize(all);
  if (weighed) sample.weights.resize(all);
  std::atomic<bool> is_beyond{false};
  std::mutex mutex;
  for_pieces(pieces, [&](std::size_t p, std::span<const std::byte> units) {
    const std::span values(sample.values.data() + places[p], pieces[p].units);
    cpu::active_kernels().to_float(dtype, units.data(), values.size(), values.data());
    if (cpu::beyond_float(dtype, units, values)) is_beyond = true;
    if (weighed) read_importance(pieces[p], std::span(sample.weights).subspan(places[p], pieces[p].units));
    const auto finite = std::count_if(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
    const std::lock_guard lock(mutex);
    counts_[pieces[p].stream].units += pieces[p].units;
    counts_[pieces[p].stream].finite += static_cast<std::uint64_t>(finite);
  });
  beyond_float_ = beyond_float_ || is_beyond;
  return sample;
}

WeightSample Sampler::read_scalars(std::span<const Piece> pieces) {
  if (has_histogram(plan_.index.streams[pieces.front().stream])) return read_histogram(pieces);
  WeightSample sample = read_values(pieces);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < sample.values.size(); i++) {
    if (!std::isfinite(sample.values[i])) continue;
    if (!sample.weights.empty()) sample.weights[kept] = sample.weights[i];
    sample.values[kept++] = sample.values[i];
  }
  sample.values.resize(kept);
  if (!sample.weights.empty()) sample.weights.resize(kept);
  return sample;
}

std::vector<WeightSample> Sampler::read_groups(std::span<const Piece> pieces) {
  const WeightSample all = read_values(pieces);
  const CodebookStream& first = plan_.index.streams[pieces.front().stream].codebook;
  const std::size_t d = first.dimension;
  std::vector<WeightSample> groups(group_count(first));
  std::size_t place = 0;
  for (const Piece& piece : pieces) {
    const std::span values(all.values.data() + place, piece.units);
    const auto add = [&](WeightSample& sample, std::size_t begin) {
      const std::size_t end = std::min(begin + d, values.size());
      const auto part = values.subspan(begin, end - begin);
      if (!std::all_of(part.begin(), part.end(), [](float value) { return std::isfinite(value); })) return;
      sample.values.insert(sample.values.end(), part.begin(), part.end());
      sample.values.resize(sample.values.size() + d - part.size());  // the last vector may be cut off
      if (all.weights.empty()) return;
      double sum = 0;
      for (std::size_t i = begin; i < end; i++) sum += static_cast<double>(all.weights[place + i]);
      sample.weights.push_back(static_cast<float>(sum / static_cast<double>(d)));
    };
    for_groups(plan_.index.streams[piece.stream].codebook, piece.first, piece.units,
               [&](std::size_t group, std::uint64_t begin, std::uint64_t end) {
                 for (std::uint64_t v = begin; v < end; v++) add(groups[group], v * d);
               });
    place += piece.units;
  }
  return groups;
}

}  // namespace weft::engine
