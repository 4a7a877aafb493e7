// Reads what is looked at of a tensor to choose its model, and the squares of its rows.
//
// * A tensor of up to kWholeUnits is looked at whole; of a larger one evenly spread rows, and the squares of all rows.
// * It owns its memory, which the next tensor takes over, and is used by one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backends/row_meter.hpp"
#include "engine/looked_at.hpp"
#include "engine/plan.hpp"
#include "engine/stages.hpp"

namespace weft::engine {

class TensorLook {
 public:
  // most: weights of the largest stream that is looked at whole.
  TensorLook(const Network& network, const Plan& plan, const Backend& backend, StageTimes& times, std::uint64_t most)
      : network_(network), plan_(plan), backend_(backend), times_(times) {
    looked_at_.resize(most);
  }

  // Looks at a stream of one tensor of floats. What is seen may be changed.
  [[nodiscard]] LookedAt& at(std::size_t s);
  // Of all weights of that stream: in rows, if it is not looked at whole.
  [[nodiscard]] const RowSquares& squares() const { return squares_; }
  // Of a stream of which only rows were looked at: where scales of these are among its factors, scales of all rows. A weight's
  // size is how far it is from `centre`; `unit`: of a weight that has the size 1.
  void scale_all_rows(std::size_t s, double unit, float centre, Scales& scales);

 private:
  std::span<const std::byte> read(std::size_t s, std::uint64_t first, std::span<float> values);
  RowSquares measure(std::size_t s, std::span<const double> weights, float centre = 0);
  void sample(std::size_t s);

  const Network& network_;
  const Plan& plan_;
  const Backend& backend_;
  StageTimes& times_;
  std::vector<std::byte> units_;
  LookedAt looked_at_;
  std::unique_ptr<RowMeter> meter_;  // made for the first large stream
  RowSquares squares_;
};

}  // namespace weft::engine
