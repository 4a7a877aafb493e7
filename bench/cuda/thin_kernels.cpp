// Times the thin kernels on the GPU and prints one JSON object. Inputs lie in device memory and are larger than its
// caches; GB/s counts the bytes of weights (symbols, units), not the traffic.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>

#include "backends/cpu/kernels.hpp"
#include "cuda/rans_cases.hpp"
#include "device_array.hpp"
#include "kernels/kernels.hpp"

namespace weft::cuda {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint32_t kJobs = 4096, kSymbols = 65536;
constexpr std::size_t kUnits = std::size_t{1} << 27;
constexpr int kWarmUp = 2, kRuns = 11;

class Event {
 public:
  Event() { check(cudaEventCreate(&event_)); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { cudaEventDestroy(event_); }
  void record() { check(cudaEventRecord(event_, nullptr)); }
  [[nodiscard]] float milliseconds_since(const Event& start) const {
    check(cudaEventSynchronize(event_));
    float r = 0;
    check(cudaEventElapsedTime(&r, start.event_, event_));
    return r;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

// The median of some runs.
Json timed(double bytes, const std::function<cudaError_t()>& launch) {
  std::vector<float> runs;
  Event start, stop;
  for (int i = -kWarmUp; i < kRuns; i++) {
    start.record();
    check(launch());
    stop.record();
    const float milliseconds = stop.milliseconds_since(start);
    if (i >= 0) runs.push_back(milliseconds);
  }
  std::sort(runs.begin(), runs.end());
  const double median = runs[runs.size() / 2];
  return {{"milliseconds", median},
          {"fastest", runs.front()},
          {"slowest", runs.back()},
          {"gb_per_s", bytes / median / 1e6}};
}

Json time_rans(const RansCase& rans) {
  const auto tables = rans.tables();
  const auto symbols = rans.symbols(kSymbols, 3);
  const std::size_t capacity = core::encode_bound_words(kSymbols);
  std::vector<std::uint16_t> buffer(capacity);
  const std::uint32_t word_count = cpu::portable_kernels().rans_encode(symbols.data(), kSymbols, core::kLanesLog2,
                                                                       tables->encode, buffer.data() + capacity);

  const DeviceArray<core::EncodeTable> encode(std::vector<core::EncodeTable>{tables->encode});
  const DeviceArray<std::uint32_t> decode(tables->decode);
  const DeviceArray<std::uint8_t> input(std::size_t{kJobs} * kSymbols), output(std::size_t{kJobs} * kSymbols);
  const DeviceArray<std::uint16_t> words(kJobs * capacity);
  std::vector<EncodeJob> encode_jobs;
  std::vector<DecodeJob> decode_jobs;
  for (std::uint32_t i = 0; i < kJobs; i++) {
    std::uint8_t* mine = input.data() + std::size_t{i} * kSymbols;
    check(cudaMemcpy(mine, symbols.data(), kSymbols, cudaMemcpyHostToDevice));
    std::uint16_t* end = words.data() + (i + 1) * capacity;
    encode_jobs.push_back({mine, kSymbols, core::kLanesLog2, encode.data(), end, 0});
    decode_jobs.push_back({end - word_count, word_count, core::kLanesLog2, decode.data(), kSymbols,
                           output.data() + std::size_t{i} * kSymbols, core::Status::kTrailing});
  }
  const DeviceArray<EncodeJob> device_encode(encode_jobs);
  const DeviceArray<DecodeJob> device_decode(decode_jobs);
  const double bytes = static_cast<double>(kJobs) * kSymbols;
  Json r{{"table", rans.name}, {"bits_per_symbol", 16.0 * word_count / kSymbols}};
  r["encode"] = timed(bytes, [&] { return rans_encode(device_encode.data(), kJobs, nullptr); });
  r["decode"] = timed(bytes, [&] { return rans_decode(device_decode.data(), kJobs, nullptr); });
  for (const DecodeJob& job : device_decode.values())
    if (job.status != core::Status::kOk) throw std::runtime_error("a decode kernel failed on " + rans.name);
  return r;
}

Json time_others() {
  Json r;
  const DeviceArray<std::uint8_t> planes(2 * kUnits);
  check(cudaMemset(planes.data(), 0x5A, planes.size()));
  const DeviceArray<std::uint16_t> units(kUnits);
  const DeviceArray<std::uint32_t> floats(kUnits);
  const double bytes = 2.0 * static_cast<double>(kUnits);
  r["merge_planes_16"] = timed(bytes, [&] { return merge_planes(planes.data(), kUnits, true, units.data(), nullptr); });
  r["split_planes_16"] = timed(bytes, [&] { return split_planes(units.data(), kUnits, true, planes.data(), nullptr); });
  for (const auto& [name, type] : {std::pair{"bf16", Half::kBF16}, std::pair{"f16", Half::kF16}}) {
    r[std::string(name) + "_to_f32"] =
        timed(bytes, [&] { return half_to_float(type, units.data(), kUnits, floats.data(), nullptr); });
    r[std::string("f32_to_") + name] =
        timed(bytes, [&] { return float_to_half(type, floats.data(), kUnits, units.data(), nullptr); });
  }
  std::vector<ChecksumJob> jobs;
  for (std::uint32_t i = 0; i < kJobs; i++) jobs.push_back({planes.data() + std::size_t{i} * kSymbols, kSymbols, 0});
  const DeviceArray<ChecksumJob> device_jobs(jobs);
  r["crc32c"] =
      timed(static_cast<double>(kJobs) * kSymbols, [&] { return crc32c(device_jobs.data(), kJobs, nullptr); });
  return r;
}

Json run() {
  int device = 0, driver = 0, runtime = 0;
  cudaDeviceProp properties{};
  check(cudaGetDevice(&device));
  check(cudaGetDeviceProperties(&properties, device));
  check(cudaDriverGetVersion(&driver));
  check(cudaRuntimeGetVersion(&runtime));
  Json r;
  r["device"] = {{"name", properties.name},
                 {"compute_capability", std::to_string(properties.major) + "." + std::to_string(properties.minor)},
                 {"multiprocessors", properties.multiProcessorCount},
                 {"memory_bytes", properties.totalGlobalMem},
                 {"driver_cuda_version", driver},
                 {"runtime_cuda_version", runtime}};
  for (const RansCase& rans : rans_cases()) r["rans"].push_back(time_rans(rans));
  r["other"] = time_others();
  return r;
}

}  // namespace
}  // namespace weft::cuda

int main() {
  try {
    std::cout << weft::cuda::run().dump(2) << '\n';
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
