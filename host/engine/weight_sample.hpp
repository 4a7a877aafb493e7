// The weights that a codebook is found in: of one stream or of several that share it.
//
// * 16-bit types become a histogram of their 65536 values where scalars are clustered; everything else is kept value by value.
// * Importance weighs the squared error; sums of it are taken over integers, so that threads change nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "engine/plan.hpp"
#include "engine/stages.hpp"
#include "engine/steps.hpp"

namespace weft::engine {

struct SampleCounts {
  std::uint64_t units = 0;   // looked at
  std::uint64_t finite = 0;  // of these
};

// Values that are clustered together, each with a weight unless all weigh the same. Of vectors, their values one after
// another and a weight per vector.
struct WeightSample {
  std::vector<float> values, weights;
};

class Sampler {
 public:
  Sampler(const Network& network, const Plan& plan, std::uint32_t threads, const std::atomic<bool>* cancel,
          std::vector<StageTimes>& times)
      : network_(network), plan_(plan), threads_(threads), cancel_(cancel), times_(times) {}

  // The finite scalars of these pieces, which are of one element type.
  [[nodiscard]] WeightSample read_scalars(std::span<const Piece> pieces);
  // The finite vectors of these pieces of streams of one element type, one sample for each group of channels (of one stream)
  // or one for all. Groups of scalars come this way too.
  [[nodiscard]] std::vector<WeightSample> read_groups(std::span<const Piece> pieces);

  // Of the streams that were read so far.
  [[nodiscard]] const std::map<std::size_t, SampleCounts>& counts() const { return counts_; }
  // Whether an F64 value was finite and not zero, but as a float32 it is not.
  [[nodiscard]] bool beyond_float() const { return beyond_float_; }

 private:
  template <class F>
  void for_pieces(std::span<const Piece> pieces, F f) const;
  [[nodiscard]] DType dtype_of(std::span<const Piece> pieces) const;
  [[nodiscard]] bool any_importance(std::span<const Piece> pieces) const;
  void read_importance(const Piece& piece, std::span<float> weights) const;
  [[nodiscard]] float largest_importance(std::span<const Piece> pieces) const;
  [[nodiscard]] WeightSample read_histogram(std::span<const Piece> pieces);
  [[nodiscard]] WeightSample read_values(std::span<const Piece> pieces);

  const Network& network_;
  const Plan& plan_;
  std::uint32_t threads_;
  const std::atomic<bool>* cancel_;
  std::vector<StageTimes>& times_;
  std::map<std::size_t, SampleCounts> counts_;
  bool beyond_float_ = false;
};

// Whether a stream's weights become a histogram.
[[nodiscard]] bool has_histogram(const StreamRecord& stream);

}  // namespace weft::engine
