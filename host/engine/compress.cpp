// Compression: plan, choose steps, then read -> encode -> verify -> write, segment by segment on all threads.
//
// Segments pass a turnstile in their order, where tables are numbered and places in the file are given out; everything
// slow, the writing too, happens outside of it.
#include <fmt/format.h>

#include "archive/archive_writer.hpp"
#include "engine/batches.hpp"
#include "engine/codebooks.hpp"
#include "engine/find_prunings.hpp"
#include "engine/limits.hpp"
#include "engine/models.hpp"
#include "engine/plan.hpp"
#include "engine/progress.hpp"
#include "engine/rate_control.hpp"
#include "engine/run_report.hpp"
#include "engine/scales.hpp"
#include "engine/segment_encoder.hpp"
#include "engine/steps.hpp"
#include "engine/table_book.hpp"
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
        [this](std::size_t s) { return encode_bytes(plan_, streams_[s], plan_.index.segments[s].units); });
    threads_ = limit_threads(plan_, options, largest_memory(batches_));
    times_.resize(threads_);
  }

  Report run(const Config& config, const std::filesystem::path& output) {
    const auto begin = std::chrono::steady_clock::now();
    Report report;
    find_prunings(network_, plan_, threads_, options_.memory_limit, options_.cancel, times_);
    if (!config.target) {
      write(output, report, [](const Report&) { return true; });
    } else {
      io::check_target(output, options_.overwrite, io::TargetKind::kFile);
      const Plan plan = plan_;
      RateControl control(network_, config, plan, *backend_, threads_, options_.cancel);
      control.find_steps();
      do {
        plan_ = plan;
        control.set_steps(plan_);
      } while (!write(output, report, [&](const Report& whole) { return control.accept(whole); }));
      control.describe(report);
      times_[0].add(control.times());
    }
    finish_report(report, begin, times_, *backend_);
    return report;
  }

 private:
  // Encodes and writes the plan. Unless the report of that is accepted, nothing is left of it.
  template <class F>
  bool write(const std::filesystem::path& output, Report& report, F accept) {
    io::AtomicFile file(output, options_.overwrite, io::common_permissions(sources_of(network_)));
    const std::vector<bool> all(plan_.index.streams.size(), true);
    choose_models(network_, plan_, all, *backend_, options_.cancel, times_);
    choose_steps(network_, plan_, pieces_for_steps(plan_.index), *backend_, threads_, options_.cancel, times_);
    choose_codebooks(network_, plan_, pieces_for_codebooks(plan_), *backend_, threads_, options_.cancel, times_);
    choose_scales(network_, plan_, all, *backend_, options_.cancel, times_);
    archive::ArchiveWriter writer(file);
    errors_.assign(plan_.index.tensors.size(), {});
    plane_bytes_ = 0;
    encode_segments(writer);
    drop_unused_scales(plan_.index);
    report = {};
    std::uint64_t index_bytes = 0;
    report.bytes_out = times_[0].time(Stage::kWrite, 0, [&] { return writer.finish(plan_.index, index_bytes); });
    fill_in(report);
    if (!accept(report)) return false;
    times_[0].time(Stage::kWrite, 0, [&] { file.commit(); });
    return true;
  }

  void encode_segments(archive::ArchiveWriter& writer) {
    Index& index = plan_.index;
    std::uint64_t total_bytes = 0;
    for (const auto& stream : index.streams)
      total_bytes += stream.units * static_cast<std::uint64_t>(unit_bytes(stream.dtype));
    ProgressMeter progress(options_, total_bytes);
    TableBook book(index);
    Turnstile turnstile;
    std::vector<std::unique_ptr<SegmentEncoder>> encoders(threads_);

    const auto pass = [&](std::uint32_t worker, std::size_t s, const SegmentEncoder::Result& result) {
      const StreamRecord& stream = stream_of(s);
      SegmentRecord& segment = index.segments[s];
      const EncodedSegment& encoded = result.encoded;
      std::uint64_t offset = 0;
      turnstile.pass(s, [&] {
        book.record(segment, encoded);
        std::size_t part = 0;
        for_members(index, stream, segment.first_unit, segment.units,
                    [&](std::size_t tensor, std::uint64_t, std::uint64_t, std::uint64_t) {
                      errors_[tensor].add(result.errors[part++]);
                    });
        plane_bytes_ += encoded.plane_bytes;
        offset = writer.reserve(encoded.bytes.size(), stream.codec, index.blocks[segment.first_block].units);
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
    for (std::size_t t = 0; t < report.tensors.size(); t++) set_errors(report.tensors[t], errors_[t]);
    add_notes(plan_, report.tensors);
    add_prunings(plan_, errors_, report.tensors);
    add_losses(errors_, report.tensors);
    for (const auto& file : network_.files()) report.bytes_in += file.bytes;
    report.asset_bytes_out = asset_bytes(plan_.index);
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
  Report report = Compression(network, config, options).run(config, output);
  report.command = "compress";
  report.input = network.path().string();
  report.output = output.string();
  report.config_json = to_json(config);
  return report;
}

}  // namespace weft
