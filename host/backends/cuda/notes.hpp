// What users hear of a backend.
#pragma once

#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace weft::cuda {

// Lines for the user, each once, from all coders and clusterers.
class Notes {
 public:
  void add(const std::string& line) {
    const std::lock_guard lock(mutex_);
    if (known_.insert(line).second) lines_.push_back(line);
  }
  [[nodiscard]] std::vector<std::string> lines() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  mutable std::mutex mutex_;
  std::set<std::string> known_;
  std::vector<std::string> lines_;
};

}  // namespace weft::cuda
