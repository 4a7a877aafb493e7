#include "measure.hpp"

#include <algorithm>
#include <chrono>
#include <deque>

#include "cuda_queue.hpp"
#include "event.hpp"
#include "fma_rate.hpp"
#include "sizes.hpp"
#include "weft/error.hpp"

namespace weft::bench {
namespace {

using cuda::check;
using cuda::Event;

std::string name_of(cuda::DecodeOp op) { return "decode " + std::to_string(static_cast<int>(op)); }
// A pass that is missing here is a warning.
std::string name_of(cuda::EncodePass pass) {
  switch (pass) {
    using enum cuda::EncodePass;
    case kThresholds:
      return "thresholds";
    case kQuantizeTrial:
      return "quantize trial";
    case kRateThresholds:
      return "rate thresholds";
    case kGather:
      return "gather";
    case kSearch:
      return "search";
    case kChoose:
      return "choose";
    case kWindow:
      return "window";
    case kSurvey:
      return "survey";
    case kTables:
      return "tables";
    case kCode:
      return "code";
    case kLayout:
      return "layout";
    case kWrite:
      return "write";
  }
  return "";
}

std::string name_of(cuda::TrellisPass pass) {
  switch (pass) {
    using enum cuda::TrellisPass;
    case kWeave:
      return "weave";
    case kSearch:
      return "search";
    case kCode:
      return "code";
    case kPack:
      return "pack";
  }
  return "";
}

std::string name_of(cuda::ScalarPass pass) {
  switch (pass) {
    using enum cuda::ScalarPass;
    case kKeys:
      return "keys";
    case kSort:
      return "sort";
    case kSums:
      return "sums";
    case kPlaces:
      return "places";
    case kRuns:
      return "runs";
    case kSquares:
      return "squares";
  }
  return "";
}

std::string name_of(cuda::VectorPass pass) {
  switch (pass) {
    using enum cuda::VectorPass;
    case kNearest:
      return "nearest";
    case kTotals:
      return "totals";
    case kDrawSums:
      return "draw sums";
    case kDrawPlaces:
      return "draw places";
  }
  return "";
}

// Memory that is written before what is timed. So a stream has work, and what a launch takes on the host is done before the
// launches before it are; and what the run before has left in the L2 is gone.
class Scrubber {
 public:
  Scrubber() { check(cudaMalloc(&memory_, sizes.scrubbed), "allocating memory"); }
  Scrubber(const Scrubber&) = delete;
  Scrubber& operator=(const Scrubber&) = delete;
  ~Scrubber() { cudaFree(memory_); }
  void run(cudaStream_t stream) { check(cudaMemsetAsync(memory_, 0, sizes.scrubbed, stream), "clearing memory"); }

 private:
  void* memory_ = nullptr;
};

// Asked before each run: whether there were enough for the clock to have settled.
class WarmUp {
 public:
  [[nodiscard]] bool is_over() {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin_;
    return runs_++ >= sizes.warm_ups && passed.count() >= sizes.warm_up_seconds;
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  int runs_ = 0;
};

// Records an event after every launch.
class TimedQueue final : public cuda::Queue {
 public:
  TimedQueue(cudaStream_t stream, std::uint32_t max_blocks)
      : stream_(stream), queue_(cuda::make_cuda_queue(stream, max_blocks)) {}
  void phase(cuda::Phase) override { begin(); }
  void to_device(void* to, const void* from, std::size_t n) override { queue_->to_device(to, from, n); }
  void to_host(void* to, const void* from, std::size_t n) override { queue_->to_host(to, from, n); }
  void copy(void* to, const void* from, std::size_t n) override { queue_->copy(to, from, n); }
  void checksum(const cuda::ChecksumJob* jobs, std::uint32_t count, std::uint32_t* crcs) override {
    queue_->checksum(jobs, count, crcs);
    mark("checksum");
  }
  void decode(cuda::DecodeOp op, const core::BlockGroup* groups, std::uint32_t count, const core::BlockJob* jobs,
              std::uint8_t* out, std::uint32_t* status) override {
    queue_->decode(op, groups, count, jobs, out, status);
    mark(name_of(op));
  }
  void decode_trellis(cuda::TrellisOp op, const cuda::TrellisGroups& groups, const core::TrellisJob* jobs,
                      std::uint8_t* out, std::uint32_t* status) override {
    queue_->decode_trellis(op, groups, jobs, out, status);
    mark("decode trellis");
  }
  void copy_from_view(const core::ViewCopy& copy) override {
    queue_->copy_from_view(copy);
    mark("copy from view");
  }
  void encode(cuda::EncodePass pass, cuda::EncodeOp op, const cuda::EncodeArrays& arrays) override {
    queue_->encode(pass, op, arrays);
    mark(name_of(pass));
  }
  void decode_classes(const cuda::ClassGroups& groups, const core::BlockJob* jobs, std::uint8_t* out,
                      std::uint32_t* status) override {
    queue_->decode_classes(groups, jobs, out, status);
    mark("decode by class");
  }
  void look_up(core::FloatType type, const core::LookUpJob* jobs, std::uint32_t count, std::uint8_t* out,
               std::uint32_t* status) override {
    queue_->look_up(type, jobs, count, out, status);
    mark("look up");
  }
  void encode_trellis(cuda::TrellisPass pass, cuda::TrellisEncodeOp op,
                      const cuda::TrellisEncodeArrays& arrays) override {
    queue_->encode_trellis(pass, op, arrays);
    mark(name_of(pass));
  }
  void cluster_scalars(cuda::ScalarPass pass, const cuda::ScalarArrays& arrays) override {
    queue_->cluster_scalars(pass, arrays);
    mark(name_of(pass));
  }
  void cluster_vectors(cuda::VectorPass pass, const cuda::VectorArrays& arrays) override {
    queue_->cluster_vectors(pass, arrays);
    mark(name_of(pass));
  }
  void square_rows(const core::RowJob& job) override {
    queue_->square_rows(job);
    mark("square rows");
  }
  void wait() override { queue_->wait(); }
  cuda::PhaseTimes take_times() override { return {}; }

  void begin() {
    names_.clear();
    scrubber_.run(stream_);
    mark("");
  }
  // Milliseconds of each launch since begin().
  [[nodiscard]] std::vector<std::pair<std::string, double>> end() {
    wait();
    std::vector<std::pair<std::string, double>> times;
    for (std::size_t i = 1; i < names_.size(); i++) times.emplace_back(names_[i], events_[i].since(events_[i - 1]));
    return times;
  }

 private:
  void mark(std::string name) {
    names_.push_back(std::move(name));
    if (events_.size() < names_.size()) events_.emplace_back();
    events_[names_.size() - 1].record(stream_);
  }
  cudaStream_t stream_;
  std::unique_ptr<cuda::Queue> queue_;
  Scrubber scrubber_;
  std::vector<std::string> names_;
  std::deque<Event> events_;
};

// Milliseconds of each run of work(), which launches on the default stream.
template <class Work>
std::vector<double> time_runs(Work work) {
  std::vector<double> times;
  Scrubber scrubber;
  Event start, stop;
  WarmUp warm_up;
  while (times.size() < static_cast<std::size_t>(sizes.runs)) {
    const bool counts = warm_up.is_over();
    scrubber.run(nullptr);
    start.record(nullptr);
    work();
    stop.record(nullptr);
    check(cudaStreamSynchronize(nullptr), "working");
    if (counts) times.push_back(stop.since(start));
  }
  return times;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

Json Timing::json(double weight_bytes) const {
  Json r{{"milliseconds", milliseconds},
         {"fastest", fastest},
         {"slowest", slowest},
         {"gb_per_s", weight_bytes / milliseconds / 1e6}};
  for (const auto& [name, time] : kernels)
    r["kernels"].push_back({{"name", name}, {"milliseconds", time}, {"gb_per_s", weight_bytes / time / 1e6}});
  return r;
}

Timing time_launches(const std::function<void(cuda::Queue&)>& launches, std::uint32_t max_blocks) {
  TimedQueue queue(nullptr, max_blocks);
  std::vector<double> totals;
  std::vector<std::vector<double>> parts;
  Timing timing;
  WarmUp warm_up;
  while (totals.size() < static_cast<std::size_t>(sizes.runs)) {
    const bool counts = warm_up.is_over();
    queue.begin();
    launches(queue);
    const auto times = queue.end();
    if (!counts) continue;
    parts.resize(times.size());
    double total = 0;
    for (std::size_t i = 0; i < times.size(); i++) {
      parts[i].push_back(times[i].second);
      total += times[i].second;
    }
    totals.push_back(total);
    timing.kernels = times;
  }
  for (std::size_t i = 0; i < parts.size(); i++) timing.kernels[i].second = median(parts[i]);
  timing.milliseconds = median(totals);
  timing.fastest = *std::min_element(totals.begin(), totals.end());
  timing.slowest = *std::max_element(totals.begin(), totals.end());
  return timing;
}

double copy_bandwidth(std::size_t bytes) {
  void *from = nullptr, *to = nullptr;
  check(cudaMalloc(&from, bytes), "allocating memory");
  check(cudaMalloc(&to, bytes), "allocating memory");
  const std::vector<double> times =
      time_runs([&] { check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, nullptr), "copying"); });
  cudaFree(from);
  cudaFree(to);
  return 2.0 * static_cast<double>(bytes) / median(times) * 1e3;
}

double fma_rate() {
  int device = 0, multiprocessors = 0;
  check(cudaGetDevice(&device), "asking for its number");
  check(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device), "asking for its size");
  double count = 0;
  const std::vector<double> times = time_runs([&] { count = launch_fma(nullptr, multiprocessors); });
  return count / median(times) * 1e3;
}

void reserve(cuda::DeviceBuffer& buffer, std::size_t bytes) {
  if (!buffer.reserve(bytes)) throw Error(ErrorKind::kDevice, "the GPU has not enough memory for this benchmark");
}

Json describe_gpu() {
  int device = 0, driver = 0, runtime = 0, kilohertz = 0;
  cudaDeviceProp properties{};
  check(cudaGetDevice(&device), "asking for its number");
  check(cudaDeviceGetAttribute(&kilohertz, cudaDevAttrClockRate, device), "asking for its clock");
  check(cudaGetDeviceProperties(&properties, device), "asking for its properties");
  check(cudaDriverGetVersion(&driver), "asking for the driver");
  check(cudaRuntimeGetVersion(&runtime), "asking for the runtime");
  return {{"name", properties.name},
          {"compute_capability", std::to_string(properties.major) + "." + std::to_string(properties.minor)},
          {"multiprocessors", properties.multiProcessorCount},
          {"most_megahertz", kilohertz / 1000},
          {"memory_bytes", properties.totalGlobalMem},
          {"driver_cuda_version", driver},
          {"runtime_cuda_version", runtime}};
}

}  // namespace weft::bench
