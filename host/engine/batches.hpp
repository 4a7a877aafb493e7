// Items in a row that a backend gets at once: one at a time for the CPU, enough to fill a device for a GPU.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "backends/backend.hpp"
#include "weft/engine.hpp"

namespace weft::engine {

struct Batch {
  std::size_t first = 0, count = 0;
  std::uint64_t memory = 0;  // that a worker needs for it
};

// A device's coder has its units and blocks a second time, in memory that the device copies from and to.
inline constexpr std::uint64_t kStagingPerByte = 3;

// Splits `count` items; bytes_of(i) are the bytes of its units, memory_of(i) what a worker needs for it. All threads'
// batches together stay within the memory limit where single items do.
template <class BytesOf, class MemoryOf>
std::vector<Batch> make_batches(const Backend& backend, const RunOptions& options, std::size_t count, BytesOf bytes_of,
                                MemoryOf memory_of) {
  const std::uint32_t threads =
      options.threads != 0 ? options.threads : std::max(1u, std::thread::hardware_concurrency());
  const std::uint64_t most_bytes = backend.batch_bytes(threads), most_memory = options.memory_limit / threads;
  std::vector<Batch> batches;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < count; i++) {
    const std::uint64_t more_bytes = bytes_of(i);
    const std::uint64_t more_memory = memory_of(i) + (most_bytes > 0 ? kStagingPerByte * more_bytes : 0);
    if (batches.empty() || bytes + more_bytes > most_bytes || batches.back().memory + more_memory > most_memory) {
      batches.push_back({i, 0, 0});
      bytes = 0;
    }
    batches.back().count++;
    batches.back().memory += more_memory;
    bytes += more_bytes;
  }
  return batches;
}

[[nodiscard]] inline std::uint64_t largest_memory(const std::vector<Batch>& batches) {
  std::uint64_t largest = 0;
  for (const Batch& batch : batches) largest = std::max(largest, batch.memory);
  return largest;
}

}  // namespace weft::engine
