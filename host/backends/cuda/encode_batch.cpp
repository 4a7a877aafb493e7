#include "backends/cuda/encode_batch.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include "archive/block.hpp"
#include "backends/codebook_groups.hpp"
#include "backends/cpu/cpu_codec.hpp"
#include "backends/cpu/uniform_steps.hpp"
#include "backends/cuda/known_blocks.hpp"
#include "backends/cuda/trellis_upload.hpp"
#include "backends/planes.hpp"

namespace weft::cuda {
namespace {

using archive::align_up;

EncodeOp encode_op_of(const SegmentView& view) {
  if (view.codec == CodecId::kUniform) return encode_op(EncodeOp::kBF16, float_type(view.dtype));
  if (view.codec == CodecId::kCodebook)
    return encode_op(has_byte_scalars(*view.codebook) ? EncodeOp::kIndicesBF16 : EncodeOp::kCodebooksBF16,
                     float_type(view.dtype));
  switch (unit_bytes(view.dtype)) {
    case 1:
      return EncodeOp::kUnits1;
    case 2:
      return EncodeOp::kUnits2;
    case 4:
      return EncodeOp::kUnits4;
    default:
      return EncodeOp::kUnits8;
  }
}

bool any_repeats(const EncodeItem& item) {
  const int unit = unit_bytes(item.view.dtype);
  for (std::uint32_t b = 0; b < item.view.block_count(); b++) {
    const std::size_t begin = (std::size_t{b} << item.view.block_log2) * static_cast<std::size_t>(unit);
    const std::size_t bytes = item.view.block_units(b) * static_cast<std::size_t>(unit);
    if (cpu::repeats_often(item.units.subspan(begin, bytes), unit)) return true;
  }
  return false;
}

std::uint64_t bytes_of(const SegmentView& view) {
  return view.units * static_cast<std::uint64_t>(unit_bytes(view.dtype));
}

// Words, in whole pieces of 16 bytes, and the same for the records behind them.
std::size_t scratch_words(std::uint64_t symbols) { return align_up(core::encode_bound_words(symbols), 8); }
std::size_t record_words(std::uint64_t symbols) {
  return align_up((core::most_records(static_cast<std::uint32_t>(symbols)) + 1) * core::kRecordBytes / 2, 8);
}

bool may_pair(const EncodeItem& item) {
  return pair_window(item.view, *item.spec).has_value() && cpu::may_pair(symbols_in(item.view, item.view.units));
}
bool may_pair(const EncodeItem& item, std::uint32_t plane) {
  return (plane == 0 || item.view.codec == CodecId::kCodebook) && may_pair(item);
}

core::EncodeKind kind_of(const SegmentView& view) {
  switch (view.codec) {
    case CodecId::kRaw:
      return core::EncodeKind::kRaw;
    case CodecId::kLossless:
      return core::EncodeKind::kLossless;
    case CodecId::kCodebook:
      return has_byte_scalars(*view.codebook) ? core::EncodeKind::kIndices : core::EncodeKind::kCodebooks;
    default:
      return core::EncodeKind::kUniform;
  }
}

// Planes that may be coded.
std::uint32_t coded_planes(const SegmentView& view) {
  switch (view.codec) {
    case CodecId::kRaw:
      return 0;
    case CodecId::kLossless:
      return static_cast<std::uint32_t>(unit_bytes(view.dtype));
    case CodecId::kCodebook:
      return view.codebook->index_bytes;
    default:
      return 1;
  }
}

bool is_plain_uniform(const SegmentView& view) {
  return view.codec == CodecId::kUniform && view.uniform->low_bits == 0;
}

bool is_priced_uniform(const EncodeItem& item) {
  return is_plain_uniform(item.view) && item.spec->lambda > 0 && cpu::lambda_weight(item.spec->lambda) != 0;
}

template <class T>
T* as(std::byte* bytes) {
  return reinterpret_cast<T*>(bytes);
}
template <class T>
const T* as(const std::byte* bytes) {
  return reinterpret_cast<const T*>(bytes);
}

}  // namespace

bool may_overflow(const SegmentView& view) {
  const UniformStream& uniform = *view.uniform;
  const auto may = [&](float step) { return cpu::may_overflow(view.dtype, uniform.low_bits, step); };
  if (uniform.scale_codes.empty()) return may(uniform.fine_step);
  return may(
      cpu::channel_step(uniform.fine_step, *std::max_element(uniform.scale_codes.begin(), uniform.scale_codes.end())));
}

bool encodes_on_device(const EncodeItem& item) {
  if (item.view.units == 0) return false;
  if (item.view.scales != nullptr) return false;  // merging classes is a chain of choices
  switch (item.view.codec) {
    case CodecId::kRaw:
      return true;
    case CodecId::kLossless:
      return !any_repeats(item);
    case CodecId::kUniform:
      return !may_overflow(item.view);
    case CodecId::kCodebook:
      return true;
    default:
      return false;
  }
}

EncodeBatch::EncodeBatch(std::span<EncodeItem* const> items, std::vector<const std::uint8_t*> outside)
    : items_(items), outside_(std::move(outside)) {
  plans_.resize(items.size());
  for (std::size_t i = 0; i < items.size(); i++) {
    const SegmentView& view = items[i]->view;
    Item& plan = plans_[i];
    plan.op = encode_op_of(view);
    plan.coded = coded_planes(view);
    plan.planes = static_cast<std::uint32_t>(plane_count(view));
    if (view.codec == CodecId::kCodebook) {
      plan.books = books_.add(view, items[i]->spec->pin_zero);
      plan.price_rounds = books_.has_price(plan.books) ? core::kPriceRounds : 0;
    } else {
      plan.price_rounds = is_priced_uniform(*items[i]) ? 1 : 0;
    }
    plan.first_block = blocks_;
    plan.blocks = view.block_count();
    blocks_ += plan.blocks;
    auto& groups = groups_[static_cast<std::size_t>(plan.op)];
    for (std::uint32_t b = 0; b < plan.blocks; b += kGroupBlocks) {
      groups.push_back({static_cast<std::uint32_t>(i), plan.first_block + b, std::min(plan.blocks - b, kGroupBlocks)});
      group_count_++;
    }
  }
  place();
}

void EncodeBatch::place() {
  std::size_t end = 0;
  const auto take = [&end](std::size_t bytes, std::size_t alignment) {
    const std::size_t begin = align_up(end, alignment);
    end = begin + bytes;
    return begin;
  };
  take(items_.size() * sizeof(core::SegmentJob), kBufferAlignment);
  block_jobs_begin_ = take(blocks_ * sizeof(core::EncodeBlockJob), kBufferAlignment);
  for (Item& plan : plans_) plan.tables = take(plan.coded * sizeof(core::PlaneTables), 16);
  groups_begin_ = take(group_count_ * sizeof(EncodeGroup), kBufferAlignment);
  for (std::size_t i = 0; i < items_.size(); i++) {
    if (items_[i]->view.codec == CodecId::kUniform)
      plans_[i].codes = take(items_[i]->view.uniform->scale_codes.size(), 16);
    if (!is_outside()) plans_[i].units = take(items_[i]->units.size(), 16);
  }
  books_.place_upload(take);
  symbols_begin_ = end;
  for (std::size_t i = 0; i < items_.size(); i++) {
    const SegmentView& view = items_[i]->view;
    Item& plan = plans_[i];
    if (view.codec == CodecId::kUniform || view.codec == CodecId::kCodebook) {
      plan.next_plane = align_up(symbols_in(view, view.units), 16);
      plan.symbols = take(plan.coded * plan.next_plane, 16);
    }
    if (view.codec == CodecId::kUniform) plan.low = take(view.uniform->low_bits > 0 ? view.units : 0, 16);
    std::size_t words = 0;
    for (std::uint32_t b = 0; b < plan.blocks; b++) {
      const std::uint64_t symbols = symbols_in(view, view.block_units(b));
      for (std::uint32_t p = 0; p < plan.coded; p++)
        words += scratch_words(symbols) + (may_pair(*items_[i], p) ? record_words(symbols) : 0);
    }
    plan.words = take(words * sizeof(std::uint16_t), 16);
  }
  books_.place_scratch(take);
  blocks_begin_ = align_up(end, kBufferAlignment);
  end = blocks_begin_;
  for (std::size_t i = 0; i < items_.size(); i++) {
    Item& plan = plans_[i];
    const std::size_t around = archive::head_bytes(static_cast<int>(plan.planes)) + 16 * (plan.planes + 1);
    plan.out_bytes = bytes_of(items_[i]->view) + plan.blocks * around;
    plan.out = take(plan.out_bytes, 16);
  }
  device_ = end;
}

core::SegmentJob EncodeBatch::segment_job(std::size_t i, std::uint8_t* device) const {
  const SegmentView& view = items_[i]->view;
  const CodecSpec& spec = *items_[i]->spec;
  const Item& plan = plans_[i];
  core::SegmentJob job{};
  job.units = is_outside() ? outside_[i] : device + plan.units;
  job.symbols = device + plan.symbols;
  job.next_plane = plan.next_plane;
  job.low = device + plan.low;
  job.planes = reinterpret_cast<core::PlaneTables*>(device + plan.tables);
  job.out = device + plan.out;
  job.out_bytes = plan.out_bytes;
  job.first_element = view.first_unit;
  job.unit_count = view.units;
  job.first_block = plan.first_block;
  job.block_count = plan.blocks;
  job.block_log2 = static_cast<std::uint8_t>(view.block_log2);
  job.unit_bytes = static_cast<std::uint8_t>(unit_bytes(view.dtype));
  job.plane_count = static_cast<std::uint8_t>(plan.planes);
  job.coded_planes = static_cast<std::uint8_t>(plan.coded);
  job.kind = kind_of(view);
  job.rotate = view.codec == CodecId::kLossless && rotates(view.dtype) ? 1 : 0;
  job.may_pair = may_pair(*items_[i]) ? 1 : 0;
  job.price_rounds = plan.price_rounds;
  if (view.codec == CodecId::kCodebook) books_.fill_job(plan.books, device, job);
  if (view.codec != CodecId::kUniform) return job;
  const UniformStream& uniform = *view.uniform;
  job.correct = spec.correct_reconstruction ? 1 : 0;
  job.lambda_weight = job.price_rounds > 0 ? cpu::lambda_weight(spec.lambda) : 0;
  job.uniform.scale_codes = uniform.scale_codes.empty() ? nullptr : device + plan.codes;
  job.uniform.inner = uniform.inner;
  job.uniform.channels = uniform.scale_codes.size();
  job.uniform.fine_step = uniform.fine_step;
  job.uniform.low_bits = uniform.low_bits;
  return job;
}

void EncodeBatch::fill_blocks(std::size_t i, core::EncodeBlockJob* blocks, std::uint8_t* device) const {
  const Item& plan = plans_[i];
  auto* words = reinterpret_cast<std::uint16_t*>(device + plan.words);
  for (std::uint32_t b = 0; b < plan.blocks; b++) {
    core::EncodeBlockJob job{};
    job.segment = static_cast<std::uint32_t>(i);
    job.index = b;
    job.n = static_cast<std::uint32_t>(items_[i]->view.block_units(b));
    const std::uint64_t symbols = symbols_in(items_[i]->view, job.n);
    for (std::uint32_t p = 0; p < plan.coded; p++) {
      job.words_end[p] = words += scratch_words(symbols);
      if (may_pair(*items_[i], p)) words += record_words(symbols);
    }
    ::new (blocks + plan.first_block + b) core::EncodeBlockJob(job);
  }
}

void EncodeBatch::fill(std::byte* upload, std::byte* device_memory) const {
  auto* device = reinterpret_cast<std::uint8_t*>(device_memory);
  auto* segments = as<core::SegmentJob>(upload);
  auto* groups = as<EncodeGroup>(upload + groups_begin_);
  for (std::size_t i = 0; i < items_.size(); i++) {
    const Item& plan = plans_[i];
    ::new (segments + i) core::SegmentJob(segment_job(i, device));
    fill_blocks(i, as<core::EncodeBlockJob>(upload + block_jobs_begin_), device);
    for (std::uint32_t p = 0; p < plan.coded; p++) {
      auto* tables = ::new (as<core::PlaneTables>(upload + plan.tables) + p) core::PlaneTables{};
      tables->keep = 1 - (p > 0 && items_[i]->view.codec == CodecId::kLossless ? items_[i]->spec->min_saving : 0);
    }
    if (items_[i]->view.codec == CodecId::kUniform)
      std::copy(items_[i]->view.uniform->scale_codes.begin(), items_[i]->view.uniform->scale_codes.end(),
                as<std::uint8_t>(upload + plan.codes));
    if (!is_outside()) std::memcpy(upload + plan.units, items_[i]->units.data(), items_[i]->units.size());
  }
  books_.fill(upload, device);
  for (const auto& of_op : groups_)
    for (const EncodeGroup& group : of_op) ::new (groups++) EncodeGroup(group);
}

void EncodeBatch::launch(Queue& queue, std::byte* device) const {
  EncodeArrays all{as<core::SegmentJob>(device),
                   static_cast<std::uint32_t>(items_.size()),
                   as<core::EncodeBlockJob>(device + block_jobs_begin_),
                   nullptr,
                   0,
                   0};
  const auto over_segments = [&](EncodePass pass) { queue.encode(pass, EncodeOp::kUnits1, all); };
  const auto over_groups = [&](EncodePass pass, EncodeOp first) {
    auto* groups = as<EncodeGroup>(device + groups_begin_);
    for (std::size_t op = 0; op < kEncodeOps; op++) {
      EncodeArrays some = all;
      some.groups = groups;
      some.group_count = static_cast<std::uint32_t>(groups_[op].size());
      groups += some.group_count;
      if (op >= static_cast<std::size_t>(first) && some.group_count > 0)
        queue.encode(pass, static_cast<EncodeOp>(op), some);
    }
  };
  std::uint32_t rounds = 0;
  for (const Item& plan : plans_) rounds = std::max<std::uint32_t>(rounds, plan.price_rounds);
  if (std::any_of(items_.begin(), items_.end(), [](const EncodeItem* item) { return is_plain_uniform(item->view); }))
    over_segments(EncodePass::kThresholds);
  for (all.round = 0; all.round < rounds; all.round++) {
    over_groups(EncodePass::kQuantizeTrial, EncodeOp::kBF16);
    over_segments(EncodePass::kRateThresholds);
  }
  if (books_.has_vectors()) {
    over_groups(EncodePass::kGather, EncodeOp::kCodebooksBF16);
    books_.search(queue, reinterpret_cast<std::uint8_t*>(device));
    if (books_.has_groups_of_vectors()) over_groups(EncodePass::kSearch, EncodeOp::kCodebooksBF16);
  }
  over_groups(EncodePass::kChoose, EncodeOp::kCodebooksBF16);
  if (std::any_of(items_.begin(), items_.end(), [](const EncodeItem* item) { return may_pair(*item); }))
    over_groups(EncodePass::kWindow, EncodeOp::kUnits1);
  over_groups(EncodePass::kSurvey, EncodeOp::kUnits1);
  over_segments(EncodePass::kTables);
  over_groups(EncodePass::kCode, EncodeOp::kUnits1);
  over_segments(EncodePass::kLayout);
  over_groups(EncodePass::kWrite, EncodeOp::kUnits1);
}

void EncodeBatch::fetch_jobs(Queue& queue, const std::byte* device, std::byte* jobs) const {
  queue.to_host(jobs, device, jobs_bytes());
}

std::size_t EncodeBatch::fetch(Queue& queue, const std::byte* jobs, const std::byte* device, std::byte* blocks) const {
  const auto* segments = as<core::SegmentJob>(jobs);
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < items_.size(); i++) {
    if (!fits(jobs, i)) continue;
    queue.to_host(blocks + (plans_[i].out - blocks_begin_), device + plans_[i].out, segments[i].size);
    bytes += segments[i].size;
  }
  return bytes;
}

bool EncodeBatch::fits(const std::byte* jobs, std::size_t item) const {
  return as<core::SegmentJob>(jobs)[item].size <= plans_[item].out_bytes;
}

void EncodeBatch::take(const std::byte* jobs, const std::byte* blocks, std::size_t item, EncodedSegment& out) const {
  const Item& plan = plans_[item];
  const core::SegmentJob& segment = as<core::SegmentJob>(jobs)[item];
  const auto* block_jobs = as<core::EncodeBlockJob>(jobs + block_jobs_begin_) + plan.first_block;
  const auto* tables = as<core::PlaneTables>(jobs + plan.tables);
  const std::byte* bytes = blocks + (plan.out - blocks_begin_);
  out.clear();
  std::uint32_t used = 0;
  for (std::uint32_t b = 0; b < segment.block_count; b++) {
    out.block_sizes.push_back(block_jobs[b].size);
    out.plane_bytes += block_jobs[b].plane_bytes;
    used |= block_jobs[b].used;
  }
  for (std::uint32_t p = 0; p < segment.coded_planes; p++)
    if ((used >> p & 1) != 0) out.tables[p] = cpu::table_of(tables[p]);
  std::copy(std::begin(segment.uniform.corrections), std::end(segment.uniform.corrections), out.corrections.begin());
  out.bytes.assign(bytes, bytes + segment.size);
}

void EncodeBatch::finish(const std::byte* jobs, const std::byte* blocks, SegmentCoder& cpu) const {
  for (std::size_t i = 0; i < items_.size(); i++) {
    EncodeItem& item = *items_[i];
    if (fits(jobs, i))
      take(jobs, blocks, i, *item.out);
    else
      cpu.encode(item.view, *item.spec, item.units, *item.out);
  }
}

}  // namespace weft::cuda
