#include "backends/cuda/tensor_encoder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "archive/block.hpp"
#include "weft/core/vector_memory.hpp"
#include "weft/error.hpp"

namespace weft::cuda {
namespace {

constexpr int kBlockLog2 = 16, kSegmentLog2 = 20;

float fine_step_of(const CodecSpec& spec, DType dtype) {
  if (!is_quantizable(dtype))
    throw Error(ErrorKind::kUsage, fmt::format("{} values are not quantized; use codec lossless", name_of(dtype)));
  if (!spec.step || spec.per_channel)
    throw Error(ErrorKind::kUsage,
                "codec uniform takes one absolute `step` here: a relative one asks for a look at the "
                "weights first, and channels for one each");
  const auto fine = static_cast<float>(*spec.step / 64);
  if (!std::isnormal(fine) || fine < 0)
    throw Error(ErrorKind::kUsage, fmt::format("step {} is not a positive normal number", *spec.step));
  return fine;
}

}  // namespace

TensorEncoder::TensorEncoder(DType dtype, std::uint64_t units, const CodecSpec& spec) : spec_(spec) {
  if (spec.codec != CodecId::kRaw && spec.codec != CodecId::kLossless && spec.codec != CodecId::kUniform)
    throw Error(ErrorKind::kUsage, "only codecs raw, lossless and uniform encode in device memory");
  const std::string& model = spec.codec == CodecId::kUniform ? spec.uniform_model : spec.symbol_model;
  if (model != "order0")
    throw Error(ErrorKind::kUsage, fmt::format("codec {} takes no model here but order0: others ask for a look at the "
                                               "weights first",
                                               name_of(spec.codec)));
  if (spec.prune) throw Error(ErrorKind::kUsage, "weights in device memory are not pruned");
  stream_.codec = spec.codec;
  stream_.dtype = dtype;
  stream_.block_log2 = kBlockLog2;
  stream_.segment_log2 = kSegmentLog2;
  stream_.units = units;
  if (spec.codec == CodecId::kUniform) stream_.uniform.fine_step = fine_step_of(spec, dtype);
  for (std::uint64_t first = 0; first < units; first += std::uint64_t{1} << kSegmentLog2) {
    EncodeItem& item = items_.emplace_back();
    item.view.codec = spec.codec;
    item.view.dtype = dtype;
    item.view.block_log2 = kBlockLog2;
    item.view.first_unit = first;
    item.view.units = std::min(units - first, std::uint64_t{1} << kSegmentLog2);
    if (spec.codec == CodecId::kUniform) item.view.uniform = &stream_.uniform;
    item.spec = &spec_;
  }
  if (spec.codec == CodecId::kUniform && !items_.empty() && may_overflow(items_[0].view))
    throw Error(ErrorKind::kUsage,
                fmt::format("step {} is so large that restored weights may overflow {}", *spec.step, name_of(dtype)));
  make_batch(nullptr);
}

// With another address of the weights everything lies where it did.
void TensorEncoder::make_batch(const std::uint8_t* units) {
  pointers_.clear();
  std::vector<const std::uint8_t*> outside;
  for (EncodeItem& item : items_) {
    pointers_.push_back(&item);
    outside.push_back(units == nullptr
                          ? nullptr
                          : units + item.view.first_unit * static_cast<std::uint64_t>(unit_bytes(item.view.dtype)));
  }
  batch_.emplace(pointers_, std::move(outside));
  copy_begin_ = archive::align_up(batch_->device_bytes(), kBufferAlignment);
  jobs_bytes_ = batch_->jobs_bytes();
}

void TensorEncoder::upload(Queue& queue, const void* units, std::byte* workspace) {
  if (!core::is_aligned(units, 16)) throw Error(ErrorKind::kUsage, "weights to encode begin at a multiple of 16 bytes");
  if (!core::is_aligned(workspace, kBufferAlignment))
    throw Error(ErrorKind::kUsage, "a workspace begins at a multiple of 256 bytes");
  workspace_ = workspace;
  if (items_.empty()) return;
  make_batch(static_cast<const std::uint8_t*>(units));
  upload_.resize(batch_->upload_bytes());
  batch_->fill(upload_.data(), workspace);
  queue.to_device(workspace, upload_.data(), upload_.size());
  queue.copy(workspace + copy_begin_, workspace, jobs_bytes_);
}

void TensorEncoder::encode(Queue& queue) const {
  if (items_.empty()) return;
  if (workspace_ == nullptr) throw Error(ErrorKind::kUsage, "a tensor was encoded before its jobs were uploaded");
  queue.copy(workspace_, workspace_ + copy_begin_, jobs_bytes_);
  batch_->launch(queue, workspace_);
}

std::vector<EncodedSegment> TensorEncoder::fetch(Queue& queue) const {
  std::vector<EncodedSegment> segments(items_.size());
  if (items_.empty()) return segments;
  std::vector<std::byte> jobs(jobs_bytes_), blocks(batch_->most_download_bytes());
  batch_->fetch_jobs(queue, workspace_, jobs.data());
  queue.wait();
  for (std::size_t i = 0; i < items_.size(); i++)
    if (!batch_->fits(jobs.data(), i))
      throw Error(
          ErrorKind::kUnsupported,
          "so many weights are out of the range of their step that they would take more bytes than before; take "
          "a larger step, or codec lossless");
  batch_->fetch(queue, jobs.data(), workspace_, blocks.data());
  queue.wait();
  for (std::size_t i = 0; i < items_.size(); i++) batch_->take(jobs.data(), blocks.data(), i, segments[i]);
  return segments;
}

}  // namespace weft::cuda
