#include "backends/cuda/resident_tensor.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "archive/block.hpp"
#include "backends/cpu/kernels.hpp"
#include "engine/plan.hpp"
#include "engine/view.hpp"
#include "weft/core/vector_memory.hpp"
#include "weft/error.hpp"

namespace weft::cuda {

ResidentRows::ResidentRows(const Archive& archive, std::size_t tensor, std::uint64_t first_row, std::uint64_t rows)
    : archive_(archive), tensor_(tensor) {
  const Index& index = archive.index();
  if (tensor >= index.tensors.size()) throw Error(ErrorKind::kUsage, "there is no tensor of this number");
  const TensorInfo& info = index.tensors[tensor];
  const TensorPlace& place = index.places[tensor];
  const StreamRecord& stream = index.streams[place.stream];
  const std::uint64_t all_rows = info.shape.empty() ? 1 : info.shape[0];
  if (first_row > all_rows || rows > all_rows - first_row)
    throw Error(ErrorKind::kUsage,
                fmt::format("tensor {} has {} rows, not {} from {} on", info.name, all_rows, rows, first_row));
  if (rows == 0 || place.units == 0) return;
  if (place.units % all_rows != 0)
    throw Error(ErrorKind::kUnsupported, fmt::format("a row of tensor {} does not end at a byte", info.name));
  unit_ = static_cast<std::uint64_t>(unit_bytes(stream.dtype));
  begin_ = place.first_unit + first_row * (place.units / all_rows);
  const std::uint64_t end = begin_ + rows * (place.units / all_rows);
  output_bytes_ = (end - begin_) * unit_;
  if (engine::has_view(stream)) {
    plan_view(stream, begin_, end);
    begin_ = 0;
  }
  for (std::size_t s = stream.first_segment; s < stream.first_segment + stream.segment_count; s++) {
    const SegmentRecord& segment = index.segments[s];
    const std::uint64_t from = std::max(begin_, segment.first_unit);
    const std::uint64_t to = std::min(view_ ? stream.units : end, segment.first_unit + segment.units);
    if (from < to) plan_segment(s, from, to);
  }
  for (std::size_t i = 0; i < items_.size(); i++) items_[i].blocks = parts_[i].blocks;
  batch_.emplace(items_, outside_);
  view_begin_ = archive::align_up(batch_->device_bytes(), kBufferAlignment);
}

void ResidentRows::plan_view(const StreamRecord& stream, std::uint64_t begin, std::uint64_t end) {
  core::ViewCopy copy{};
  std::copy(stream.trellis.view.begin(), stream.trellis.view.end(), copy.sides);
  copy.first = static_cast<std::uint32_t>(begin);
  copy.count = static_cast<std::uint32_t>(end - begin);
  copy.unit_bytes = static_cast<std::uint32_t>(unit_);
  view_ = copy;
  view_bytes_ = stream.units * unit_;
}

// Units [begin, end) of the stream, which lie in this segment.
void ResidentRows::plan_segment(std::size_t s, std::uint64_t begin, std::uint64_t end) {
  const SegmentRecord& segment = archive_.index().segments[s];
  const int log2 = archive_.index().streams[archive_.index().places[tensor_].stream].block_log2;
  const auto first = static_cast<std::uint32_t>((begin - segment.first_unit) >> log2);
  const auto last = static_cast<std::uint32_t>((end - 1 - segment.first_unit) >> log2);
  for (std::uint32_t b = first; b <= last; b++) {
    const std::uint64_t block_begin = segment.first_unit + (std::uint64_t{b} << log2);
    const std::uint64_t block_end =
        std::min(block_begin + (std::uint64_t{1} << log2), segment.first_unit + segment.units);
    const std::uint64_t from = std::max(begin, block_begin), to = std::min(end, block_end);
    if (from == block_begin && to == block_end) {
      add_block(s, b, (from - begin_) * unit_);
    } else {
      add_block(s, b, std::nullopt);
      cuts_.push_back({items_.size() - 1, (from - block_begin) * unit_, (from - begin_) * unit_, (to - from) * unit_});
    }
  }
}

void ResidentRows::add_block(std::size_t s, std::uint32_t block, std::optional<std::uint64_t> outside) {
  const Index& index = archive_.index();
  const SegmentRecord& segment = index.segments[s];
  const StreamRecord& stream = index.streams[index.places[tensor_].stream];
  const BlockRecord& record = index.blocks[segment.first_block + block];
  std::vector<std::byte> bytes(record.size);
  archive_.read(record.offset, bytes);

  DecodeItem item{engine::segment_view(index, stream, segment), block, {}, {}, {}};
  Part alone{s, block, {}, {}, {}};
  alone.stored.push_back(std::move(bytes));
  alone.blocks = {alone.stored.back()};
  item.blocks = alone.blocks;
  std::vector<std::byte> units(item.view.block_units(block) * unit_);
  item.units = units;
  const bool for_device = !DecodeBatch({&item, 1}).empty();
  if (!for_device) decode_here(item, alone, 0);

  // Whole blocks of the same kind, one after the other, are one item.
  const bool joins = !items_.empty() && outside && outside_.back() && parts_.back().segment == s &&
                     items_.back().view.codec == item.view.codec &&
                     parts_.back().first + parts_.back().blocks.size() == block;
  if (joins) {
    parts_.back().stored.push_back(std::move(alone.stored.back()));
    parts_.back().blocks.emplace_back(parts_.back().stored.back());
    return;
  }
  item.units = {};
  if (!outside) {
    alone.units = std::move(units);
    item.units = alone.units;
  }
  parts_.push_back(std::move(alone));
  items_.push_back(std::move(item));
  outside_.push_back(outside);
}

// Lets the CPU decode a block that no device does, and stores its units as a raw block.
void ResidentRows::decode_here(DecodeItem& item, Part& part, std::size_t block) const {
  const auto coder = make_cpu_backend()->make_coder();
  if (const auto fault = coder->decode(item.view, item.first, item.blocks, item.units)) refuse(part.segment, *fault);
  std::vector<std::byte> raw;
  archive::BlockBuilder builder(raw, item.view.block_units(item.first), 1);
  builder.add_bytes(archive::PlaneMode::kRaw, item.units);
  (void)builder.finish(cpu::active_kernels().crc32c);
  part.stored[block] = std::move(raw);
  part.blocks[block] = part.stored[block];
  item.view.codec = CodecId::kRaw;
  item.view.uniform = nullptr;
  item.view.tables = {};
  item.view.class_tables.clear();
}

void ResidentRows::upload(Queue& queue, std::byte* resident) {
  if (!core::is_aligned(resident, kBufferAlignment))
    throw Error(ErrorKind::kUsage, "a tensor's memory begins at a multiple of 256 bytes");
  resident_ = resident;
  if (!batch_) return;
  upload_.resize(batch_->upload_bytes());
  batch_->fill(upload_.data(), resident);
  queue.to_device(resident, upload_.data(), upload_.size());
}

void ResidentRows::decode(Queue& queue, std::byte* out) const {
  if (!batch_) return;
  if (resident_ == nullptr) throw Error(ErrorKind::kUsage, "a tensor was decoded before it was uploaded");
  batch_->launch(queue, resident_, view_ ? resident_ + view_begin_ : out);
  for (const Cut& cut : cuts_)
    queue.copy(out + cut.to, resident_ + batch_->units_offset(cut.item) + cut.from, cut.bytes);
  if (!view_) return;
  core::ViewCopy copy = *view_;
  copy.from = reinterpret_cast<const std::uint8_t*>(resident_ + view_begin_);
  copy.to = reinterpret_cast<std::uint8_t*>(out);
  queue.copy_from_view(copy);
}

void ResidentRows::check(Queue& queue) const {
  if (!batch_) return;
  std::vector<std::byte> answers(batch_->answers_bytes());
  batch_->fetch_answers(queue, resident_, answers.data());
  queue.wait();
  if (batch_->all_accepted(answers.data())) return;
  // The CPU says what is wrong.
  const auto coder = make_cpu_backend()->make_coder();
  for (std::size_t i = 0; i < items_.size(); i++) {
    for (std::uint32_t b = 0; b < items_[i].blocks.size(); b++) {
      std::vector<std::byte> units(items_[i].view.block_units(items_[i].first + b) * unit_);
      if (const auto fault = coder->decode(items_[i].view, items_[i].first + b, items_[i].blocks.subspan(b, 1), units))
        refuse(parts_[i].segment, *fault);
    }
  }
  throw Error(ErrorKind::kInternal, "the GPU refused a block that the CPU decodes; please report this");
}

void ResidentRows::refuse(std::size_t s, const BlockFault& fault) const {
  const SegmentRecord& segment = archive_.index().segments[s];
  throw Error(
      ErrorKind::kArchive,
      fmt::format("{}: tensor {}, block {} at byte {}: {}; the archive is damaged, get an intact copy",
                  archive_.path().string(), archive_.index().tensors[tensor_].name, segment.first_block + fault.block,
                  archive_.index().blocks[segment.first_block + fault.block].offset, fault.reason));
}

}  // namespace weft::cuda
