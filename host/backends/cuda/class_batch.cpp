#include "backends/cuda/class_batch.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include "backends/cpu/plane_coder.hpp"
#include "trellis/scales.hpp"

namespace weft::cuda {
namespace {

constexpr std::size_t kTableBytes = 256 * sizeof(std::uint16_t);

}  // namespace

bool fits_device(const Scales& scales, const cpu::DifferentTables& tables) {
  return tables.tables.size() <= core::kMostClassTables && scales.factors.size() <= core::kUnitFactors &&
         std::none_of(tables.tables.begin(), tables.tables.end(),
                      [](const FrequencyTable* table) { return table->pair_base.has_value(); }) &&
         std::all_of(scales.factors.begin(), scales.factors.end(), [](const ScaleFactor& factor) {
           return factor.codes.size() <= core::kMostPeriod && factor.inner <= core::kMostPeriod / factor.codes.size();
         });
}

std::size_t ClassBatch::find_stream(const Scales& scales) {
  const auto [known, is_new] = stream_numbers_.try_emplace(&scales, streams_.size());
  if (is_new) streams_.push_back({&scales, std::vector<std::size_t>(scales.factors.size())});
  return known->second;
}

void ClassBatch::add(std::size_t item, const SegmentView& view, std::uint32_t job) {
  if (segments_.empty() || segments_.back().item != item)
    segments_.push_back({item, find_stream(*view.scales), trellis::class_range(*view.scales).lowest,
                         cpu::different_tables(view.class_tables)});
  const std::size_t segment = segments_.size() - 1;
  if (groups_.empty() || groups_.back().segment != segment || groups_.back().job_count == kDecodeGroupBlocks)
    groups_.push_back({segment, job, 0});
  groups_.back().job_count++;
}

void ClassBatch::place(const std::function<std::size_t(std::size_t, std::size_t)>& take) {
  if (groups_.empty()) return;
  groups_begin_ = take(groups_.size() * sizeof(core::ClassGroup), 16);
  for (Stream& stream : streams_) {
    stream.at = take(sizeof(core::UnitScales), 16);
    for (std::size_t f = 0; f < stream.codes.size(); f++)
      stream.codes[f] = take(stream.scales->factors[f].codes.size(), 16);
  }
  for (Segment& segment : segments_) {
    segment.frequencies = take(segment.tables.tables.size() * kTableBytes, 16);
    segment.numbers = take(core::kScaleClasses, 16);
  }
}

void ClassBatch::fill(std::byte* upload, std::uint8_t* device) const {
  for (const Stream& stream : streams_) {
    auto& to = *::new (upload + stream.at) core::UnitScales{};
    to.base = stream.scales->base_class;
    for (const ScaleFactor& factor : stream.scales->factors) {
      const std::size_t at = stream.codes[to.factor_count];
      std::memcpy(upload + at, factor.codes.data(), factor.codes.size());
      to.factors[to.factor_count++] = {device + at, static_cast<std::uint32_t>(factor.inner),
                                       static_cast<std::uint32_t>(factor.codes.size())};
    }
  }
  for (const Segment& segment : segments_) {
    auto* frequencies = reinterpret_cast<std::uint16_t*>(upload + segment.frequencies);
    for (const FrequencyTable* table : segment.tables.tables) {
      cpu::expand_table(*table, frequencies);
      frequencies += 256;
    }
    std::fill_n(upload + segment.numbers, core::kScaleClasses, std::byte{0});
    std::memcpy(upload + segment.numbers + segment.lowest, segment.tables.numbers.data(),
                segment.tables.numbers.size());
  }
  auto* groups = reinterpret_cast<core::ClassGroup*>(upload + groups_begin_);
  for (const Group& group : groups_) {
    const Segment& segment = segments_[group.segment];
    ::new (groups++) core::ClassGroup{reinterpret_cast<const core::UnitScales*>(device + streams_[segment.stream].at),
                                      reinterpret_cast<const std::uint16_t*>(device + segment.frequencies),
                                      device + segment.numbers,
                                      static_cast<std::uint32_t>(segment.tables.tables.size()),
                                      group.first_job,
                                      group.job_count};
  }
}

void ClassBatch::launch(Queue& queue, std::byte* device, const core::BlockJob* jobs, std::uint32_t* status) const {
  if (groups_.empty()) return;
  std::size_t tables = 0;
  for (const Segment& segment : segments_) tables = std::max(tables, segment.tables.tables.size());
  queue.decode_classes({reinterpret_cast<const core::ClassGroup*>(device + groups_begin_),
                        static_cast<std::uint32_t>(groups_.size()), static_cast<std::uint32_t>(tables)},
                       jobs, reinterpret_cast<std::uint8_t*>(device), status);
}

}  // namespace weft::cuda
