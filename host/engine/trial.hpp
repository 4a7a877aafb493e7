// Encoding without writing: what an archive would be like, for dry runs and for the search of steps.
//
// * A network of up to kTrialUnits is encoded whole, so the figures are those of the archive, byte by byte. Of a larger
//   one evenly spread blocks of every stream are encoded for real, and the sizes and errors scaled up. What a sample
//   cannot see, such as tables of later segments, is priced like what it saw.
// * Results depend on network and plan alone, not on threads. Streams that do not change from one trial to the next
//   keep their results.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "backends/backend.hpp"
#include "engine/error_meter.hpp"
#include "engine/plan.hpp"
#include "engine/progress.hpp"
#include "engine/stages.hpp"
#include "engine/steps.hpp"
#include "weft/engine.hpp"

namespace weft::engine {

inline constexpr std::uint64_t kTrialUnits = std::uint64_t{1} << 23;

struct TrialFigures {
  std::uint64_t archive_bytes = 0, plane_bytes = 0;
  std::vector<ErrorSums> errors;  // per tensor
};

class Trial {
 public:
  // Looks at the layout of the plan; encode() and figures() take plans of the same network and config.
  Trial(const Network& network, const Index& layout, std::uint32_t threads, const std::atomic<bool>* cancel);

  [[nodiscard]] bool is_whole() const noexcept { return is_whole_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }  // of units that all pieces together have
  // Pieces of the chosen streams (flags, one per stream), all or those of a codec.
  [[nodiscard]] std::vector<Piece> pieces_of(const Index& index, const std::vector<bool>& streams,
                                             std::optional<CodecId> codec = std::nullopt) const;

  // Fills in what the chosen streams (flags, one per stream) need before they are encoded, such as steps. The plan may
  // come out with streams that fell back to lossless.
  void prepare(const Backend& backend, Plan& plan, const std::vector<bool>& streams,
               std::vector<StageTimes>& times) const;
  // Encodes the chosen streams of a prepared plan.
  void encode(const Backend& backend, const Plan& plan, const std::vector<bool>& streams, bool verify,
              std::vector<StageTimes>& times, ProgressMeter* progress = nullptr);
  // Per tensor, of the streams that have been encoded.
  [[nodiscard]] std::vector<ErrorSums> errors(const Index& index) const;
  // What all streams as last encoded amount to; fills in the plan's sizes and tables.
  [[nodiscard]] TrialFigures figures(Plan& plan) const;

 private:
  struct Result {
    EncodedRecord record;
    std::uint64_t bytes = 0, plane_bytes = 0;
    std::vector<ErrorSums> errors;
  };
  [[nodiscard]] std::vector<double> factors(const Index& index) const;  // per stream: units over units in the sample
  void fill_in_whole(Index& index) const;
  void fill_in_sample(Index& index) const;

  const Network& network_;
  std::uint32_t threads_;
  const std::atomic<bool>* cancel_;
  bool is_whole_ = true;
  std::uint64_t bytes_ = 0;
  std::vector<Piece> pieces_;  // ascending; of a whole network its segments
  std::vector<Result> results_;
};

}  // namespace weft::engine
