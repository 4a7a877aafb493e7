#include "backends/cuda/trellis_encode_batch.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include "archive/block.hpp"
#include "backends/cpu/kernels.hpp"
#include "backends/cpu/trellis_block.hpp"

namespace weft::cuda {
namespace {

using archive::align_up;
using archive::PlaneMode;

constexpr std::uint64_t kMostUnits = 1u << 22;  // of which core::InwardOfRun's sums are those of doubles

template <class T, class Byte>
T* as(Byte* bytes) {
  return reinterpret_cast<T*>(bytes);
}

// The farthest symbol that a search may look up: two beyond its mean, even where a class says less.
std::uint32_t price_reach(const cpu::TrellisTables& tables, const weft::trellis::ClassRange& range) {
  std::uint32_t reach = 2;
  for (int c = range.lowest; c <= range.highest; c++) reach = std::max(reach, tables.reach()[c]);
  return reach;
}

std::uint32_t row_count(const TrellisStream& stream, const weft::trellis::ClassRange& range) {
  return static_cast<std::uint32_t>(range.highest - range.lowest + 1) *
         core::tables_in_use(stream.keeps_zero, stream.predicts);
}

core::Weave weave_of(const SegmentView& view, std::uint32_t block) {
  const std::uint64_t n = view.block_units(block);
  return {static_cast<std::uint32_t>(n), cpu::trellis_lanes_log2(n)};
}

// Elements of a block's woven arrays.
std::size_t woven_size(const core::Weave& weave) { return std::size_t{core::padded_run(weave.run)} * core::kLanes; }

}  // namespace

bool encodes_trellis_on_device(const EncodeItem& item, cpu::TrellisCache& cache) {
  const SegmentView& view = item.view;
  if (view.codec != CodecId::kTrellis || view.units == 0 || view.units > kMostUnits) return false;
  if (!DeviceScales(*view.trellis).fit()) return false;
  const auto range = weft::trellis::table_range(*view.trellis);
  const std::uint32_t words = 2 * price_reach(cache.tables(*view.shape), range) + 1;
  return core::search_memory_bytes(words, row_count(*view.trellis, range)) <= kMostPriceBytes;
}

bool TrellisEncodeBatch::Rows::serve(const SegmentView& view) const {
  const TrellisStream& other = *view.trellis;
  const auto needed = weft::trellis::table_range(other);
  return stream->keeps_zero == other.keeps_zero && stream->predicts == other.predicts &&
         stream->lambda == other.lambda && range.lowest == needed.lowest && range.highest == needed.highest &&
         *shape == *view.shape;
}
std::uint32_t TrellisEncodeBatch::Rows::tables() const noexcept {
  return core::tables_in_use(stream->keeps_zero, stream->predicts);
}
std::uint32_t TrellisEncodeBatch::Rows::count() const noexcept { return row_count(*stream, range); }

std::size_t TrellisEncodeBatch::find_rows(const SegmentView& view, cpu::TrellisCache& cache) {
  const auto found = std::find_if(rows_.rbegin(), rows_.rend(), [&](const Rows& rows) { return rows.serve(view); });
  if (found != rows_.rend()) return static_cast<std::size_t>(rows_.rend() - found) - 1;
  Rows rows{view.shape, view.trellis, weft::trellis::table_range(*view.trellis)};
  rows.reach = price_reach(cache.tables(*view.shape), rows.range);
  rows_.push_back(rows);
  return rows_.size() - 1;
}

TrellisEncodeBatch::TrellisEncodeBatch(std::span<EncodeItem* const> items, cpu::TrellisCache& cache)
    : items_(items), cache_(cache) {
  for (std::size_t i = 0; i < items.size(); i++) {
    const SegmentView& view = items[i]->view;
    const TrellisStream& stream = *view.trellis;
    Item plan;
    plan.item = i;
    plan.rows = find_rows(view, cache);
    plan.scales = TrellisUpload(stream);
    const auto op = trellis_encode_op(stream.states_log2, stream.keeps_zero, stream.predicts);
    parts_[static_cast<std::size_t>(op)].items.push_back(plan);
  }
  for (Part& part : parts_) {
    part.first_job = jobs_;
    for (Item& plan : part.items) {
      plan.first_job = jobs_;
      jobs_ += items_[plan.item]->view.block_count();
      const Rows& rows = rows_[plan.rows];
      part.memory_bytes = std::max(part.memory_bytes, core::search_memory_bytes(2 * rows.reach + 1, rows.count()));
    }
    part.job_count = jobs_ - part.first_job;
    plan_searches(part);
  }
  place();
}

void TrellisEncodeBatch::plan_searches(Part& part) const {
  for (const Item& plan : part.items) {
    const SegmentView& view = items_[plan.item]->view;
    const std::uint32_t searches = view.block_count() * core::search_warps(view.trellis->states_log2);
    for (std::uint32_t first = 0; first < searches; first += kSearchGroupWarps)
      part.groups.push_back({plan.first_job - part.first_job, first, std::min(kSearchGroupWarps, searches - first)});
  }
}

void TrellisEncodeBatch::place() {
  std::size_t end = 0;
  const auto take = [&end](std::size_t bytes, std::size_t alignment) {
    const std::size_t begin = align_up(end, alignment);
    end = begin + bytes;
    return begin;
  };
  take(jobs_ * sizeof(core::TrellisEncodeJob), kBufferAlignment);
  groups_begin_ = take(0, kBufferAlignment);
  for (const Part& part : parts_) take(part.groups.size() * sizeof(core::TrellisSearchGroup), 4);
  for (Rows& rows : rows_) {
    rows.prices = take(4 * std::size_t{2 * rows.reach + 1} * rows.count(), 16);
    rows.coders = take(sizeof(core::EncodeTable) * rows.count(), 16);
  }
  for (Part& part : parts_)
    for (Item& plan : part.items) {
      plan.encoding = take(sizeof(core::TrellisEncoding), 16);
      plan.scales.place(take);
      plan.units = take(items_[plan.item]->units.size(), 16);
    }
  scratch_begin_ = align_up(end, kBufferAlignment);
  end = scratch_begin_;
  std::size_t packed = 0;
  for (Part& part : parts_)
    for (Item& plan : part.items) {
      const SegmentView& view = items_[plan.item]->view;
      std::size_t woven = 0, decisions = 0, words = 0;
      for (std::uint32_t b = 0; b < view.block_count(); b++) {
        const core::Weave weave = weave_of(view, b);
        woven += woven_size(weave);
        decisions += core::decision_words(weave.run, view.trellis->states_log2);
        words += align_up(core::encode_bound_words(weave.n), 8);
      }
      plan.woven = take(4 * woven, kBufferAlignment);
      plan.classes = take(woven, kBufferAlignment);
      plan.path = take(woven, kBufferAlignment);  // a byte each
      plan.decisions = take(4 * decisions, kBufferAlignment);
      plan.words = take(2 * words, kBufferAlignment);
      packed += items_[plan.item]->units.size() + 16 * std::size_t{view.block_count()};
    }
  planes_begin_ = take(packed, kBufferAlignment);
  device_ = end;
}

void TrellisEncodeBatch::fill_rows(const Rows& rows, std::byte* upload) const {
  cpu::TrellisTables& tables = cache_.tables(*rows.shape);
  tables.prepare_encode(*rows.stream);
  auto* prices = as<std::uint32_t>(upload + rows.prices);
  auto* coders = as<core::EncodeTable>(upload + rows.coders);
  for (int c = rows.range.lowest; c <= rows.range.highest; c++)
    for (std::uint32_t i = 0; i < rows.tables(); i++) {
      const auto row = static_cast<std::size_t>(c) * core::kClassTables +
                       core::table_in_use(rows.stream->keeps_zero, rows.stream->predicts, i);
      prices = std::copy_n(tables.prices() + row * 256 + core::kIndexZero - rows.reach, 2 * rows.reach + 1, prices);
      ::new (coders++) core::EncodeTable(tables.encode()[row]);
    }
}

void TrellisEncodeBatch::fill_item(const Item& plan, std::byte* upload, std::uint8_t* device) const {
  const EncodeItem& item = *items_[plan.item];
  const SegmentView& view = item.view;
  const TrellisStream& stream = *view.trellis;
  const Rows& rows = rows_[plan.rows];
  auto* to = ::new (upload + plan.encoding) core::TrellisEncoding{};
  plan.scales.fill(upload, device, to->scales, to->predictor);
  to->period = trellis::period_of(stream);
  to->prices = as<const std::uint32_t>(device + rows.prices);
  to->coders = as<const core::EncodeTable>(device + rows.coders);
  std::copy_n(cache_.tables(*rows.shape).reach(), core::kScaleClasses, to->reaches);
  to->price_reach = rows.reach;
  to->row_count = rows.count();
  to->lowest_class = static_cast<std::uint32_t>(rows.range.lowest);
  to->far_cost = cpu::far_cost(stream);
  to->inverse = cpu::steps_in_unit(stream.fine_step);
  to->offset = cpu::offset_in_steps(stream);
  to->far_limit = cpu::far_limit(stream);
  to->largest_level = cpu::largest_level(view.dtype, stream);
  to->states_log2 = stream.states_log2;
  to->pins_zero = stream.pins_zero ? 1 : 0;
  to->correct = item.spec->correct_reconstruction ? 1 : 0;
  to->type = float_type(view.dtype);
  std::memcpy(upload + plan.units, item.units.data(), item.units.size());

  auto* jobs = as<core::TrellisEncodeJob>(upload) + plan.first_job;
  std::size_t woven = 0, decisions = 0, words = 0;
  for (std::uint32_t b = 0; b < view.block_count(); b++) {
    const core::Weave weave = weave_of(view, b);
    const std::uint64_t before = std::uint64_t{b} << view.block_log2;
    words += align_up(core::encode_bound_words(weave.n), 8);
    core::TrellisEncodeJob job{};
    job.stream = as<const core::TrellisEncoding>(device + plan.encoding);
    job.units = device + plan.units + before * static_cast<std::uint64_t>(unit_bytes(view.dtype));
    job.first_element = view.first_unit + before;
    job.woven = as<std::uint32_t>(device + plan.woven) + woven;
    job.classes = device + plan.classes + woven;
    job.path = as<std::uint32_t>(device + plan.path + woven);
    job.decisions = as<std::uint32_t>(device + plan.decisions) + decisions;
    job.words_end = as<std::uint16_t>(device + plan.words) + words;
    job.n = weave.n;
    job.lanes_log2 = static_cast<std::uint8_t>(cpu::trellis_lanes_log2(weave.n));
    ::new (jobs + b) core::TrellisEncodeJob(job);
    woven += woven_size(weave);
    decisions += core::decision_words(weave.run, stream.states_log2);
  }
}

void TrellisEncodeBatch::fill(std::byte* upload, std::byte* device_memory) const {
  auto* device = as<std::uint8_t>(device_memory);
  auto* groups = as<core::TrellisSearchGroup>(upload + groups_begin_);
  for (const Part& part : parts_)
    for (const core::TrellisSearchGroup& group : part.groups) ::new (groups++) core::TrellisSearchGroup(group);
  for (const Rows& rows : rows_) fill_rows(rows, upload);
  for (const Part& part : parts_)
    for (const Item& plan : part.items) fill_item(plan, upload, device);
}

void TrellisEncodeBatch::launch(Queue& queue, std::byte* device) const {
  auto* jobs = as<core::TrellisEncodeJob>(device);
  auto* planes = as<std::uint8_t>(device + planes_begin_);
  const TrellisEncodeArrays all{jobs, jobs_, nullptr, 0, 0, planes};
  queue.encode_trellis(TrellisPass::kWeave, {}, all);
  const auto* groups = as<const core::TrellisSearchGroup>(device + groups_begin_);
  for (std::size_t op = 0; op < kTrellisEncodeOps; op++) {
    const Part& part = parts_[op];
    if (part.job_count == 0) continue;
    const auto group_count = static_cast<std::uint32_t>(part.groups.size());
    const TrellisEncodeArrays arrays{jobs + part.first_job, part.job_count,    groups,
                                     group_count,           part.memory_bytes, planes};
    queue.encode_trellis(TrellisPass::kSearch, static_cast<TrellisEncodeOp>(op), arrays);
    queue.encode_trellis(TrellisPass::kCode, static_cast<TrellisEncodeOp>(op), arrays);
    groups += group_count;
  }
  queue.encode_trellis(TrellisPass::kPack, {}, all);
}

void TrellisEncodeBatch::fetch_jobs(Queue& queue, const std::byte* device, std::byte* jobs) const {
  queue.to_host(jobs, device, jobs_bytes());
}

std::size_t TrellisEncodeBatch::fetch(Queue& queue, const std::byte* jobs, const std::byte* device,
                                      std::byte* planes) const {
  std::uint64_t bytes = 0;
  for (const Part& part : parts_)
    for (const Item& plan : part.items) {
      const SegmentView& view = items_[plan.item]->view;
      const auto* job = as<const core::TrellisEncodeJob>(jobs) + plan.first_job;
      for (std::uint32_t b = 0; b < view.block_count(); b++)
        bytes += core::packed_room(job[b], static_cast<std::uint32_t>(unit_bytes(view.dtype)));
    }
  queue.to_host(planes, device + planes_begin_, bytes);
  return bytes;
}

void TrellisEncodeBatch::build_blocks(const Item& plan, const core::TrellisEncodeJob* jobs,
                                      const std::byte*& planes) const {
  const EncodeItem& item = *items_[plan.item];
  const SegmentView& view = item.view;
  const auto unit_size = static_cast<std::uint32_t>(unit_bytes(view.dtype));
  EncodedSegment& out = *item.out;
  out.clear();
  std::array<std::int64_t, 3> sums{};
  std::array<std::uint64_t, 3> counts{};
  for (std::uint32_t b = 0; b < view.block_count(); b++) {
    const core::TrellisEncodeJob& job = jobs[plan.first_job + b];
    const auto checksum = cpu::active_kernels().crc32c;
    if (job.packed_bytes(unit_size) > 0) {
      const std::span words(planes, 2 * std::size_t{job.word_count});
      const std::span far(planes + words.size(), job.far_bytes(unit_size));
      out.block_sizes.push_back(archive::put_trellis_block(out.bytes, job.lanes_log2, words, far, checksum));
      out.plane_bytes += words.size() + far.size();
    } else {
      const auto units = item.units.subspan((std::size_t{b} << view.block_log2) * unit_size, job.n * unit_size);
      out.block_sizes.push_back(archive::put_raw_trellis_block(out.bytes, units, checksum));
      out.plane_bytes += units.size();
    }
    planes += core::packed_room(job, unit_size);
    for (std::size_t k = 0; k < 3; k++) {
      sums[k] += static_cast<std::int64_t>(job.inward.sum[k]);
      counts[k] += job.inward.count[k];
    }
  }
  for (std::size_t k = 0; k < 3 && item.spec->correct_reconstruction; k++)
    out.corrections[k] = cpu::trellis_correction(static_cast<double>(sums[k]) / (1 << core::kInwardBits),
                                                 static_cast<double>(counts[k]));
}

void TrellisEncodeBatch::finish(const std::byte* jobs, const std::byte* planes, SegmentCoder&) const {
  for (const Part& part : parts_)
    for (const Item& plan : part.items) build_blocks(plan, as<const core::TrellisEncodeJob>(jobs), planes);
}

}  // namespace weft::cuda
