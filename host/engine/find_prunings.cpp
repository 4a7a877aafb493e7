#include "engine/find_prunings.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "engine/values.hpp"
#include "engine/workers.hpp"

namespace weft::engine {
namespace {

constexpr std::uint64_t kPieceUnits = 1u << 18;
constexpr std::uint64_t kInfinity = std::uint64_t{0x7FF} << 52;  // the key of what is not finite, or more
constexpr std::uint64_t kNoEnd = std::numeric_limits<std::uint64_t>::max();

// A key is the magnitude as the bits of a double. Below the second digit only F64 has bits that are not zero.
struct Digit {
  int shift, bits;
};
constexpr std::array<Digit, 4> kDigits{{{47, 16}, {29, 18}, {15, 14}, {0, 15}}};
constexpr std::size_t kNarrowDigits = 2;
constexpr std::size_t kBins = std::size_t{1} << 18;
constexpr std::uint64_t kWorkerBytes = kBins * 8 + kPieceUnits * 8;

std::uint64_t key_of(double value) { return std::bit_cast<std::uint64_t>(std::fabs(value)); }

struct TensorPiece {
  std::size_t tensor = 0;
  std::uint64_t first = 0, units = 0;
};

class Finder {
 public:
  Finder(const Network& network, Plan& plan, std::uint32_t threads, const std::atomic<bool>* cancel,
         std::vector<StageTimes>& times)
      : network_(network), plan_(plan), threads_(threads), cancel_(cancel), times_(times), buffers_(threads) {}

  // One threshold for all of these tensors.
  void find_threshold(const std::vector<std::size_t>& tensors, double sparsity) {
    set_pieces(tensors);
    const bool is_wide = std::any_of(tensors.begin(), tensors.end(),
                                     [&](std::size_t t) { return network_.tensors()[t].dtype == DType::kF64; });
    std::uint64_t prefix = 0, rank = 0,
                  ties = 0;  // the wanted key begins with the prefix and is number `rank` of those
    for (std::size_t d = 0; d < (is_wide ? kDigits.size() : kNarrowDigits); d++) {
      const std::vector<std::uint64_t> counts = histogram(kDigits[d], prefix);
      if (d == 0) {
        rank = wanted(tensors, sparsity, counts);
        if (rank == 0) return set(tensors, 0, 0);
      }
      std::size_t bin = 0;
      while (counts[bin] < rank) rank -= counts[bin++];
      prefix = prefix << kDigits[d].bits | bin;
      ties = counts[bin];
    }
    const std::uint64_t key = is_wide ? prefix : prefix << kDigits[kNarrowDigits - 1].shift;
    set(tensors, std::bit_cast<double>(key), kNoEnd);
    if (rank < ties) cut_ties(tensors, key, rank);
  }

  // The channels of the tensors that get pruned; tensors in parallel.
  void find_channels(const std::vector<std::size_t>& tensors) {
    run_parallel(threads_, tensors.size(), cancel_,
                 [&](std::uint32_t worker, std::size_t i) { find_channels(tensors[i], worker); });
  }

 private:
  void set_pieces(const std::vector<std::size_t>& tensors) {
    pieces_.clear();
    for (const std::size_t t : tensors)
      for (std::uint64_t first = 0, n = network_.tensors()[t].elements; first < n; first += kPieceUnits)
        pieces_.push_back({t, first, std::min(kPieceUnits, n - first)});
  }

  void set(const std::vector<std::size_t>& tensors, double threshold, std::uint64_t ties_end) {
    for (const std::size_t t : tensors) {
      plan_.prunings[t].threshold = threshold;
      plan_.prunings[t].ties_end = ties_end;
    }
  }

  template <class F>
  void for_piece(std::uint32_t worker, const TensorPiece& piece, F f) {
    const DType dtype = network_.tensors()[piece.tensor].dtype;
    const auto unit = static_cast<std::uint64_t>(unit_bytes(dtype));
    auto& units = buffers_[worker];
    units.resize(piece.units * unit);
    times_[worker].time(Stage::kRead, units.size(),
                        [&] { network_.read_tensor(piece.tensor, piece.first * unit, units); });
    times_[worker].time(Stage::kQuantize, units.size(), [&] { for_values(dtype, units, f); });
  }

  // Of the finite keys that begin with the prefix, by their next digit.
  [[nodiscard]] std::vector<std::uint64_t> histogram(const Digit& digit, std::uint64_t prefix) {
    std::vector<std::vector<std::uint64_t>> counts(threads_);
    const std::uint64_t mask = (std::uint64_t{1} << digit.bits) - 1;
    const int above = digit.shift + digit.bits;
    run_parallel(threads_, pieces_.size(), cancel_, [&](std::uint32_t worker, std::size_t p) {
      auto& mine = counts[worker];
      mine.resize(mask + 1);
      for_piece(worker, pieces_[p], [&](std::size_t, std::span<const double> values) {
        for (const double value : values) {
          const std::uint64_t key = key_of(value);
          if (key >> above == prefix && key < kInfinity) mine[key >> digit.shift & mask]++;
        }
      });
    });
    std::vector<std::uint64_t> all(mask + 1);
    for (const auto& mine : counts)
      for (std::size_t i = 0; i < mine.size(); i++) all[i] += mine[i];
    return all;
  }

  [[nodiscard]] std::uint64_t wanted(const std::vector<std::size_t>& tensors, double sparsity,
                                     const std::vector<std::uint64_t>& counts) const {
    std::uint64_t weights = 0;
    for (const std::size_t t : tensors) weights += network_.tensors()[t].elements;
    const std::uint64_t finite = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
    return std::min(finite, static_cast<std::uint64_t>(std::llround(sparsity * static_cast<double>(weights))));
  }

  // Of the weights with this key only the first `rank` are pruned.
  void cut_ties(const std::vector<std::size_t>& tensors, std::uint64_t key, std::uint64_t rank) {
    std::vector<std::uint64_t> counts(pieces_.size());
    run_parallel(threads_, pieces_.size(), cancel_, [&](std::uint32_t worker, std::size_t p) {
      for_piece(worker, pieces_[p], [&](std::size_t, std::span<const double> values) {
        for (const double value : values) counts[p] += key_of(value) == key ? 1u : 0u;
      });
    });
    std::size_t p = 0;
    while (counts[p] < rank) rank -= counts[p++];
    const std::size_t last = pieces_[p].tensor;
    std::uint64_t end = 0;
    for_piece(0, pieces_[p], [&](std::size_t at, std::span<const double> values) {
      for (std::size_t i = 0; i < values.size(); i++)
        if (key_of(values[i]) == key && rank > 0 && --rank == 0) end = pieces_[p].first + at + i + 1;
    });
    plan_.prunings[last].ties_end = end;
    for (const std::size_t t : tensors)
      if (t > last) plan_.prunings[t].ties_end = 0;
  }

  void find_channels(std::size_t t, std::uint32_t worker) {
    TensorPruning& pruning = plan_.prunings[t];
    const std::size_t count = pruning.channels.size();
    std::vector<double> squares(count);
    std::vector<bool> has_other(count);  // that is not finite
    for (std::uint64_t first = 0, n = network_.tensors()[t].elements; first < n; first += kPieceUnits) {
      for_piece(worker, {t, first, std::min(kPieceUnits, n - first)},
                [&](std::size_t at, std::span<const double> values) {
                  for (std::size_t i = 0; i < values.size();) {
                    const std::uint64_t place = first + at + i, channel = place / pruning.inner % count;
                    const std::size_t end =
                        i + std::min<std::uint64_t>(values.size() - i, pruning.inner - place % pruning.inner);
                    for (; i < end; i++) {
                      squares[channel] += values[i] * values[i];
                      if (!std::isfinite(values[i])) has_other[channel] = true;
                    }
                  }
                });
    }
    std::vector<std::size_t> order;
    for (std::size_t c = 0; c < count; c++)
      if (!has_other[c]) order.push_back(c);
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return squares[a] < squares[b]; });
    const auto pruned = static_cast<std::size_t>(std::llround(*pruning.wanted->channels * static_cast<double>(count)));
    for (std::size_t i = 0; i < std::min(pruned, order.size()); i++) pruning.channels[order[i]] = true;
  }

  const Network& network_;
  Plan& plan_;
  std::uint32_t threads_;
  const std::atomic<bool>* cancel_;
  std::vector<StageTimes>& times_;
  std::vector<std::vector<std::byte>> buffers_;  // per worker
  std::vector<TensorPiece> pieces_;
};

}  // namespace

void find_prunings(const Network& network, Plan& plan, std::uint32_t threads, std::uint64_t memory_limit,
                   const std::atomic<bool>* cancel, std::vector<StageTimes>& times) {
  std::map<int, std::vector<std::size_t>> rules;  // with one threshold for all of their tensors
  std::vector<std::size_t> single, channels;
  for (std::size_t t = 0; t < plan.prunings.size(); t++) {
    const TensorPruning& pruning = plan.prunings[t];
    if (!pruning.wanted) continue;
    if (pruning.wanted->channels) channels.push_back(t);
    if (pruning.wanted->sparsity && pruning.wanted->scope == "rule") rules[pruning.rule].push_back(t);
    if (pruning.wanted->sparsity && pruning.wanted->scope != "rule") single.push_back(t);
  }
  if (rules.empty() && single.empty() && channels.empty()) return;
  Finder finder(network, plan, std::min(threads, thread_count(threads, memory_limit, kWorkerBytes)), cancel, times);
  for (const auto& [rule, tensors] : rules)
    finder.find_threshold(tensors, plan.prunings[tensors.front()].wanted->sparsity.value());
  for (const std::size_t t : single) finder.find_threshold({t}, plan.prunings[t].wanted->sparsity.value());
  finder.find_channels(channels);
}

}  // namespace weft::engine
