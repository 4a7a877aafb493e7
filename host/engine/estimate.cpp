// The dry run: a few blocks of every stream are encoded for real, and the sizes scaled up.
//
// Small streams are encoded whole. What a sample cannot see, such as tables of later segments, is priced like what it
// saw.
#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "archive/archive_writer.hpp"
#include "engine/plan.hpp"
#include "engine/progress.hpp"
#include "engine/run_report.hpp"
#include "engine/segment_encoder.hpp"
#include "engine/steps.hpp"
#include "engine/workers.hpp"
#include "weft/engine.hpp"

namespace weft {
namespace {

using namespace engine;

constexpr std::uint64_t kSampledBlocks = 4;
constexpr double kBytesPerBlockSize = 1.5;  // of the compressed index, for each block that it lists

// Evenly spread blocks of every stream, or all of a small one.
std::vector<Piece> sample(const Index& index) {
  std::vector<Piece> pieces;
  for (std::size_t s = 0; s < index.streams.size(); s++) {
    const StreamRecord& stream = index.streams[s];
    const std::uint64_t block = std::uint64_t{1} << stream.block_log2;
    const std::uint64_t blocks = archive::blocks_in(stream.units, stream.block_log2);
    const std::uint64_t count = std::min(blocks, kSampledBlocks);
    for (std::uint64_t i = 0; i < count; i++) {
      const std::uint64_t first = (count == blocks ? i : i * (blocks - 1) / (count - 1)) * block;
      pieces.push_back({s, first, std::min(block, stream.units - first)});
    }
  }
  return pieces;
}

std::vector<Piece> uniform_only(const Index& index, const std::vector<Piece>& pieces) {
  std::vector<Piece> chosen;
  for (const Piece& piece : pieces)
    if (index.streams[piece.stream].codec == CodecId::kUniform) chosen.push_back(piece);
  return chosen;
}

struct PieceResult {
  std::uint64_t bytes = 0, plane_bytes = 0;
  std::array<std::optional<FrequencyTable>, 8> tables;
  std::vector<ErrorSums> errors;
};

struct StreamSample {
  std::uint64_t units = 0, bytes = 0, plane_bytes = 0;
  [[nodiscard]] double factor(const StreamRecord& stream) const {
    return units == 0 ? 1 : static_cast<double>(stream.units) / static_cast<double>(units);
  }
};

std::uint64_t scaled(std::uint64_t bytes, double factor) {
  return static_cast<std::uint64_t>(std::llround(static_cast<double>(bytes) * factor));
}

// Gives all blocks of the index the average size that was seen, and every segment the tables of the first piece.
void fill_in_sizes(Index& index, const std::vector<StreamSample>& samples) {
  for (std::size_t s = 0; s < index.streams.size(); s++) {
    const StreamRecord& stream = index.streams[s];
    for (std::size_t i = 0; i < stream.segment_count; i++) {
      const SegmentRecord& segment = index.segments[stream.first_segment + i];
      for (std::uint32_t b = 0; b < segment.block_count; b++) {
        BlockRecord& block = index.blocks[segment.first_block + b];
        const double part = static_cast<double>(block.units) / static_cast<double>(samples[s].units);
        block.size = static_cast<std::uint32_t>(scaled(samples[s].bytes, part));
      }
    }
  }
}

}  // namespace

Report estimate(const Network& network, const Config& config, const RunOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  const std::unique_ptr<Backend> backend = make_backend(options.device, options.device_memory);
  Plan plan = make_plan(network, config);
  Index& index = plan.index;
  const std::vector<Piece> pieces = sample(index);
  std::uint64_t largest = 0;
  for (const Piece& piece : pieces) largest = std::max(largest, encode_bytes(index.streams[piece.stream], piece.units));
  const std::uint32_t threads = thread_count(options.threads, options.memory_limit, largest);
  std::vector<StageTimes> times(threads);
  choose_steps(network, plan, uniform_only(index, pieces), threads, options.cancel, times);

  std::uint64_t total_bytes = 0;
  for (const Piece& piece : pieces)
    total_bytes += piece.units * static_cast<std::uint64_t>(unit_bytes(index.streams[piece.stream].dtype));
  ProgressMeter progress(options, total_bytes);
  std::vector<PieceResult> results(pieces.size());
  std::vector<std::unique_ptr<SegmentEncoder>> encoders(threads);
  run_parallel(threads, pieces.size(), options.cancel, [&](std::uint32_t worker, std::size_t p) {
    if (!encoders[worker]) encoders[worker] = std::make_unique<SegmentEncoder>(*backend, network, plan, options.verify);
    const StreamRecord& stream = index.streams[pieces[p].stream];
    SegmentView view = segment_view(index, stream, index.segments[stream.first_segment]);
    view.first_unit = pieces[p].first;
    view.units = pieces[p].units;
    const SegmentEncoder::Work work{pieces[p].stream, view};
    const SegmentEncoder::Result& result = encoders[worker]->encode({&work, 1}, times[worker]).front();
    results[p] = {result.encoded.bytes.size(), result.encoded.plane_bytes, result.encoded.tables, result.errors};
    progress.add(view.units * static_cast<std::uint64_t>(unit_bytes(stream.dtype)), "");
  });

  std::vector<StreamSample> samples(index.streams.size());
  std::vector<ErrorSums> errors(index.tensors.size());
  for (std::size_t p = 0; p < pieces.size(); p++) {
    const StreamRecord& stream = index.streams[pieces[p].stream];
    StreamSample& sample = samples[pieces[p].stream];
    const bool is_first = sample.units == 0;
    sample.units += pieces[p].units;
    sample.bytes += results[p].bytes;
    sample.plane_bytes += results[p].plane_bytes;
    std::size_t part = 0;
    for_members(index, stream, pieces[p].first, pieces[p].units,
                [&](std::size_t tensor, std::uint64_t, std::uint64_t, std::uint64_t) {
                  errors[tensor].add(results[p].errors[part++]);
                });
    for (const auto& table : results[p].tables)
      if (table && is_first) index.tables.insert(index.tables.end(), stream.segment_count, *table);
  }
  fill_in_sizes(index, samples);

  Report report;
  std::uint64_t end = 0, plane_bytes = 0;
  (void)archive::place_blocks(index, UINT64_MAX, end);
  for (std::size_t s = 0; s < samples.size(); s++)
    plane_bytes += scaled(samples[s].plane_bytes, samples[s].factor(index.streams[s]));
  const auto index_bytes = static_cast<std::uint64_t>(static_cast<double>(archive::store_index(index).bytes.size()) +
                                                      kBytesPerBlockSize * static_cast<double>(index.blocks.size()));
  report.bytes_out = end + index_bytes + archive::kFooterBytes;
  report.overhead_bytes = report.bytes_out - std::min(report.bytes_out, plane_bytes);
  report.tensors = describe_tensors(index, all_tensors(index));
  for (std::size_t t = 0; t < report.tensors.size(); t++) {
    const std::size_t s = index.places[t].stream;
    const double factor = index.streams[s].members.size() == 1 ? samples[s].factor(index.streams[s]) : 1;
    errors[t].squared_error *= factor;
    errors[t].squares *= factor;
    set_errors(report.tensors[t], errors[t]);
    report.tensors[t].note = plan.notes[t];
  }
  for (const auto& file : network.files()) report.bytes_in += file.bytes;
  report.command = "dry-run";
  report.input = network.path().string();
  report.config_json = to_json(config);
  report.warnings = network.warnings();
  report.estimated = true;
  finish_report(report, begin, times, *backend);
  return report;
}

}  // namespace weft
