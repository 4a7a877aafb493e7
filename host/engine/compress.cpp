// Compression: plan, choose steps, then read -> encode -> verify -> write, segment by segment on all threads.
//
// Segments pass a turnstile in their order, where tables are numbered and places in the file are given out; everything
// slow, the writing too, happens outside of it.
#include <fmt/format.h>

#include <map>
#include <optional>

#include "archive/archive_writer.hpp"
#include "engine/batches.hpp"
#include "engine/plan.hpp"
#include "engine/progress.hpp"
#include "engine/run_report.hpp"
#include "engine/segment_encoder.hpp"
#include "engine/steps.hpp"
#include "engine/workers.hpp"
#include "io/file.hpp"
#include "weft/engine.hpp"
#include "weft/error.hpp"

namespace weft {
namespace {

using namespace engine;

// Which stream a segment belongs to.
std::vector<std::size_t> streams_of_segments(const Index& index) {
  std::vector<std::size_t> streams(index.segments.size());
  for (std::size_t s = 0; s < index.streams.size(); s++)
    for (std::size_t i = 0; i < index.streams[s].segment_count; i++) streams[index.streams[s].first_segment + i] = s;
  return streams;
}

std::vector<Piece> pieces_for_steps(const Index& index) {
  std::vector<Piece> pieces;
  for (std::size_t s = 0; s < index.streams.size(); s++) {
    const StreamRecord& stream = index.streams[s];
    if (stream.codec != CodecId::kUniform) continue;
    for (std::size_t i = 0; i < stream.segment_count; i++) {
      const SegmentRecord& segment = index.segments[stream.first_segment + i];
      pieces.push_back({s, segment.first_unit, segment.units});
    }
  }
  return pieces;
}

// Numbers frequency tables in the order in which they are first used; equal ones share a number.
class TableBook {
 public:
  explicit TableBook(std::vector<FrequencyTable>& tables) : tables_(tables) {}
  std::uint32_t number(const std::optional<FrequencyTable>& table) {
    if (!table) return 0;
    const auto [found, is_new] = numbers_.try_emplace({table->first, table->frequencies}, tables_.size() + 1);
    if (is_new) tables_.push_back(*table);
    return static_cast<std::uint32_t>(found->second);
  }

 private:
  std::vector<FrequencyTable>& tables_;
  std::map<std::pair<std::uint8_t, std::vector<std::uint16_t>>, std::size_t> numbers_;
};

class Compression {
 public:
  Compression(const Network& network, const Config& config, const RunOptions& options)
      : network_(network),
        options_(options),
        backend_(make_backend(options.device, options.device_memory)),
        plan_(make_plan(network, config)),
        streams_(streams_of_segments(plan_.index)) {
    batches_ = make_batches(
        *backend_, options, plan_.index.segments.size(), [this](std::size_t s) { return segment_bytes(s); },
        [this](std::size_t s) { return encode_bytes(stream_of(s), plan_.index.segments[s].units); });
    threads_ = thread_count(options.threads, options.memory_limit, largest_memory(batches_));
    times_.resize(threads_);
  }

  Report run(const std::filesystem::path& output) {
    const auto begin = std::chrono::steady_clock::now();
    io::AtomicFile file(output, options_.overwrite);
    choose_steps(network_, plan_, pieces_for_steps(plan_.index), threads_, options_.cancel, times_);
    archive::ArchiveWriter writer(file);
    encode_segments(writer);
    Report report;
    std::uint64_t index_bytes = 0;
    report.bytes_out = times_[0].time(Stage::kWrite, 0, [&] { return writer.finish(plan_.index, index_bytes); });
    fill_in(report);
    finish_report(report, begin, times_, *backend_);
    return report;
  }

 private:
  void encode_segments(archive::ArchiveWriter& writer) {
    Index& index = plan_.index;
    errors_.resize(index.tensors.size());
    std::uint64_t total_bytes = 0;
    for (const auto& stream : index.streams)
      total_bytes += stream.units * static_cast<std::uint64_t>(unit_bytes(stream.dtype));
    ProgressMeter progress(options_, total_bytes);
    TableBook book(index.tables);
    Turnstile turnstile;
    std::vector<std::unique_ptr<SegmentEncoder>> encoders(threads_);

    const auto pass = [&](std::uint32_t worker, std::size_t s, const SegmentEncoder::Result& result) {
      const StreamRecord& stream = stream_of(s);
      SegmentRecord& segment = index.segments[s];
      const EncodedSegment& encoded = result.encoded;
      std::uint64_t offset = 0;
      turnstile.pass(s, [&] {
        for (std::size_t p = 0; p < encoded.tables.size(); p++) segment.tables[p] = book.number(encoded.tables[p]);
        segment.corrections = encoded.corrections;
        for (std::uint32_t b = 0; b < segment.block_count; b++)
          index.blocks[segment.first_block + b].size = encoded.block_sizes[b];
        std::size_t part = 0;
        for_members(index, stream, segment.first_unit, segment.units,
                    [&](std::size_t tensor, std::uint64_t, std::uint64_t, std::uint64_t) {
                      errors_[tensor].add(result.errors[part++]);
                    });
        plane_bytes_ += encoded.plane_bytes;
        offset = writer.reserve(encoded.bytes.size(), index.blocks[segment.first_block].units);
      });
      times_[worker].time(Stage::kWrite, encoded.bytes.size(), [&] { writer.write(offset, encoded.bytes); });
      progress.add(segment_bytes(s), name_of_stream(stream));
    };
    const auto body = [&](std::uint32_t worker, std::size_t b) {
      if (!encoders[worker])
        encoders[worker] = std::make_unique<SegmentEncoder>(*backend_, network_, plan_, options_.verify);
      std::vector<SegmentEncoder::Work> works;
      const std::size_t first = batches_[b].first;
      for (std::size_t s = first; s < first + batches_[b].count; s++)
        works.push_back({streams_[s], segment_view(index, stream_of(s), index.segments[s])});
      const auto results = encoders[worker]->encode(works, times_[worker]);
      for (std::size_t i = 0; i < results.size(); i++) pass(worker, first + i, results[i]);
    };
    run_parallel(threads_, batches_.size(), options_.cancel, body, [&] { turnstile.abort(); });
  }

  [[nodiscard]] const StreamRecord& stream_of(std::size_t segment) const {
    return plan_.index.streams[streams_[segment]];
  }
  [[nodiscard]] std::uint64_t segment_bytes(std::size_t segment) const {
    return plan_.index.segments[segment].units * static_cast<std::uint64_t>(unit_bytes(stream_of(segment).dtype));
  }
  std::string name_of_stream(const StreamRecord& stream) const {
    return stream.members.empty() ? "" : plan_.index.tensors[stream.members.front()].name;
  }

  void fill_in(Report& report) const {
    report.tensors = describe_tensors(plan_.index, all_tensors(plan_.index));
    for (std::size_t t = 0; t < report.tensors.size(); t++) {
      set_errors(report.tensors[t], errors_[t]);
      report.tensors[t].note = plan_.notes[t];
    }
    for (const auto& file : network_.files()) report.bytes_in += file.bytes;
    report.overhead_bytes = report.bytes_out - plane_bytes_;
    report.warnings = network_.warnings();
  }

  const Network& network_;
  const RunOptions& options_;
  std::unique_ptr<Backend> backend_;
  Plan plan_;
  std::vector<std::size_t> streams_;  // per segment
  std::vector<Batch> batches_;        // of segments
  std::uint32_t threads_ = 1;
  std::vector<StageTimes> times_;
  std::vector<ErrorSums> errors_;  // per tensor
  std::uint64_t plane_bytes_ = 0;
};

}  // namespace

Report compress(const Network& network, const Config& config, const std::filesystem::path& output,
                const RunOptions& options) {
  Report report = Compression(network, config, options).run(output);
  report.command = "compress";
  report.input = network.path().string();
  report.output = output.string();
  report.config_json = to_json(config);
  return report;
}

}  // namespace weft
