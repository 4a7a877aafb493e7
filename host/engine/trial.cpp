#include "engine/trial.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "archive/archive_writer.hpp"
#include "engine/codebooks.hpp"
#include "engine/models.hpp"
#include "engine/scales.hpp"
#include "engine/segment_encoder.hpp"
#include "engine/table_book.hpp"
#include "engine/workers.hpp"

namespace weft::engine {
namespace {

constexpr std::uint64_t kFewestBlocks = 4;  // of a stream in a sample, if it has as many
constexpr double kBytesPerBlockSize = 1.3;  // of the index, for each block that it lists

std::vector<Piece> all_segments(const Index& index) {
  std::vector<Piece> pieces;
  for (std::size_t s = 0; s < index.streams.size(); s++) {
    const StreamRecord& stream = index.streams[s];
    for (std::size_t i = 0; i < stream.segment_count; i++) {
      const SegmentRecord& segment = index.segments[stream.first_segment + i];
      pieces.push_back({s, segment.first_unit, segment.units});
    }
  }
  return pieces;
}

// Evenly spread blocks of every stream, kTrialUnits together or so, or all of a small stream.
std::vector<Piece> sample(const Index& index, std::uint64_t all_units) {
  const double fraction = static_cast<double>(kTrialUnits) / static_cast<double>(all_units);
  std::vector<Piece> pieces;
  for (std::size_t s = 0; s < index.streams.size(); s++) {
    const StreamRecord& stream = index.streams[s];
    const std::uint64_t block = std::uint64_t{1} << stream.block_log2;
    const std::uint64_t blocks = archive::blocks_in(stream.units, stream.block_log2);
    const auto share = static_cast<std::uint64_t>(std::ceil(fraction * static_cast<double>(blocks)));
    const std::uint64_t count = std::min(blocks, std::max(share, kFewestBlocks));
    for (std::uint64_t i = 0; i < count; i++) {
      const std::uint64_t first = (count == blocks ? i : i * (blocks - 1) / (count - 1)) * block;
      pieces.push_back({s, first, std::min(block, stream.units - first)});
    }
  }
  return pieces;
}

std::uint64_t scaled(std::uint64_t bytes, double factor) {
  return static_cast<std::uint64_t>(std::llround(static_cast<double>(bytes) * factor));
}

}  // namespace

Trial::Trial(const Network& network, const Index& layout, std::uint32_t threads, const std::atomic<bool>* cancel)
    : network_(network), threads_(threads), cancel_(cancel) {
  std::uint64_t units = 0;
  for (const StreamRecord& stream : layout.streams) units += stream.units;
  is_whole_ = units <= kTrialUnits;
  pieces_ = is_whole_ ? all_segments(layout) : sample(layout, units);
  results_.resize(pieces_.size());
  for (const Piece& piece : pieces_)
    bytes_ += piece.units * static_cast<std::uint64_t>(unit_bytes(layout.streams[piece.stream].dtype));
}

std::vector<Piece> Trial::pieces_of(const Index& index, const std::vector<bool>& streams,
                                    std::optional<CodecId> codec) const {
  std::vector<Piece> chosen;
  for (const Piece& piece : pieces_)
    if (streams[piece.stream] && (!codec || index.streams[piece.stream].codec == *codec)) chosen.push_back(piece);
  return chosen;
}

void Trial::prepare(const Backend& backend, Plan& plan, const std::vector<bool>& streams,
                    std::vector<StageTimes>& times) const {
  if (!is_whole_)  // what a view reorders cannot be read in part; the whole archive is measured in the end
    for (CodecSpec& spec : plan.specs) spec.choose_view = false;
  choose_models(network_, plan, streams, backend, cancel_, times);
  choose_steps(network_, plan, pieces_of(plan.index, streams, CodecId::kUniform), backend, threads_, cancel_, times);
  choose_codebooks(network_, plan, pieces_of(plan.index, streams, CodecId::kCodebook), backend, threads_, cancel_,
                   times);
  choose_scales(network_, plan, streams, backend, cancel_, times);
}

void Trial::encode(const Backend& backend, const Plan& plan, const std::vector<bool>& streams, bool verify,
                   std::vector<StageTimes>& times, ProgressMeter* progress) {
  const Index& index = plan.index;
  std::vector<std::size_t> chosen;
  for (std::size_t p = 0; p < pieces_.size(); p++)
    if (streams[pieces_[p].stream]) chosen.push_back(p);
  std::vector<std::unique_ptr<SegmentEncoder>> encoders(threads_);
  run_parallel(threads_, chosen.size(), cancel_, [&](std::uint32_t worker, std::size_t i) {
    if (!encoders[worker]) encoders[worker] = std::make_unique<SegmentEncoder>(backend, network_, plan, verify);
    const Piece& piece = pieces_[chosen[i]];
    const StreamRecord& stream = index.streams[piece.stream];
    SegmentView view = segment_view(index, stream, index.segments[stream.first_segment]);
    view.first_unit = piece.first;
    view.units = piece.units;
    const SegmentEncoder::Work work{piece.stream, view};
    const SegmentEncoder::Result& result = encoders[worker]->encode({&work, 1}, times[worker]).front();
    const EncodedSegment& encoded = result.encoded;
    const EncodedRecord& record = encoded;  // without the bytes
    results_[chosen[i]] = {record, encoded.bytes.size(), encoded.plane_bytes, result.errors};
    if (progress != nullptr) progress->add(piece.units * static_cast<std::uint64_t>(unit_bytes(stream.dtype)), "");
  });
}

void Trial::fill_in_whole(Index& index) const {
  TableBook book(index);
  for (std::size_t s = 0; s < pieces_.size(); s++) book.record(index.segments[s], results_[s].record);
}

// Gives all blocks of the index the average size that was seen, and every segment the tables of the first piece.
void Trial::fill_in_sample(Index& index) const {
  std::vector<std::uint64_t> units(index.streams.size()), bytes(index.streams.size());
  for (std::size_t p = 0; p < pieces_.size(); p++) {
    const std::size_t s = pieces_[p].stream;
    for (const auto& table : results_[p].record.tables)
      if (table && units[s] == 0) index.tables.insert(index.tables.end(), index.streams[s].segment_count, *table);
    units[s] += pieces_[p].units;
    bytes[s] += results_[p].bytes;
  }
  for (std::size_t s = 0; s < index.streams.size(); s++) {
    const StreamRecord& stream = index.streams[s];
    for (std::size_t i = 0; i < stream.segment_count; i++) {
      const SegmentRecord& segment = index.segments[stream.first_segment + i];
      for (std::uint32_t b = 0; b < segment.block_count; b++) {
        BlockRecord& block = index.blocks[segment.first_block + b];
        block.size = static_cast<std::uint32_t>(
            scaled(bytes[s], static_cast<double>(block.units) / static_cast<double>(units[s])));
      }
    }
  }
}

std::vector<double> Trial::factors(const Index& index) const {
  std::vector<std::uint64_t> units(index.streams.size());
  for (const Piece& piece : pieces_) units[piece.stream] += piece.units;
  std::vector<double> factors(units.size(), 1);
  for (std::size_t s = 0; s < units.size(); s++)
    if (units[s] > 0) factors[s] = static_cast<double>(index.streams[s].units) / static_cast<double>(units[s]);
  return factors;
}

std::vector<ErrorSums> Trial::errors(const Index& index) const {
  std::vector<ErrorSums> sums(index.tensors.size());
  for (std::size_t p = 0; p < pieces_.size(); p++) {
    if (results_[p].record.block_sizes.empty()) continue;
    std::size_t part = 0;
    for_members(index, index.streams[pieces_[p].stream], pieces_[p].first, pieces_[p].units,
                [&](std::size_t tensor, std::uint64_t, std::uint64_t, std::uint64_t) {
                  sums[tensor].add(results_[p].errors[part++]);
                });
  }
  const std::vector<double> factor = factors(index);
  for (std::size_t t = 0; t < sums.size(); t++) {
    const std::size_t s = index.places[t].stream;
    if (index.streams[s].members.size() != 1) continue;
    sums[t].squared_error *= factor[s];
    sums[t].squares *= factor[s];
    sums[t].zeros = scaled(sums[t].zeros, factor[s]);
    sums[t].pruned = scaled(sums[t].pruned, factor[s]);
    sums[t].zeros_coded = scaled(sums[t].zeros_coded, factor[s]);
    sums[t].zeros_restored = scaled(sums[t].zeros_restored, factor[s]);
  }
  return sums;
}

TrialFigures Trial::figures(Plan& plan) const {
  Index& index = plan.index;
  index.tables.clear();
  is_whole_ ? fill_in_whole(index) : fill_in_sample(index);
  drop_unused_scales(index);
  TrialFigures figures;
  figures.errors = errors(index);
  const std::vector<double> factor = factors(index);
  std::vector<std::uint64_t> plane_bytes(index.streams.size());
  for (std::size_t p = 0; p < pieces_.size(); p++) plane_bytes[pieces_[p].stream] += results_[p].plane_bytes;
  for (std::size_t s = 0; s < factor.size(); s++) figures.plane_bytes += scaled(plane_bytes[s], factor[s]);
  std::uint64_t end = 0;
  (void)archive::place_blocks(index, UINT64_MAX, end);
  const double unseen = is_whole_ ? 0 : kBytesPerBlockSize * static_cast<double>(index.blocks.size());
  figures.archive_bytes =
      end + archive::store_index(index).bytes.size() + static_cast<std::uint64_t>(unseen) + archive::kFooterBytes;
  return figures;
}

}  // namespace weft::engine
