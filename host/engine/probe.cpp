#include "engine/probe.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "trellis/sample.hpp"
#include "trellis/scales.hpp"

namespace weft::engine {
namespace {

// Weights that are searched: one of so many, but at least and at most so many.
constexpr std::size_t kShare = 32, kFewest = 1u << 12, kMost = 1u << 15;
constexpr std::size_t kRun = 64;  // consecutive weights, which make a lane
constexpr std::size_t kBlock = kRun * core::kLanes;

// Half the logarithm of 1 + v^2, as straight between powers of two as a float's bits are: about the bits of a weight.
double bits_by_size(std::span<const float> values) {
  std::int64_t sum = 0;
  for (const float v : values) sum += std::bit_cast<std::int32_t>(1 + v * v) - std::bit_cast<std::int32_t>(1.0f);
  return 0.5 * static_cast<double>(sum) / (1 << 23);
}

// Squared errors, in integers, which may be added in any order.
struct Errors {
  static constexpr std::int32_t kStep = 1 << core::kStepBits;
  std::int32_t limit;  // of an error, in 1/kStep steps: what is further off is stored apart
  std::int64_t squares = 0;
  std::uint64_t far = 0;

  explicit Errors(float largest_square)
      : limit(static_cast<std::int32_t>(std::sqrt(static_cast<double>(largest_square)) * kStep)) {}
  void add(std::span<const std::uint32_t> fixed, const std::uint16_t* levels) {
    std::int64_t sum = 0;
    std::uint32_t count = 0;
    for (std::size_t i = 0; i < fixed.size(); i++) {
      const std::int32_t level = levels[i] - static_cast<std::int32_t>(core::kLevelBias);
      const std::int32_t error = std::abs(static_cast<std::int32_t>(fixed[i]) - level * kStep);
      const std::int32_t near = error <= limit ? error : 0;
      count += error <= limit ? 0 : 1;
      sum += near * near;  // limit is at most 64 steps
    }
    squares += sum;
    far += count;
  }
  [[nodiscard]] double in_steps() const { return static_cast<double>(squares) / (kStep * kStep); }
};

}  // namespace

cpu::SearchTables Probe::tables(const TrellisStream& stream, trellis::ClassRange classes) {
  Tables& tables = tables_[stream.shape];
  const trellis::PriceBook& book = trellis::PriceBook::with(classes);
  if (!tables.prices)
    tables.prices = std::make_unique_for_overwrite<std::uint32_t[]>(std::size_t{trellis::kRows} * 256);
  if (tables.lambda != stream.lambda) tables.is_there.fill(false);
  tables.lambda = stream.lambda;
  const auto bit = static_cast<float>(cpu::price_of_bit(stream.lambda));
  for (int c = classes.lowest; c <= classes.highest; c++) {
    const auto k = static_cast<std::size_t>(c);
    if (std::exchange(tables.is_there[k], true)) continue;
    tables.reach[k] = static_cast<std::uint32_t>(book.reach(stream.shape, k));
    const std::size_t first = k * trellis::PriceBook::kClassEntries;
    for (std::size_t entry = first; entry < first + trellis::PriceBook::kClassEntries; entry++) {
      const float bits = book.of(entry)[stream.shape];
      tables.prices[entry] =
          bits < trellis::PriceBook::kFarBits ? static_cast<std::uint32_t>(bits * bit) : cpu::kNoPrice;
    }
  }
  return {tables.prices.get(), tables.reach.data()};
}

ProbeResult Probe::run(std::span<const float> weights, const TrellisStream& stream, double side_bits) {
  cpu::make_predictor(stream, work_);
  const std::size_t wanted = std::clamp(weights.size() / kShare, kFewest, kMost);
  const trellis::Sample& sample = sample_;
  trellis::take_sample(weights, stream.view, {kRun}, wanted, sample_);
  std::vector<std::uint8_t> classes(sample.values.size());
  for (std::size_t i = 0; i < sample.begins.size(); i++)
    trellis::scale_classes(stream, sample.begins[i], std::span(classes).subspan(i * kRun, sample.run_of(i).size()));
  const auto [lowest, highest] = std::minmax_element(classes.begin(), classes.end());
  const trellis::ClassRange range = trellis::moved_range(stream, {*lowest, *highest});
  const cpu::SearchTables found = tables(stream, range);
  counts_.resize(std::size_t{trellis::kRows} * 256);
  std::vector<std::uint32_t> seen;
  Errors errors(cpu::far_limit(stream));
  for (std::size_t first = 0; first < classes.size(); first += kBlock) {
    const std::size_t n = std::min(kBlock, classes.size() - first);
    const std::span<const float> values = std::span(sample.values).subspan(first, n);
    // Lanes of one run each, as far as they come out even.
    const core::Weave order = cpu::weave_for(cpu::active_kernels(), n, core::lanes_log2_for(n, std::bit_width(kRun)));
    const auto begin = classes.begin() + static_cast<std::ptrdiff_t>(first);
    work_.classes.assign(begin, begin + static_cast<std::ptrdiff_t>(n));
    cpu::weave_classes(work_, order);
    cpu::set_places(work_, stream, [&](std::uint32_t lane) -> std::uint64_t {
      const std::size_t at = first + std::size_t{lane} * order.run;  // in the sample
      return at < classes.size() ? sample.begins[at / kRun] + at % kRun : 0;
    });
    cpu::quantize_block(cpu::active_kernels(), stream, found, values, order, work_);
    for (std::uint32_t t = 0; t < order.run; t++) {
      const std::uint32_t active = t < order.whole_steps() ? order.lanes : order.active(t);
      const std::size_t at = std::size_t{t} * order.width;
      for (std::uint32_t lane = 0; lane < active; lane++) {
        const std::uint32_t entry = work_.entries[at + lane];
        if (counts_[entry]++ == 0) seen.push_back(entry);
      }
      errors.add(std::span(work_.woven_fixed).subspan(at, active), work_.woven_levels.data() + at);
    }
  }
  ProbeResult result;
  result.histogram.weight = sample.weight();
  std::sort(seen.begin(), seen.end());
  const trellis::PriceBook& book = trellis::PriceBook::with(range);
  double bits = 32 * static_cast<double>(errors.far) + side_bits / sample.weight();
  for (const std::uint32_t entry : seen) {
    result.histogram.entries.push_back({entry, std::exchange(counts_[entry], 0)});
    bits += static_cast<double>(book.of(entry)[stream.shape]) * result.histogram.entries.back().count;
  }
  constexpr double kUsualLambda = 0.1, kCell = 2;  // cells are two steps wide
  const double lambda = stream.lambda > 0 ? stream.lambda : kUsualLambda;
  const auto n = static_cast<double>(sample.values.size());
  result.bits = bits / n;
  bits -= bits_by_size(sample.values);
  result.cost = bits / n + errors.in_steps() / n / (kCell * kCell * lambda);
  return result;
}

}  // namespace weft::engine
