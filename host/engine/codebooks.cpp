#include "engine/codebooks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <span>
#include <string>
#include <utility>

#include "archive/codebook_index.hpp"
#include "backends/clusterer.hpp"
#include "backends/codebook_groups.hpp"
#include "backends/cpu/kernels.hpp"
#include "engine/weight_sample.hpp"
#include "engine/workers.hpp"

namespace weft::engine {
namespace {

// Streams that share a codebook, or one that has its own or several. Pieces of a stream are together and ascend.
struct Job {
  std::vector<std::size_t> streams;
  std::vector<Piece> pieces;
};

std::vector<Job> jobs_of(const Plan& plan, const std::vector<Piece>& pieces) {
  std::vector<Job> jobs;
  std::map<std::string, std::size_t> shared;
  for (const Piece& piece : pieces) {
    const std::size_t s = piece.stream;
    const auto& name = plan.specs[s].shared;
    std::size_t job = jobs.size();
    if (name) job = shared.emplace(*name, job).first->second;
    if (!name && !jobs.empty() && jobs.back().streams.back() == s) job--;
    if (job == jobs.size()) jobs.emplace_back();
    if (jobs[job].streams.empty() || jobs[job].streams.back() != s) jobs[job].streams.push_back(s);
    jobs[job].pieces.push_back(piece);
  }
  return jobs;
}

// Adds a sample to another that may have weights where it has none.
void append(WeightSample& to, const WeightSample& from, std::size_t dimension) {
  if (to.weights.empty() != from.weights.empty() && !to.values.empty() && !from.values.empty()) {
    if (to.weights.empty()) to.weights.assign(to.values.size() / dimension, 1);
    to.weights.insert(to.weights.end(), from.weights.begin(), from.weights.end());
    to.weights.resize((to.values.size() + from.values.size()) / dimension, 1);
  } else {
    to.weights.insert(to.weights.end(), from.weights.begin(), from.weights.end());
  }
  to.values.insert(to.values.end(), from.values.begin(), from.values.end());
}

// One sample for each codebook of the job.
std::vector<WeightSample> read_samples(const Plan& plan, const Job& job, Sampler& sampler) {
  std::map<DType, std::vector<Piece>> by_type;
  for (const Piece& piece : job.pieces) by_type[plan.index.streams[piece.stream].dtype].push_back(piece);
  const CodebookStream& stream = plan.index.streams[job.streams.front()].codebook;
  if (stream.group > 0) return sampler.read_groups(job.pieces);
  std::vector<WeightSample> samples(1);
  for (const auto& [dtype, pieces] : by_type)
    append(samples[0], stream.dimension > 1 ? sampler.read_groups(pieces)[0] : sampler.read_scalars(pieces),
           stream.dimension);
  return samples;
}

// What comes back when the values are stored as this type.
std::vector<float> stored_as(DType dtype, const std::vector<float>& values) {
  std::vector<std::byte> units(values.size() * static_cast<std::size_t>(unit_bytes(dtype)));
  std::vector<float> result(values.size());
  cpu::active_kernels().from_float(dtype, values.data(), values.size(), units.data());
  cpu::active_kernels().to_float(dtype, units.data(), values.size(), result.data());
  return result;
}

// Entries in the codebook's type; of scalars, without those that a decoder could not tell apart in any of the element types.
// False when a value is not finite there.
bool set_values(const std::vector<float>& wanted, const std::vector<DType>& elements, Codebook& book) {
  const std::vector<float> stored = stored_as(book.dtype, wanted);
  std::vector<std::vector<float>> restored{stored};
  for (const DType element : elements) restored.push_back(stored_as(element, stored));
  for (const auto& values : restored)
    if (!std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); })) return false;
  book.values.clear();
  for (std::size_t i = 0; i < stored.size(); i++) {
    const bool is_known =
        book.dimension == 1 && i > 0 &&
        (stored[i] == stored[i - 1] || std::all_of(restored.begin() + 1, restored.end(),
                                                   [&](const auto& values) { return values[i] == values[i - 1]; }));
    if (!is_known)
      book.values.push_back(stored[i] + 0.0f);  // -0 becomes +0
    else if (stored[i] == 0)
      book.values.back() = 0;  // of those, zero itself
  }
  return true;
}

class Finder {
 public:
  Finder(const Plan& plan, const Job& job, const Sampler& sampler, Clusterer& clusterer, std::uint32_t threads)
      : plan_(plan),
        index_(plan.index),
        streams_(job.streams),
        sampler_(sampler),
        clusterer_(clusterer),
        threads_(threads) {}

  // Clusters each sample. Others may do the same for other jobs meanwhile.
  void find(const std::vector<WeightSample>& samples) {
    drop([&](std::size_t s) { return sampler_.counts().at(s).finite == 0; }, "none of its values is finite");
    if (streams_.empty()) return;
    if (sampler_.beyond_float() && std::all_of(samples.begin(), samples.end(), is_zero))
      return drop_all("no float32 entry fits the size of its values");
    for (const WeightSample& sample : samples)
      if (!cluster(sample))
        return drop_all(fmt::format("its values are beyond the range of {} entries", name_of(spec().centroid_dtype)));
    if (!saves(streams_, book_bits())) return drop_all("a codebook saves nothing");
    drop([&](std::size_t s) { return !saves({s}, 0); }, "a codebook saves nothing");
  }

  // Gives the streams the codebooks, or falls back to lossless.
  void give(Plan& plan) const {
    for (const auto& [stream, why] : dropped_) fall_back_to_lossless(plan, stream, why);
    if (streams_.empty()) return;
    Index& index = plan.index;
    const auto first = static_cast<std::uint32_t>(index.codebooks.size());
    for (const std::size_t s : streams_) {
      plan.clusterings[s] = clustering_;
      for (std::uint32_t b = 0; b < books_.size(); b++) index.streams[s].codebook.books.push_back(first + b);
    }
    index.codebooks.insert(index.codebooks.end(), books_.begin(), books_.end());
    for (const std::size_t s : streams_) archive::adopt_codebooks(index.codebooks, index.streams[s].codebook);
  }

 private:
  static bool is_zero(const WeightSample& sample) {
    return std::all_of(sample.values.begin(), sample.values.end(), [](float value) { return value == 0; });
  }

  [[nodiscard]] const CodecSpec& spec() const { return plan_.specs[streams_.front()]; }

  template <class Is>
  void drop(Is is, const std::string& why) {
    std::erase_if(streams_, [&](std::size_t s) {
      if (!is(s)) return false;
      dropped_.emplace_back(s, why);
      return true;
    });
  }
  void drop_all(const std::string& why) {
    drop([](std::size_t) { return true; }, why);
  }

  bool cluster(const WeightSample& sample) {
    Codebook book;
    book.dtype = spec().centroid_dtype;
    book.dimension = index_.streams[streams_.front()].codebook.dimension;
    std::vector<DType> elements;
    for (const std::size_t s : streams_) elements.push_back(index_.streams[s].dtype);
    std::sort(elements.begin(), elements.end());
    elements.erase(std::unique(elements.begin(), elements.end()), elements.end());
    std::vector<float> values;
    if (book.dimension == 1) {
      const auto found = clusterer_.scalars(sample.values, sample.weights,
                                            {.clusters = spec().clusters,
                                             .lambda = spec().codebook_lambda,
                                             .pin_zero = spec().pin_zero,
                                             .threads = threads_});
      add(found);
      book.bit_price = found.lambda;
      values = found.centroids;
    } else {
      const auto found = clusterer_.vectors(sample.values, sample.weights,
                                            {.clusters = spec().clusters,
                                             .dimension = book.dimension,
                                             .lambda = spec().codebook_lambda,
                                             .threads = threads_});
      add(found);
      book.bit_price = found.lambda;
      book.bits = found.bits;
      values = found.entries;
    }
    if (values.empty()) values.assign(book.dimension, 0);  // a group of channels without a finite weight
    if (!set_values(values, elements, book)) return false;
    clustering_.dead += spec().clusters - static_cast<std::uint32_t>(book.entries());
    books_.push_back(std::move(book));
    return true;
  }

  template <class Clusters>
  void add(const Clusters& found) {
    clustering_.inertia += found.inertia;
    clustering_.iterations = std::max(clustering_.iterations, found.iterations);
  }

  [[nodiscard]] double book_bits() const {
    double bits = 0;
    for (const Codebook& book : books_) bits += 8.0 * unit_bytes(book.dtype) * static_cast<double>(book.values.size());
    return bits;
  }

  // Whether indices of a fixed width, the entries and the exceptions take less than the units as they are.
  [[nodiscard]] bool saves(const std::vector<std::size_t>& streams, double bits) const {
    std::size_t most = 1;
    for (const Codebook& book : books_) most = std::max(most, book.entries());
    const auto width = static_cast<double>(std::bit_width(most - 1));
    double unit_bits = 0;
    for (const std::size_t s : streams) {
      const StreamRecord& stream = index_.streams[s];
      const SampleCounts& counts = sampler_.counts().at(s);
      const double share = 1 - static_cast<double>(counts.finite) / static_cast<double>(counts.units);
      const double units = static_cast<double>(stream.units), unit = 8.0 * unit_bytes(stream.dtype);
      bits += width * static_cast<double>(vectors_in(stream.units, stream.codebook.dimension));
      bits += share * units * (32 + unit);
      unit_bits += units * unit;
    }
    return bits < unit_bits;
  }

  const Plan& plan_;
  const Index& index_;
  std::vector<std::size_t> streams_;
  std::vector<std::pair<std::size_t, std::string>> dropped_;  // and why
  const Sampler& sampler_;
  Clusterer& clusterer_;
  std::uint32_t threads_;
  std::vector<Codebook> books_;
  Clustering clustering_;
};

}  // namespace

void choose_codebooks(const Network& network, Plan& plan, const std::vector<Piece>& pieces, const Backend& backend,
                      std::uint32_t threads, const std::atomic<bool>* cancel, std::vector<StageTimes>& times) {
  const std::vector<Job> jobs = jobs_of(plan, pieces);
  if (jobs.empty()) return;
  const auto at_once =
      static_cast<std::uint32_t>(std::min<std::size_t>({plan.codebook_threads, backend.clusterers(), jobs.size()}));
  const std::uint32_t each = std::max(1u, threads / at_once);
  struct Worker {
    std::unique_ptr<Clusterer> clusterer;
    std::vector<StageTimes> times;
  };
  std::vector<Worker> workers(at_once);
  Turnstile turnstile;  // codebooks are numbered in the order of the jobs
  const auto work = [&](std::uint32_t number, std::size_t j) {
    Worker& worker = workers[number];
    if (!worker.clusterer) worker = {backend.make_clusterer(), std::vector<StageTimes>(each)};
    Sampler sampler(network, plan, each, cancel, worker.times);
    const std::vector<WeightSample> samples = read_samples(plan, jobs[j], sampler);
    Finder finder(plan, jobs[j], sampler, *worker.clusterer, each);
    worker.times[0].time(Stage::kQuantize, 0, [&] { finder.find(samples); });
    const TransferTimes transfers = worker.clusterer->take_transfer_times();
    worker.times[0].add(Stage::kTransfer, transfers.seconds, transfers.bytes);
    turnstile.pass(j, [&] { finder.give(plan); });
  };
  run_parallel(at_once, jobs.size(), cancel, work, [&] { turnstile.abort(); });
  for (const Worker& worker : workers)
    for (const StageTimes& time : worker.times) times[0].add(time);
}

}  // namespace weft::engine
