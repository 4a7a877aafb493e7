// Where the time of a run goes: seconds and bytes per stage, gathered per worker without locks.
//
// What is timed within another stage's time counts for the inner one alone.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include "weft/report.hpp"

namespace weft::engine {

enum class Stage { kRead, kQuantize, kEncode, kDecode, kVerify, kWrite, kTransfer, kSearch };
inline constexpr std::size_t kStageCount = 8;

class StageTimes {
 public:
  // Runs f and books its time, with `bytes` that pass through.
  template <class F>
  auto time(Stage stage, std::uint64_t bytes, F f) {
    struct Booking {
      StageReport& entry;
      double& within;
      double within_outer = std::exchange(within, 0);
      std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
      ~Booking() {
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        entry.seconds += seconds - within;
        within = within_outer + seconds;
      }
    };
    StageReport& entry = entries_[static_cast<std::size_t>(stage)];
    entry.bytes += bytes;
    const Booking booking{entry, within_};
    return f();
  }
  // Books time that passed elsewhere, such as on a device.
  void add(Stage stage, double seconds, std::uint64_t bytes) {
    entries_[static_cast<std::size_t>(stage)].seconds += seconds;
    entries_[static_cast<std::size_t>(stage)].bytes += bytes;
  }
  void add(const StageTimes& other) {
    for (std::size_t i = 0; i < kStageCount; i++) {
      entries_[i].seconds += other.entries_[i].seconds;
      entries_[i].bytes += other.entries_[i].bytes;
    }
  }
  // The stages that took place, named.
  [[nodiscard]] std::vector<StageReport> report() const {
    static constexpr std::array<const char*, kStageCount> kNames = {"read",   "quantize", "encode",   "decode",
                                                                    "verify", "write",    "transfer", "search"};
    std::vector<StageReport> stages;
    for (std::size_t i = 0; i < kStageCount; i++) {
      if (entries_[i].bytes == 0 && entries_[i].seconds == 0) continue;
      stages.push_back(entries_[i]);
      stages.back().name = kNames[i];
    }
    return stages;
  }

 private:
  std::array<StageReport, kStageCount> entries_;
  double within_ = 0;  // seconds of what ended within the stage that is being timed
};

}  // namespace weft::engine
