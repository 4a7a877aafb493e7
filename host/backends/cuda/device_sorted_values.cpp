#include "backends/cuda/device_sorted_values.hpp"

#include <algorithm>

namespace weft::cuda {
namespace {

constexpr std::size_t kQuestions = std::size_t{1} << 14;  // that are asked at once
constexpr std::size_t kQuestionBytes = kQuestions * sizeof(core::PlaceQuestion);
constexpr std::size_t kAnswerBytes = kQuestions * sizeof(core::Place);
// Edges and centroids take the questions' place.
static_assert((2 * DeviceSortedValues::kMostClusters + 1) * sizeof(std::uint64_t) <= kQuestionBytes);

}  // namespace

DeviceSortedValues::Layout::Layout(Device& device, std::uint64_t n, bool weighted)
    : scratch_bytes(device.sort_scratch_bytes(n, weighted)) {
  Places places;
  const std::size_t bytes = n * sizeof(std::uint32_t);
  keys = places.take(bytes);
  keys_room = places.take(bytes);
  weights = places.take(weighted ? bytes : 0);
  weights_room = places.take(weighted ? bytes : 0);
  prefix = places.take(core::prefix_count(n) * sizeof(core::Prefix));
  questions = places.take(kQuestionBytes);
  answers = places.take(kAnswerBytes);
  pieces = places.take(core::squares_pieces(n) * sizeof(double));
  scratch = places.take(scratch_bytes);
  total_bytes = places.bytes();
}

DeviceSortedValues::DeviceSortedValues(Queue& queue, const Layout& layout, std::byte* memory, std::uint64_t n)
    : SortedValues(n),
      transfers_(queue),
      queue_(queue),
      weights_(reinterpret_cast<std::uint32_t*>(memory + layout.weights)),
      questions_(memory + layout.questions),
      answers_(memory + layout.answers),
      pieces_(reinterpret_cast<double*>(memory + layout.pieces)) {
  arrays_.keys = reinterpret_cast<std::uint32_t*>(memory + layout.keys);
  arrays_.keys_room = reinterpret_cast<std::uint32_t*>(memory + layout.keys_room);
  arrays_.weights_room = reinterpret_cast<std::uint32_t*>(memory + layout.weights_room);
  arrays_.prefix = reinterpret_cast<core::Prefix*>(memory + layout.prefix);
  arrays_.scratch = memory + layout.scratch;
  arrays_.scratch_bytes = layout.scratch_bytes;
  arrays_.sorted.n = n;
}

void DeviceSortedValues::sort(std::span<const float> values, std::span<const float> weights, std::uint32_t threads) {
  const std::vector<std::uint32_t> integers = take_weights(weights, threads);
  if (!integers.empty()) {
    arrays_.weights = weights_;
    transfers_.upload(weights_, integers.data(), integers.size() * sizeof(std::uint32_t));
  }
  // The sort's room is free until it begins.
  transfers_.upload(arrays_.keys_room, values.data(), values.size_bytes());
  sort_resident(reinterpret_cast<const float*>(arrays_.keys_room));
}

void DeviceSortedValues::sort_resident(const float* values) {
  arrays_.values = values;
  queue_.cluster_scalars(ScalarPass::kKeys, arrays_);
  queue_.cluster_scalars(ScalarPass::kSort, arrays_);
  std::uint32_t ends[2];
  transfers_.download(&ends[0], arrays_.keys, sizeof ends[0]);
  transfers_.download(&ends[1], arrays_.keys + size() - 1, sizeof ends[1]);
  arrays_.sorted = {.keys = arrays_.keys, .weights = arrays_.weights, .prefix = arrays_.prefix, .n = size()};
  arrays_.sorted.units_per_value = take_range(core::value_of_key(ends[0]), core::value_of_key(ends[1]));
  queue_.cluster_scalars(ScalarPass::kSums, arrays_);
}

void DeviceSortedValues::find(std::span<const core::PlaceQuestion> questions, std::span<core::Place> places) const {
  for (std::size_t begin = 0; begin < questions.size(); begin += kQuestions) {
    const std::size_t count = std::min(kQuestions, questions.size() - begin);
    transfers_.upload(questions_, questions.data() + begin, count * sizeof(core::PlaceQuestion));
    ScalarArrays arrays = arrays_;
    arrays.questions = reinterpret_cast<const core::PlaceQuestion*>(questions_);
    arrays.places = reinterpret_cast<core::Place*>(answers_);
    arrays.question_count = static_cast<std::uint32_t>(count);
    queue_.cluster_scalars(ScalarPass::kPlaces, arrays);
    transfers_.download(places.data() + begin, answers_, count * sizeof(core::Place));
  }
}

std::vector<std::uint64_t> DeviceSortedValues::run_edges(std::uint64_t most) const {
  const core::PlaceQuestion question{size(), 0, core::PlaceKind::kIndex};
  core::Place end;
  find({&question, 1}, {&end, 1});
  const std::uint64_t runs = end.before.runs;
  if (runs > most) return {};
  constexpr std::uint64_t kCapacity = kAnswerBytes / sizeof(std::uint64_t);
  std::vector<std::uint64_t> edges(runs + 1, size());
  for (std::uint64_t first = 0; first < runs; first += kCapacity) {
    ScalarArrays arrays = arrays_;
    arrays.runs = {first, std::min(kCapacity, runs - first), reinterpret_cast<std::uint64_t*>(answers_)};
    queue_.cluster_scalars(ScalarPass::kRuns, arrays);
    transfers_.download(edges.data() + first, answers_, arrays.runs.capacity * sizeof(std::uint64_t));
  }
  return edges;
}

std::vector<double> DeviceSortedValues::squares(std::span<const std::uint64_t> edges,
                                                std::span<const double> centroids) const {
  std::byte* places = questions_ + edges.size_bytes();
  transfers_.upload(questions_, edges.data(), edges.size_bytes());
  transfers_.upload(places, centroids.data(), centroids.size_bytes());
  ScalarArrays arrays = arrays_;
  arrays.squares = {reinterpret_cast<const std::uint64_t*>(questions_), reinterpret_cast<const double*>(places),
                    static_cast<std::uint32_t>(centroids.size()), pieces_};
  queue_.cluster_scalars(ScalarPass::kSquares, arrays);
  std::vector<double> pieces(core::squares_pieces(size()));
  transfers_.download(pieces.data(), pieces_, pieces.size() * sizeof(double));
  return pieces;
}

}  // namespace weft::cuda
