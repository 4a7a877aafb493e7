#include "backends/cuda/trellis_batch.hpp"

#include <algorithm>
#include <map>
#include <new>

#include "archive/bytes.hpp"
#include "backends/planes.hpp"
#include "trellis/scales.hpp"
#include "trellis/shape.hpp"

namespace weft::cuda {

using archive::PlaneMode;

namespace {

bool knows_planes(const archive::BlockView& planes, std::size_t unit_size) {
  return planes.plane(0).mode == PlaneMode::kRans && planes.plane(0).bytes.size() % 2 == 0 &&
         planes.plane(1).mode == PlaneMode::kRaw && far_records(planes.plane(1).bytes, unit_size).has_value();
}

// The frequencies of shapes, each row made once.
class Frequencies {
 public:
  // Of the table `row` of this shape; good until the next call for another shape.
  const std::uint16_t* of(const Shape& shape, int row) {
    auto& known = shapes_.try_emplace(shape, shape).first->second;
    auto& frequencies = known.rows[row];
    if (frequencies.empty()) {
      frequencies.resize(256);
      known.curve.frequencies(row, known.curve.reach(row / core::kClassTables), frequencies.data());
    }
    return frequencies.data();
  }

 private:
  struct Known {
    explicit Known(const Shape& shape) : curve(shape) {}
    trellis::MassCurve curve;
    std::map<int, std::vector<std::uint16_t>> rows;
  };
  std::map<Shape, Known> shapes_;
};

template <class T>
T* as(std::byte* bytes) {
  return reinterpret_cast<T*>(bytes);
}
template <class T>
const T* as(std::uint8_t* bytes) {
  return reinterpret_cast<const T*>(bytes);
}

}  // namespace

std::uint32_t TrellisBatch::Rows::words() const noexcept { return core::row_words(reach); }
std::uint32_t TrellisBatch::Rows::count() const noexcept {
  return static_cast<std::uint32_t>(highest - lowest + 1) * core::tables_in_use(keeps_zero, predicts);
}

std::uint32_t TrellisBatch::Rows::map_bytes() const noexcept {
  if (predicts || !core::maps_fit(2 * reach + 1)) return 0;
  const std::uint32_t bytes = core::trellis_map_bytes(static_cast<std::uint32_t>(highest - lowest + 1));
  return bytes <= kMostMapBytes ? bytes : 0;
}

std::uint32_t TrellisBatch::Rows::exact_bytes() const noexcept {
  if (!predicts) return 0;
  const std::uint32_t bytes = core::trellis_memory_bytes(core::exact_row_words(words()), count());
  return bytes <= kMostExactBytes ? bytes : 0;
}

std::optional<std::size_t> TrellisBatch::find_rows(const SegmentView& view) {
  const TrellisStream& stream = *view.trellis;
  const trellis::ClassRange range = trellis::table_range(stream);
  const auto found = std::find_if(rows_.begin(), rows_.end(), [&](const Rows& rows) {
    return rows.keeps_zero == stream.keeps_zero && rows.predicts == stream.predicts && rows.lowest == range.lowest &&
           rows.highest == range.highest && *rows.shape == *view.shape;
  });
  if (found != rows_.end()) return static_cast<std::size_t>(found - rows_.begin());
  Rows rows{view.shape, stream.keeps_zero, stream.predicts, range.lowest, range.highest, 0};
  const trellis::MassCurve curve(*view.shape);
  for (int c = range.lowest; c <= range.highest; c++)
    rows.reach = std::max(rows.reach, static_cast<std::uint32_t>(curve.reach(c)));
  if (std::size_t{4} * rows.words() * rows.count() > kMostRowBytes) return std::nullopt;
  rows_.push_back(rows);
  return rows_.size() - 1;
}

std::size_t TrellisBatch::find_stream(const SegmentView& view) {
  const auto found = std::find_if(streams_.rbegin(), streams_.rend(), [&](const Stream& stream) {
    return stream.stream == view.trellis && stream.dtype == view.dtype;
  });
  if (found != streams_.rend()) return static_cast<std::size_t>(streams_.rend() - found) - 1;
  Stream stream{view.trellis, view.dtype, std::nullopt};
  stream.scales = TrellisUpload(*view.trellis);
  if (stream.scales.fits()) stream.rows = find_rows(view);
  streams_.push_back(stream);
  return streams_.size() - 1;
}

std::optional<std::uint32_t> TrellisBatch::add(std::size_t item, const SegmentView& view,
                                               const archive::BlockView& planes, bool outside) {
  if (!knows_planes(planes, static_cast<std::size_t>(unit_bytes(view.dtype)))) return std::nullopt;
  const std::size_t stream = find_stream(view);
  if (!streams_[stream].rows) return std::nullopt;
  const TrellisOp op = trellis_op(unit_bytes(view.dtype), view.trellis->keeps_zero, view.trellis->predicts);
  const Rows& rows = rows_[*streams_[stream].rows];
  const bool fast = rows.map_bytes() > 0 || rows.exact_bytes() > 0;
  Groups& of_op = (outside ? outside_groups_ : groups_)[static_cast<std::size_t>(op) + (fast ? kTrellisOps : 0)];
  if (of_op.groups.empty() || of_op.groups.back().item != item) {
    of_op.groups.push_back({item, stream, view.corrections, jobs_, 0, of_op.jobs});
    group_count_++;
  }
  of_op.groups.back().job_count++;
  of_op.jobs++;
  return jobs_++;
}

void TrellisBatch::place(const std::function<std::size_t(std::size_t, std::size_t)>& take) {
  if (jobs_ == 0) return;
  jobs_begin_ = take(jobs_ * sizeof(core::TrellisJob), 16);
  groups_begin_ = take(group_count_ * sizeof(core::TrellisGroup), 16);
  for (Rows& rows : rows_) rows.at = take(std::size_t{4} * rows.words() * rows.count(), 16);
  for (Stream& stream : streams_) {
    if (!stream.rows) continue;
    stream.parameters = take(sizeof(core::TrellisParameters), 16);
    stream.scales.place(take);
  }
}

void TrellisBatch::fill_stream(const Stream& stream, std::byte* upload, std::uint8_t* device) const {
  const TrellisStream& from = *stream.stream;
  const Rows& rows = rows_[*stream.rows];
  auto* to = ::new (upload + stream.parameters) core::TrellisParameters{};
  stream.scales.fill(upload, device, to->scales, to->predictor);
  to->period = trellis::period_of(from);
  to->rows = as<std::uint32_t>(device + rows.at);
  to->row_words = rows.words();
  to->row_count = rows.count();
  to->lowest_class = static_cast<std::uint32_t>(rows.lowest);
  to->fine_step = from.fine_step;
  to->offset = from.offset;
  to->states_log2 = from.states_log2;
  to->type = float_type(stream.dtype);
}

void TrellisBatch::add_groups(const GroupsOfOps& from, core::TrellisGroup*& to, std::uint8_t* device) const {
  for (const auto& of_op : from)
    for (const Group& group : of_op.groups) {
      auto* out =
          ::new (to++) core::TrellisGroup{as<core::TrellisParameters>(device + streams_[group.stream].parameters),
                                          group.first_job,
                                          group.job_count,
                                          group.jobs_before,
                                          {}};
      std::copy(group.corrections.begin(), group.corrections.end(), out->corrections);
    }
}

void TrellisBatch::fill(std::byte* upload, std::uint8_t* device) const {
  if (jobs_ == 0) return;
  Frequencies frequencies;
  for (const Rows& rows : rows_) {
    auto* row = as<std::uint32_t>(upload + rows.at);
    for (int c = rows.lowest; c <= rows.highest; c++)
      for (std::uint32_t i = 0; i < core::tables_in_use(rows.keeps_zero, rows.predicts); i++, row += rows.words()) {
        const auto table = core::table_in_use(rows.keeps_zero, rows.predicts, i);
        core::build_compact_row(frequencies.of(*rows.shape, c * core::kClassTables + static_cast<int>(table)),
                                rows.reach, row);
      }
  }
  for (const Stream& stream : streams_)
    if (stream.rows) fill_stream(stream, upload, device);
  auto* groups = as<core::TrellisGroup>(upload + groups_begin_);
  add_groups(groups_, groups, device);
  add_groups(outside_groups_, groups, device);
}

void TrellisBatch::fill_job(std::byte* upload, std::uint32_t number, const SegmentView& view,
                            const archive::BlockView& planes, const std::byte* stored, std::uint8_t* device,
                            const Destination& to) const {
  const auto on_device = [&](const archive::PlaneView& plane) {
    return plane.bytes.empty() ? device : device + (plane.bytes.data() - stored);
  };
  core::TrellisJob job{};
  job.words = on_device(planes.plane(0));
  job.word_count = static_cast<std::uint32_t>(planes.plane(0).bytes.size() / 2);
  job.lanes_log2 = static_cast<std::uint8_t>(planes.plane(0).lanes_log2);
  job.far = on_device(planes.plane(1));
  job.far_count = far_records(planes.plane(1).bytes, static_cast<std::size_t>(unit_bytes(view.dtype))).value();
  job.out = to.out;
  job.first_element = to.first_element;
  job.n = to.units;
  ::new (upload + jobs_begin_ + number * sizeof job) core::TrellisJob(job);
}

TrellisGroups TrellisBatch::launched(const Groups& groups, const core::TrellisGroup* on_device) const {
  TrellisGroups all{on_device, static_cast<std::uint32_t>(groups.groups.size()), groups.jobs, 0, 0, 0};
  for (const Group& group : groups.groups) {
    const Rows& rows = rows_[*streams_[group.stream].rows];
    all.memory_bytes = std::max(all.memory_bytes, core::trellis_memory_bytes(rows.words(), rows.count()));
    all.exact_bytes = std::max(all.exact_bytes, rows.exact_bytes());
    all.map_bytes = std::max(all.map_bytes, rows.map_bytes());
  }
  return all;
}

void TrellisBatch::launch(Queue& queue, std::byte* device, std::byte* outside, std::uint32_t* status) const {
  const auto* jobs = as<core::TrellisJob>(device + jobs_begin_);
  const auto* groups = as<core::TrellisGroup>(device + groups_begin_);
  const auto decode = [&](const GroupsOfOps& of_ops, std::byte* out) {
    for (std::size_t op = 0; op < of_ops.size(); op++) {
      const TrellisGroups all = launched(of_ops[op], groups);
      if (all.count > 0)
        queue.decode_trellis(static_cast<TrellisOp>(op % kTrellisOps), all, jobs, as<std::uint8_t>(out), status);
      groups += all.count;
    }
  };
  decode(groups_, device);
  decode(outside_groups_, outside);
}

}  // namespace weft::cuda
