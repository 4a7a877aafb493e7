#include "backends/cuda/decode_batch.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include "archive/bytes.hpp"
#include "backends/cpu/plane_coder.hpp"
#include "backends/cuda/known_blocks.hpp"
#include "backends/planes.hpp"
#include "weft/error.hpp"

namespace weft::cuda {

using archive::align_up;
using archive::PlaneMode;
using archive::PlaneView;

namespace {

constexpr std::uint32_t kNoJob = UINT32_MAX;
constexpr std::size_t kTableBytes = 256 * sizeof(std::uint16_t);
constexpr std::size_t kEntriesBytes = 256 * sizeof(std::uint32_t);

std::uint8_t* at(std::uint8_t* base, std::size_t offset) { return base + offset; }

// How many of the first planes have a table.
std::size_t tables_before(const SegmentView& view, std::size_t plane) {
  const auto end = view.tables.begin() + static_cast<std::ptrdiff_t>(plane);
  return static_cast<std::size_t>(
      std::count_if(view.tables.begin(), end, [](const FrequencyTable* table) { return table != nullptr; }));
}

template <class T>
T* as(std::byte* bytes) {
  return reinterpret_cast<T*>(bytes);
}

}  // namespace

DecodeBatch::DecodeBatch(std::span<DecodeItem> items, std::vector<std::optional<std::uint64_t>> outside)
    : items_(items), outside_(std::move(outside)) {
  plans_.resize(items.size());
  for (std::size_t i = 0; i < items.size(); i++) plan_item(i);
  plan_jobs();
  place();
}

std::uint64_t DecodeBatch::units_of(const Block& block) const {
  const DecodeItem& item = items_[block.item];
  return item.view.block_units(item.first + block.index);
}

std::uint64_t DecodeBatch::symbols_of(const Block& block) const {
  return symbols_in(items_[block.item].view, units_of(block));
}

std::size_t DecodeBatch::unit_offset(const Block& block) const {
  const SegmentView& view = items_[block.item].view;
  return (std::size_t{block.index} << view.block_log2) * static_cast<std::size_t>(unit_bytes(view.dtype));
}

void DecodeBatch::plan_item(std::size_t i) {
  const DecodeItem& item = items_[i];
  plans_[i].first_block = blocks_.size();
  if (!decodes_on_device(item.view.codec)) return;
  plans_[i].op = op_of(item.view);
  for (std::uint32_t b = 0; b < item.blocks.size(); b++) {
    Block block{};
    if (plan_block(i, b, block)) blocks_.push_back(block);
  }
  plans_[i].block_count = blocks_.size() - plans_[i].first_block;
}

std::uint64_t DecodeBatch::first_element(const Block& block) const {
  const DecodeItem& item = items_[block.item];
  return item.view.first_unit + (std::uint64_t{item.first + block.index} << item.view.block_log2);
}

std::uint64_t DecodeBatch::output_of(const Block& block) const {
  return (is_outside(block.item) ? *outside_[block.item] : plans_[block.item].out) + unit_offset(block);
}

bool DecodeBatch::is_trellis_coded(const Block& block) const {
  return items_[block.item].view.codec == CodecId::kTrellis && block.planes.plane(0).mode != PlaneMode::kRaw;
}

bool DecodeBatch::plan_block(std::size_t i, std::uint32_t index, Block& block) {
  const DecodeItem& item = items_[i];
  const SegmentView& view = item.view;
  block.item = i;
  block.index = index;
  block.job = kNoJob;
  std::fill(std::begin(block.plane_job), std::end(block.plane_job), kNoJob);
  const std::uint64_t n = units_of(block);
  if (!block.planes.parse_planes(item.blocks[index], {view.codec, n, plane_count(view)}).empty()) return false;
  if (is_trellis_coded(block)) {
    const auto job = trellis_.add(i, view, block.planes, is_outside(i));
    block.job = job.value_or(kNoJob);
    return job.has_value();
  }
  return knows_block(view, block.planes, n);
}

bool DecodeBatch::by_class(const Block& block, int p) const {
  return cuda::by_class(items_[block.item].view, block.planes, p);
}

bool DecodeBatch::in_pairs(const Block& block, int p) const {
  const auto plane = static_cast<std::size_t>(p);
  return !by_class(block, p) && block.planes.plane(p).mode == PlaneMode::kRans &&
         items_[block.item].view.tables[plane]->pair_base.has_value();
}

DecodeOp DecodeBatch::block_op(const Block& block) const {
  const DecodeOp op = plans_[block.item].op;
  return in_pairs(block, 0) ? pair_op_of(op).value_or(op) : op;
}

bool DecodeBatch::goes_to_scratch(const Block& block, int p) const {
  if (p > 0 || needs_look_up(items_[block.item].view)) return block.planes.plane(p).mode == PlaneMode::kRans;
  return by_class(block, 0) || (in_pairs(block, 0) && !pair_op_of(plans_[block.item].op));
}

std::size_t DecodeBatch::scratch_of(const Block& block, int p) const {
  const auto before =
      std::count_if(block.plane_job, block.plane_job + p, [](std::uint32_t job) { return job != kNoJob; });
  return block.scratch + static_cast<std::size_t>(before) * align_up(symbols_of(block), 16);
}

// Numbers the jobs, those of a group one after another: first the planes that go to scratch, then the blocks.
void DecodeBatch::plan_jobs() {
  const auto add = [this](std::vector<Group>& groups, std::size_t item, int plane, std::uint32_t job) {
    if (groups.empty() || groups.back().item != item || groups.back().plane != plane ||
        groups.back().job_count == kDecodeGroupBlocks) {
      groups.push_back({item, plane, job, 0});
      group_count_++;
    }
    groups.back().job_count++;
  };
  for (std::size_t i = 0; i < items_.size(); i++) {
    const SegmentView& view = items_[i].view;
    if (view.codec != CodecId::kLossless && view.codec != CodecId::kUniform && view.codec != CodecId::kCodebook)
      continue;
    const auto blocks = std::span(blocks_).subspan(plans_[i].first_block, plans_[i].block_count);
    for (int p = 0; p < plane_count(view); p++) {
      for (Block& block : blocks) {
        if (!goes_to_scratch(block, p)) continue;
        if (by_class(block, p))
          classes_.add(i, view, jobs_);
        else
          add(in_pairs(block, p) ? scratch_pair_groups_ : scratch_groups_, i, p, jobs_);
        block.plane_job[p] = jobs_++;
      }
    }
  }
  for (Block& block : blocks_) {
    const SegmentView& view = items_[block.item].view;
    if (needs_look_up(view)) block.job = look_up_.add(view, is_outside(block.item));
    if (is_trellis_coded(block) || needs_look_up(view)) continue;
    GroupsOfOps& groups = is_outside(block.item) ? outside_groups_ : groups_;
    add(groups[static_cast<std::size_t>(block_op(block))], block.item, 0, jobs_);
    block.job = jobs_++;
  }
  for (Block& block : blocks_) {
    if (is_trellis_coded(block)) block.job += jobs_;
    if (needs_look_up(items_[block.item].view)) block.job += jobs_ + trellis_.job_count();
  }
}

// Gives everything its place.
void DecodeBatch::place() {
  std::size_t end = 0;
  const auto take = [&end](std::size_t bytes, std::size_t alignment) {
    const std::size_t begin = align_up(end, alignment);
    end = begin + bytes;
    return begin;
  };
  jobs_begin_ = take(jobs_ * sizeof(core::BlockJob), kBufferAlignment);
  groups_begin_ = take(group_count_ * sizeof(core::BlockGroup), kBufferAlignment);
  checksums_begin_ = take(blocks_.size() * sizeof(ChecksumJob), kBufferAlignment);
  classes_.place(take);
  trellis_.place(take);
  look_up_.place(take);
  for (std::size_t i = 0; i < items_.size(); i++) {
    if (plans_[i].block_count == 0) continue;
    const SegmentView& view = items_[i].view;
    plans_[i].tables = take(kTableBytes * tables_before(view, view.tables.size()), 16);
    if (view.codec == CodecId::kCodebook && has_weights(view)) plans_[i].entries = take(kEntriesBytes, 16);
    if (view.codec == CodecId::kUniform) plans_[i].codes = take(view.uniform->scale_codes.size(), 16);
    if (has_weights(view)) plans_[i].uniform = take(sizeof(core::UniformParameters), 16);
  }
  for (Block& block : blocks_) block.at = take(items_[block.item].blocks[block.index].size(), 16);
  upload_ = end;
  answers_begin_ = take((blocks_.size() + jobs_ + trellis_.job_count() + look_up_.job_count()) * sizeof(std::uint32_t),
                        kBufferAlignment);
  units_begin_ = align_up(end, kBufferAlignment);
  end = units_begin_;
  for (std::size_t i = 0; i < items_.size(); i++)
    if (plans_[i].block_count > 0 && !is_outside(i)) plans_[i].out = take(items_[i].units.size(), kBufferAlignment);
  scratch_begin_ = end;
  for (Block& block : blocks_) {
    const auto planes = std::count_if(std::begin(block.plane_job), std::end(block.plane_job),
                                      [](std::uint32_t job) { return job != kNoJob; });
    block.scratch = take(static_cast<std::size_t>(planes) * align_up(symbols_of(block), 16), 16);
  }
  device_ = end;
}

void DecodeBatch::fill_tables(const Item& plan, const DecodeItem& item, std::byte* upload, std::uint8_t* device) const {
  std::size_t begin = plan.tables;
  for (const FrequencyTable* table : item.view.tables) {
    if (table == nullptr) continue;
    cpu::expand_table(*table, as<std::uint16_t>(upload + begin));
    begin += kTableBytes;
  }
  if (!has_weights(item.view)) return;
  ::new (upload + plan.uniform) core::UniformParameters{};
  if (item.view.codec == CodecId::kCodebook) fill_entries(item.view, as<std::uint32_t>(upload + plan.entries));
  if (item.view.codec != CodecId::kUniform) return;
  const UniformStream& stream = *item.view.uniform;
  auto* uniform = as<core::UniformParameters>(upload + plan.uniform);
  uniform->inner = stream.inner;
  uniform->channels = stream.scale_codes.size();
  uniform->fine_step = stream.fine_step;
  uniform->low_bits = stream.low_bits;
  std::copy(item.view.corrections.begin(), item.view.corrections.end(), uniform->corrections);
  if (stream.scale_codes.empty()) return;
  std::memcpy(upload + plan.codes, stream.scale_codes.data(), stream.scale_codes.size());
  uniform->scale_codes = device + plan.codes;
}

// A job for the symbols of a plane, with nothing else in it.
core::BlockJob DecodeBatch::symbols_job(const Block& block, int p, std::uint8_t* device) const {
  const PlaneView& plane = block.planes.plane(p);
  core::BlockJob job{};
  job.n = static_cast<std::uint32_t>(symbols_of(block));
  job.symbol_bytes = static_cast<std::uint32_t>(plane.bytes.size());
  job.lanes_log2 = static_cast<std::uint8_t>(plane.lanes_log2);
  job.constant = plane.constant;
  job.source = plane.mode == PlaneMode::kRaw        ? core::SymbolSource::kBytes
               : plane.mode == PlaneMode::kConstant ? core::SymbolSource::kConstant
                                                    : core::SymbolSource::kRans;
  const auto place = [&](std::span<const std::byte> bytes) {
    return at(device,
              block.at + static_cast<std::size_t>(bytes.data() - items_[block.item].blocks[block.index].data()));
  };
  if (!plane.bytes.empty()) job.symbols = place(plane.bytes);
  if (!in_pairs(block, p)) return job;
  const cpu::PairPlane parts = *cpu::split_pairs(plane.bytes, job.n);
  job.symbol_bytes = static_cast<std::uint32_t>(parts.words.size());
  job.records = place(parts.records);
  job.record_count = static_cast<std::uint32_t>(parts.records.size() / core::kRecordBytes);
  return job;
}

// Where a plane's symbols are, once those that go to scratch are there; null: all of them are this one.
DecodeBatch::Symbols DecodeBatch::symbols_at(const Block& block, int p, std::uint8_t* device) const {
  const core::BlockJob plane = symbols_job(block, p, device);
  switch (plane.source) {
    case core::SymbolSource::kBytes:
      return {plane.symbols, 0};
    case core::SymbolSource::kConstant:
      return {nullptr, plane.constant};
    default:
      return {at(device, scratch_of(block, p)), 0};
  }
}

template <class Job>
void DecodeBatch::add_exceptions(Job& job, const Block& block, int p, std::uint8_t* device) const {
  const core::BlockJob exceptions = symbols_job(block, p, device);
  job.exceptions = exceptions.symbols;
  job.exception_count =
      exceptions.symbol_bytes / (4 + static_cast<std::uint32_t>(unit_bytes(items_[block.item].view.dtype)));
}

void DecodeBatch::add_planes(core::BlockJob& job, const Block& block, std::uint8_t* device) const {
  const SegmentView& view = items_[block.item].view;
  job.rotate = rotates(view.dtype) ? 1 : 0;
  for (int p = 1; p < plane_count(view); p++) {
    const Symbols plane = symbols_at(block, p, device);
    job.rest[p - 1] = plane.bytes;
    job.rest_constant[p - 1] = plane.constant * 0x0101010101010101u;
  }
}

void DecodeBatch::add_weight_planes(core::BlockJob& job, const Block& block, std::uint8_t* device) const {
  const DecodeItem& item = items_[block.item];
  const bool is_uniform = item.view.codec == CodecId::kUniform;
  if (is_uniform) job.low = symbols_job(block, 1, device).symbols;
  add_exceptions(job, block, is_uniform ? 2 : 1, device);
  job.first_element = first_element(block);
}

core::LookUpJob DecodeBatch::look_up_job(const Block& block, std::uint8_t* device) const {
  const int planes = items_[block.item].view.codebook->index_bytes;
  const Symbols high = planes == 2 ? symbols_at(block, 0, device) : Symbols{};
  const Symbols low = symbols_at(block, planes - 1, device);
  core::LookUpJob job{};
  job.high = high.bytes;
  job.high_constant = high.constant;
  job.low = low.bytes;
  job.low_constant = low.constant;
  add_exceptions(job, block, planes, device);
  job.out = output_of(block);
  job.first_element = first_element(block);
  job.n = static_cast<std::uint32_t>(units_of(block));
  return job;
}

void DecodeBatch::fill_plane_jobs(const Block& block, core::BlockJob* jobs, std::uint8_t* device) const {
  for (int p = 0; p < 8; p++) {
    if (block.plane_job[p] == kNoJob) continue;
    core::BlockJob plane = symbols_job(block, p, device);
    plane.out = scratch_of(block, p);
    plane.first_element = first_element(block);
    ::new (jobs + block.plane_job[p]) core::BlockJob(plane);
  }
}

void DecodeBatch::fill_jobs(std::byte* upload, std::uint8_t* device) const {
  auto* jobs = as<core::BlockJob>(upload + jobs_begin_);
  for (const Block& block : blocks_) {
    const SegmentView& view = items_[block.item].view;
    if (is_trellis_coded(block)) {
      const auto stored = items_[block.item].blocks[block.index];
      trellis_.fill_job(upload, block.job - jobs_, view, block.planes, stored.data(), at(device, block.at),
                        {output_of(block), first_element(block), static_cast<std::uint32_t>(units_of(block))});
      continue;
    }
    fill_plane_jobs(block, jobs, device);
    if (needs_look_up(view)) {
      look_up_.fill_job(upload, device, block.job - jobs_ - trellis_.job_count(), look_up_job(block, device));
      continue;
    }
    core::BlockJob job = symbols_job(block, 0, device);
    job.out = output_of(block);
    if (stores_units(view)) job.n = job.symbol_bytes;
    if (view.codec == CodecId::kLossless) add_planes(job, block, device);
    if (has_weights(view)) add_weight_planes(job, block, device);
    if (goes_to_scratch(block, 0)) {
      job.symbols = at(device, scratch_of(block, 0));
      job.source = core::SymbolSource::kBytes;
    }
    ::new (jobs + block.job) core::BlockJob(job);
  }
}

void DecodeBatch::add_groups(const std::vector<Group>& from, core::BlockGroup*& to, std::uint8_t* device) const {
  for (const Group& group : from) {
    const Item& plan = plans_[group.item];
    const SegmentView& view = items_[group.item].view;
    core::BlockGroup& out =
        *::new (to++) core::BlockGroup{nullptr, nullptr, nullptr, group.first_job, group.job_count, 0};
    const auto plane = static_cast<std::size_t>(group.plane);
    if (const FrequencyTable* table = view.tables[plane]; table != nullptr) {
      out.frequencies =
          reinterpret_cast<const std::uint16_t*>(at(device, plan.tables + kTableBytes * tables_before(view, plane)));
      out.pair_base = table->pair_base.value_or(0);
    }
    if (!has_weights(view)) continue;
    if (view.codec == CodecId::kCodebook)
      out.entries = reinterpret_cast<const std::uint32_t*>(at(device, plan.entries));
    out.uniform = reinterpret_cast<const core::UniformParameters*>(at(device, plan.uniform));
  }
}

// In the order of launch().
void DecodeBatch::fill_groups(core::BlockGroup* groups, std::uint8_t* device) const {
  add_groups(scratch_groups_, groups, device);
  add_groups(scratch_pair_groups_, groups, device);
  for (const auto& of_op : groups_) add_groups(of_op, groups, device);
  for (const auto& of_op : outside_groups_) add_groups(of_op, groups, device);
}

void DecodeBatch::fill(std::byte* upload, std::byte* device_memory) const {
  auto* device = reinterpret_cast<std::uint8_t*>(device_memory);
  for (std::size_t i = 0; i < items_.size(); i++)
    if (plans_[i].block_count > 0) fill_tables(plans_[i], items_[i], upload, device);
  auto* checksums = as<ChecksumJob>(upload + checksums_begin_);
  for (const Block& block : blocks_) {
    const auto bytes = items_[block.item].blocks[block.index];
    std::memcpy(upload + block.at, bytes.data(), bytes.size());
    ::new (checksums++) ChecksumJob{at(device, block.at + 4), bytes.size() - 4};
  }
  fill_jobs(upload, device);
  classes_.fill(upload, device);
  trellis_.fill(upload, device);
  look_up_.fill(upload, device);
  fill_groups(as<core::BlockGroup>(upload + groups_begin_), device);
}

void DecodeBatch::launch(Queue& queue, std::byte* device, std::byte* outside) const {
  auto* crcs = as<std::uint32_t>(device + answers_begin_);
  std::uint32_t* status = crcs + blocks_.size();
  queue.checksum(as<ChecksumJob>(device + checksums_begin_), static_cast<std::uint32_t>(blocks_.size()), crcs);
  const auto* jobs = as<core::BlockJob>(device + jobs_begin_);
  const auto* groups = as<core::BlockGroup>(device + groups_begin_);
  const auto decode = [&](DecodeOp op, const std::vector<Group>& list, std::byte* out) {
    const auto count = static_cast<std::uint32_t>(list.size());
    if (count > 0) queue.decode(op, groups, count, jobs, as<std::uint8_t>(out), status);
    groups += count;
  };
  classes_.launch(queue, device, jobs, status);
  decode(DecodeOp::kMerge1, scratch_groups_, device);
  decode(DecodeOp::kPairs1, scratch_pair_groups_, device);
  for (std::size_t op = 0; op < kDecodeOps; op++) decode(static_cast<DecodeOp>(op), groups_[op], device);
  for (std::size_t op = 0; op < kDecodeOps; op++) decode(static_cast<DecodeOp>(op), outside_groups_[op], outside);
  trellis_.launch(queue, device, outside, status + jobs_);
  look_up_.launch(queue, device, outside, status + jobs_ + trellis_.job_count());
}

void DecodeBatch::fetch(Queue& queue, const std::byte* device, std::byte* download) const {
  queue.to_host(download, device + answers_begin_, download_bytes());
}

void DecodeBatch::fetch_answers(Queue& queue, const std::byte* device, std::byte* download) const {
  queue.to_host(download, device + answers_begin_, answers_bytes());
}

bool DecodeBatch::all_accepted(const std::byte* download) const {
  std::size_t blocks = 0;
  for (const DecodeItem& item : items_) blocks += item.blocks.size();
  return blocks == blocks_.size() &&
         std::all_of(blocks_.begin(), blocks_.end(), [&](const Block& block) { return accepted(block, download); });
}

bool DecodeBatch::accepted(const Block& block, const std::byte* download) const {
  const auto answer = [download](std::size_t i) { return archive::load_le<std::uint32_t>(download + 4 * i); };
  const auto index = static_cast<std::size_t>(&block - blocks_.data());
  if (answer(index) != archive::load_le<std::uint32_t>(items_[block.item].blocks[block.index].data())) return false;
  const auto is_ok = [&](std::uint32_t job) {
    return job == kNoJob || answer(blocks_.size() + job) == static_cast<std::uint32_t>(core::Status::kOk);
  };
  return is_ok(block.job) && std::all_of(std::begin(block.plane_job), std::end(block.plane_job), is_ok);
}

void DecodeBatch::finish(const std::byte* download, SegmentCoder& cpu) const {
  for (std::size_t i = 0; i < items_.size(); i++) {
    DecodeItem& item = items_[i];
    const Item& plan = plans_[i];
    item.fault.reset();
    const auto unit = static_cast<std::size_t>(unit_bytes(item.view.dtype));
    auto next = blocks_.begin() + static_cast<std::ptrdiff_t>(plan.first_block);
    const auto end = next + static_cast<std::ptrdiff_t>(plan.block_count);
    std::size_t at_byte = 0;
    for (std::uint32_t b = 0; b < item.blocks.size() && !item.fault; b++) {
      const std::size_t size = item.view.block_units(item.first + b) * unit;
      const auto units = item.units.subspan(at_byte, size);
      const bool on_device = next != end && next->index == b;
      if (on_device && accepted(*next, download)) {
        std::memcpy(units.data(), download + (plan.out - answers_begin_) + at_byte, size);
      } else {
        item.fault = cpu.decode(item.view, item.first + b, item.blocks.subspan(b, 1), units);
        if (on_device && !item.fault)
          throw Error(ErrorKind::kInternal, "the GPU refused a block that the CPU decodes; please report this");
      }
      if (on_device) ++next;
      at_byte += size;
    }
  }
}

}  // namespace weft::cuda
