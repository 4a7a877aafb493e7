#include "backends/cuda/segment_coder.hpp"

#include <fmt/format.h>

#include "backends/cuda/decode_batch.hpp"
#include "backends/cuda/encode_batch.hpp"
#include "backends/cuda/transfers.hpp"
#include "backends/cuda/trellis_encode_batch.hpp"
#include "text/units.hpp"

namespace weft::cuda {
namespace {

class CudaSegmentCoder final : public SegmentCoder {
 public:
  CudaSegmentCoder(Heap& heap, Notes& notes)
      : heap_(heap),
        notes_(notes),
        cpu_(make_cpu_backend()->make_coder()),
        device_(heap),
        upload_(heap.device()),
        download_(heap.device()),
        queue_(heap.device().make_queue()) {}

  void encode(const SegmentView& view, const CodecSpec& spec, std::span<const std::byte> units,
              EncodedSegment& out) override {
    EncodeItem item{view, &spec, units, &out};
    encode_batch({&item, 1});
  }

  void encode_batch(std::span<EncodeItem> items) override {
    std::vector<EncodeItem*> mine, trellis;
    for (EncodeItem& item : items) {
      if (encodes_on_device(item))
        mine.push_back(&item);
      else if (encodes_trellis_on_device(item, trellis_tables_))
        trellis.push_back(&item);
      else
        cpu_->encode(item.view, *item.spec, item.units, *item.out);
    }
    encode_on_device<EncodeBatch>(mine);
    encode_on_device<TrellisEncodeBatch>(trellis, trellis_tables_);
  }

  std::optional<BlockFault> decode(const SegmentView& view, std::uint32_t first,
                                   std::span<const std::span<const std::byte>> blocks,
                                   std::span<std::byte> units) override {
    DecodeItem item{view, first, blocks, units, {}};
    decode_batch({&item, 1});
    return std::move(item.fault);
  }

  void decode_batch(std::span<DecodeItem> items) override {
    if (items.empty()) return;
    const DecodeBatch batch(items);
    if (batch.empty()) return batch.finish(nullptr, *cpu_);
    if (!reserve(batch.upload_bytes(), batch.device_bytes(), batch.download_bytes())) {
      if (items.size() > 1) {
        decode_batch(items.first(items.size() / 2));
        return decode_batch(items.subspan(items.size() / 2));
      }
      give_up(batch.device_bytes());
      items[0].fault = cpu_->decode(items[0].view, items[0].first, items[0].blocks, items[0].units);
      return;
    }
    batch.fill(upload_.data(), device_.data());
    upload(batch.upload_bytes());
    batch.launch(*queue_, device_.data(), nullptr);
    queue_->phase(Phase::kDownload);
    batch.fetch(*queue_, device_.data(), download_.data());
    queue_->wait();
    add_transfers(transfers_, *queue_, batch.upload_bytes() + batch.download_bytes());
    batch.finish(download_.data(), *cpu_);
  }

  TransferTimes take_transfer_times() override { return std::exchange(transfers_, {}); }

 private:
  // As one batch, or, where memory is short, as several; `more` is what a batch needs beside the items.
  template <class Batch, class... More>
  void encode_on_device(std::span<EncodeItem* const> items, More&... more) {
    if (items.empty()) return;
    const Batch batch(items, more...);
    const std::size_t download = batch.jobs_bytes() + batch.most_download_bytes();
    if (!reserve(batch.upload_bytes(), batch.device_bytes(), download)) {
      if (items.size() > 1) {
        encode_on_device<Batch>(items.first(items.size() / 2), more...);
        return encode_on_device<Batch>(items.subspan(items.size() / 2), more...);
      }
      give_up(batch.device_bytes());
      return cpu_->encode(items[0]->view, *items[0]->spec, items[0]->units, *items[0]->out);
    }
    std::byte* jobs = download_.data();
    std::byte* blocks = jobs + batch.jobs_bytes();
    batch.fill(upload_.data(), device_.data());
    upload(batch.upload_bytes());
    batch.launch(*queue_, device_.data());
    queue_->phase(Phase::kDownload);
    batch.fetch_jobs(*queue_, device_.data(), jobs);
    queue_->wait();
    queue_->phase(Phase::kDownload);
    const std::size_t fetched = batch.fetch(*queue_, jobs, device_.data(), blocks);
    queue_->wait();
    add_transfers(transfers_, *queue_, batch.upload_bytes() + batch.jobs_bytes() + fetched);
    batch.finish(jobs, blocks, *cpu_);
  }

  [[nodiscard]] bool reserve(std::size_t upload, std::size_t device, std::size_t download) {
    return device_.reserve(device) && upload_.reserve(upload) && download_.reserve(download);
  }
  void upload(std::size_t bytes) {
    queue_->phase(Phase::kUpload);
    queue_->to_device(device_.data(), upload_.data(), bytes);
    queue_->phase(Phase::kKernels);
  }
  void give_up(std::size_t bytes) {
    notes_.add(
        fmt::format("{} has no {} of memory left for a segment, so some were coded on the CPU; raise "
                    "--device-memory or use fewer threads",
                    heap_.device().name(), text::binary_bytes(bytes)));
  }

  Heap& heap_;
  Notes& notes_;
  std::unique_ptr<SegmentCoder> cpu_;
  DeviceBuffer device_;
  PinnedBuffer upload_, download_;
  std::unique_ptr<Queue> queue_;  // after the memory that its work uses, for it waits when it goes
  TransferTimes transfers_;
  cpu::TrellisCache trellis_tables_;
};

}  // namespace

std::unique_ptr<SegmentCoder> make_segment_coder(Heap& heap, Notes& notes) {
  return std::make_unique<CudaSegmentCoder>(heap, notes);
}

}  // namespace weft::cuda
