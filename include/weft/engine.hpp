// The engine: plan -> read -> encode -> write, and back. Blocking calls; each uses its own threads and leaves none
// behind.
//
// Output appears under its name only when it is complete (temporary file in the target folder, flush, rename). The
// bytes of an archive depend on the network and the config alone: not on threads, device, memory limit, machine or day.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "weft/archive.hpp"
#include "weft/config.hpp"
#include "weft/network.hpp"
#include "weft/report.hpp"

namespace weft {

struct Progress {
  std::uint64_t done_bytes = 0, total_bytes = 0;  // of network data
  std::string current;                            // name of a tensor under way
};

struct RunOptions {
  std::uint32_t threads = 0;                      // 0: all cores
  std::uint64_t memory_limit = 256u << 20;        // bytes of working buffers
  std::string device = "auto";                    // auto | cpu | cuda | cuda:N | cuda:all
  std::uint64_t device_memory = 0;                // bytes on each GPU; 0: most of what is free
  bool overwrite = false;                         // replace an existing output
  bool verify = true;                             // compress: decode every block again and compare before the rename
  bool pruned = false;                            // verify: zeros may stand for weights that pruning took
  const std::atomic<bool>* cancel = nullptr;      // polled between pieces; true ends the run with Error(kInterrupted)
  std::function<void(const Progress&)> progress;  // called from worker threads, one at a time
};

// Writes `network` to `output`. Throws Error; then no output is left behind.
Report compress(const Network& network, const Config& config, const std::filesystem::path& output,
                const RunOptions& options);

// Encodes a sample of every tensor and extrapolates; writes nothing.
Report estimate(const Network& network, const Config& config, const RunOptions& options);

// Restores the network: a file when the archive holds a single file, else a folder. With `globs`, only tensors whose
// names match one of them, as a single safetensors file (their order kept, assets left out).
Report decompress(const Archive& archive, const std::filesystem::path& output, const std::vector<std::string>& globs,
                  const RunOptions& options);

// Decodes everything and checks every checksum. With `against`, also compares with the original network: names, types,
// shapes; lossless tensors bit by bit (with options.pruned but for zeros), lossy ones by error, which the report holds. Throws Error(kArchive) at the first
// corrupt block, Error(kVerify) when the comparison fails.
Report verify(const Archive& archive, const Network* against, const RunOptions& options);

}  // namespace weft
