#include "rows.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "backends/cuda/row_meter.hpp"
#include "measure.hpp"
#include "sizes.hpp"
#include "support/weights.hpp"
#include "weft/error.hpp"

namespace weft::bench {
namespace {

core::RowRun whole_run() { return {sizes.row_units, 4096}; }

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// G weights/s of a meter that has to copy them, and of one that has them already. Checked against the CPU.
void time_meter(cuda::Heap& heap, const std::string& drawn, const std::vector<double>& weights, Json& r) {
  const core::RowRun run = whole_run();
  cuda::Notes notes;
  const auto meter = cuda::make_device_row_meter(heap, notes), cpu = make_cpu_row_meter();
  const RowMeter::Read read = [&](std::uint64_t first, std::span<std::byte> units) {
    for (std::size_t at = 0; at < units.size();) {  // the same again and again
      const std::size_t from = (2 * first + at) % drawn.size(), n = std::min(units.size() - at, drawn.size() - from);
      std::memcpy(units.data() + at, drawn.data() + from, n);
      at += n;
    }
  };
  (void)meter->measure(DType::kBF16, run, read);  // allocates
  const auto begin = std::chrono::steady_clock::now();
  (void)meter->measure(DType::kBF16, run, read);
  const double copied = seconds_since(begin);
  const auto again = std::chrono::steady_clock::now();
  const RowSquares found = meter->weigh(DType::kBF16, run, weights, 0, read);
  const double resident = seconds_since(again);
  const auto on_cpu = std::chrono::steady_clock::now();
  const RowSquares expected = cpu->weigh(DType::kBF16, run, weights, 0, read);
  const double host = seconds_since(on_cpu);
  const auto rate = [&run](double seconds) { return static_cast<double>(run.units) / seconds / 1e9; };
  r["g_weights_per_s_with_copy"] = rate(copied);
  r["g_weights_per_s_resident"] = rate(resident);
  r["cpu_thread_g_weights_per_s"] = rate(host);
  if (found.rows != expected.rows) throw Error(ErrorKind::kInternal, "the GPU finds other sums than the CPU");
}

// The kernel alone, on weights that lie in device memory.
void time_kernel(cuda::Heap& heap, const std::string& drawn, const std::vector<double>& weights, Json& r) {
  const core::RowRun run = whole_run();
  const std::uint64_t bytes = 2 * run.units;  // of BF16
  const auto queue = heap.device().make_queue();
  cuda::DeviceBuffer units(heap), column_weights(heap), parts(heap);
  reserve(units, bytes);
  reserve(column_weights, weights.size() * sizeof(double));
  reserve(parts, run.parts() * sizeof(core::RowPart));
  for (std::uint64_t at = 0; at < bytes; at += drawn.size())
    queue->to_device(units.data() + at, drawn.data(), drawn.size());
  queue->to_device(column_weights.data(), weights.data(), weights.size() * sizeof(double));
  queue->wait();
  core::RowJob job{run, reinterpret_cast<const std::uint8_t*>(units.data()), core::FloatType::kBF16, nullptr,
                   reinterpret_cast<core::RowPart*>(parts.data())};
  const auto time = [&] {
    return time_launches([&](cuda::Queue& timed) { timed.square_rows(job); }).json(static_cast<double>(bytes));
  };
  r["plain"] = time();
  job.weights = reinterpret_cast<const double*>(column_weights.data());
  r["weighted"] = time();
}

}  // namespace

void rows_section(Results& results, const std::shared_ptr<cuda::Device>& device) {
  cuda::Heap heap(device, UINT64_MAX);
  const core::RowRun run = whole_run();
  const std::string drawn = testing::weight_bytes(DType::kBF16, testing::draw_weights(sizes.drawn, 21, 0.02));
  const std::vector<double> weights(run.columns, 0.75);
  const Json entry{{"weights", run.units}, {"columns", run.columns}};
  results.set("/row_squares/kernel", entry, [&](Json& r) { time_kernel(heap, drawn, weights, r); });
  results.set("/row_squares/meter", entry, [&](Json& r) { time_meter(heap, drawn, weights, r); });
}

}  // namespace weft::bench
