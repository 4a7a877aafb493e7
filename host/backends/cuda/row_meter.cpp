#include "backends/cuda/row_meter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "backends/cuda/transfers.hpp"
#include "backends/cuda/trellis_upload.hpp"
#include "text/units.hpp"

namespace weft::cuda {
namespace {

// Less is added up on the CPU before a device has answered; and answers about shorter rows are as long as these.
constexpr std::uint64_t kFewestUnits = std::uint64_t{1} << 18, kFewestColumns = 32;
constexpr std::uint64_t kBatchBytes = std::uint64_t{4} << 20;  // that are copied while the next are read

class DeviceRowMeter final : public RowMeter {
 public:
  DeviceRowMeter(Heap& heap, Notes& notes)
      : heap_(heap),
        notes_(notes),
        cpu_(make_cpu_row_meter()),
        units_(heap),
        parts_(heap),
        weights_(heap),
        upload_(heap.device()),
        download_(heap.device()),
        queue_(heap.device().make_queue()) {}

  [[nodiscard]] RowSquares measure(DType dtype, const core::RowRun& run, const Read& read) override {
    is_mine_ = run.units >= kFewestUnits && run.columns >= kFewestColumns && reserve(dtype, run);
    if (!is_mine_) return cpu_->measure(dtype, run, read);
    return add_up(dtype, run, nullptr, 0, read, false);
  }

  [[nodiscard]] RowSquares weigh(DType dtype, const core::RowRun& run, std::span<const double> weights, float centre,
                                 const Read& read) override {
    if (!is_mine_) return cpu_->weigh(dtype, run, weights, centre, read);
    if (weights.empty()) return add_up(dtype, run, nullptr, centre, read, is_resident_);
    if (!weights_.reserve(weights.size_bytes())) {
      give_up(weights.size_bytes());
      return cpu_->weigh(dtype, run, weights, centre, read);
    }
    queue_->phase(Phase::kUpload);
    queue_->to_device(weights_.data(), weights.data(), weights.size_bytes());
    transfers_.bytes += weights.size_bytes();
    return add_up(dtype, run, reinterpret_cast<const double*>(weights_.data()), centre, read, is_resident_);
  }

  TransferTimes take_transfer_times() override { return std::exchange(transfers_, {}); }

 private:
  // What is being added up, and what it belongs to.
  struct Batch {
    core::RowRun run;
    std::uint64_t parts = 0;
    const core::RowPart* answers = nullptr;
  };

  [[nodiscard]] bool reserve(DType dtype, const core::RowRun& run) {
    const auto unit = static_cast<std::uint64_t>(unit_bytes(dtype));
    const std::uint64_t all = run.units * unit, batch = std::min(all, kBatchBytes);
    batch_units_ = kBatchBytes / unit;
    // All parts of a batch are whole, but for the last ones of rows and the one that it begins with.
    most_parts_ = batch / unit / core::kRowPart + batch / unit / run.columns + 3;
    const std::uint64_t answers = most_parts_ * sizeof(core::RowPart);
    is_resident_ = false;
    if (parts_.reserve(answers) && upload_.reserve(2 * batch) && download_.reserve(2 * answers)) {
      is_resident_ = units_.reserve(all);
      if (is_resident_ || units_.reserve(batch)) return true;
    }
    give_up(answers + batch);
    return false;
  }
  void give_up(std::uint64_t bytes) {
    is_mine_ = false;
    units_.reset();
    parts_.reset();
    weights_.reset();
    notes_.add(
        fmt::format("{} has no {} of memory left for rows of a tensor, so some were measured on the CPU; raise "
                    "--device-memory or use fewer threads",
                    heap_.device().name(), text::binary_bytes(bytes)));
  }

  // Batch by batch: one is read while the one before is copied and added up.
  RowSquares add_up(DType dtype, const core::RowRun& run, const double* weights, float centre, const Read& read,
                    bool is_there) {
    const auto unit = static_cast<std::uint64_t>(unit_bytes(dtype));
    RowSquares sums;
    Batch before;
    std::size_t slot = 0;
    for (std::uint64_t begin = 0; begin < run.units; slot ^= 1) {
      const std::uint64_t end = run.cut(begin, batch_units_), bytes = (end - begin) * unit;
      std::byte* const room = upload_.data() + slot * kBatchBytes;
      if (!is_there) read(begin, {room, bytes});
      queue_->wait();
      std::byte* const units = units_.data() + (is_resident_ ? begin * unit : 0);
      if (!is_there) {
        queue_->phase(Phase::kUpload);
        queue_->to_device(units, room, bytes);
        transfers_.bytes += bytes;
      }
      const Batch batch = launch(dtype, run.from(begin, end), units, weights, centre, slot);
      collect(before, sums);
      before = batch;
      begin = end;
    }
    queue_->wait();
    collect(before, sums);
    add_transfers(transfers_, *queue_, 0);
    return sums;
  }

  Batch launch(DType dtype, const core::RowRun& run, const std::byte* units, const double* weights, float centre,
               std::size_t slot) {
    auto* const parts = reinterpret_cast<core::RowPart*>(parts_.data());
    auto* const answers = reinterpret_cast<core::RowPart*>(download_.data()) + slot * most_parts_;
    const Batch batch{run, run.parts(), answers};
    queue_->phase(Phase::kKernels);
    queue_->square_rows({run, reinterpret_cast<const std::uint8_t*>(units), float_type(dtype), weights, parts, centre});
    queue_->phase(Phase::kDownload);
    queue_->to_host(answers, parts, batch.parts * sizeof(core::RowPart));
    transfers_.bytes += batch.parts * sizeof(core::RowPart);
    return batch;
  }

  static void collect(const Batch& batch, RowSquares& sums) {
    for (std::uint64_t p = 0; p < batch.parts; p++)
      sums.add(batch.answers[p], sums.rows.empty() || core::range_of_part(batch.run, p).column == 0);
  }

  Heap& heap_;
  Notes& notes_;
  std::unique_ptr<RowMeter> cpu_;
  DeviceBuffer units_, parts_, weights_;
  PinnedBuffer upload_, download_;
  std::unique_ptr<Queue> queue_;  // after the memory that its work uses, for it waits when it goes
  TransferTimes transfers_;
  std::uint64_t batch_units_ = 0, most_parts_ = 0;
  bool is_mine_ = false, is_resident_ = false;  // of the run that was measured last: on the device; still there
};

}  // namespace

std::unique_ptr<RowMeter> make_device_row_meter(Heap& heap, Notes& notes) {
  return std::make_unique<DeviceRowMeter>(heap, notes);
}

}  // namespace weft::cuda
