// Tells the caller how far a run is; one call at a time, from whichever worker has just finished something.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

#include "weft/engine.hpp"

namespace weft::engine {

class ProgressMeter {
 public:
  ProgressMeter(const RunOptions& options, std::uint64_t total_bytes) : report_(options.progress) {
    progress_.total_bytes = total_bytes;
  }
  void add(std::uint64_t bytes, const std::string& current) {
    if (!report_) return;
    const std::lock_guard lock(mutex_);
    progress_.done_bytes += bytes;
    progress_.current = current;
    report_(progress_);
  }

 private:
  const std::function<void(const Progress&)>& report_;
  std::mutex mutex_;
  Progress progress_;
};

}  // namespace weft::engine
