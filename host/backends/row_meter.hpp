// Whoever adds up the squares of a tensor's rows: the CPU or a device, with the same result to the bit.
//
// * A meter reads a run of units itself, part by part, so that a device copies one while the next is read.
// * It owns its memory and is used by one thread at a time; a device's falls back to the CPU when memory is short.
#pragma once

#include <cmath>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "backends/backend.hpp"
#include "weft/core/row_squares.hpp"

namespace weft {

struct RowSquares {
  std::vector<double> rows;
  std::uint64_t finite = 0;
  float largest = 0;          // magnitude
  bool beyond_float = false;  // an F64 value is finite and not zero, but as a float32 it is not

  [[nodiscard]] double total() const {
    double sum = 0;
    for (const double row : rows) sum += row;
    return sum;
  }
  // Of the finite values; 0 without any.
  [[nodiscard]] double rms() const { return finite == 0 ? 0 : std::sqrt(total() / static_cast<double>(finite)); }
  void add(const core::RowPart& part, bool begins_row) {
    if (begins_row) rows.push_back(0);
    rows.back() += part.squares;
    finite += part.finite;
    largest = std::max(largest, part.largest);
    beyond_float = beyond_float || part.beyond != 0;
  }
};

class RowMeter {
 public:
  // Puts units of the run, from number `first` on, where they are wanted.
  using Read = std::function<void(std::uint64_t first, std::span<std::byte> units)>;

  virtual ~RowMeter() = default;
  // dtype: a quantizable one.
  [[nodiscard]] virtual RowSquares measure(DType dtype, const core::RowRun& run, const Read& read) = 0;
  // The run that was measured last once more: of what values lie from `centre`, each square times its column's weight if
  // there are weights. It may not be read again.
  [[nodiscard]] virtual RowSquares weigh(DType dtype, const core::RowRun& run, std::span<const double> weights,
                                         float centre, const Read& read) = 0;
  virtual TransferTimes take_transfer_times() { return {}; }
};

[[nodiscard]] std::unique_ptr<RowMeter> make_cpu_row_meter();

}  // namespace weft
