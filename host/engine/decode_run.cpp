#include "engine/decode_run.hpp"

#include <fmt/format.h>

#include <memory>

#include "archive/index.hpp"
#include "backends/backend.hpp"
#include "engine/plan.hpp"
#include "engine/view.hpp"
#include "engine/workers.hpp"
#include "weft/error.hpp"

namespace weft::engine {
namespace {

std::uint64_t task_bytes(const Index& index, const DecodeTask& task) {
  return task.units * static_cast<std::uint64_t>(unit_bytes(index.streams[task.stream].dtype));
}

// A task is at most this long, however long a (hostile) archive makes its segments.
constexpr std::uint64_t kTaskUnits = 1u << 20;

// Appends tasks for blocks [first, end) of a segment.
void add_tasks(const Index& index, std::size_t s, std::size_t segment, std::uint32_t first, std::uint32_t end,
               std::vector<DecodeTask>& tasks) {
  const StreamRecord& stream = index.streams[s];
  const SegmentRecord& record = index.segments[segment];
  auto step = static_cast<std::uint32_t>(std::max<std::uint64_t>(1, kTaskUnits >> stream.block_log2));
  if (has_view(stream) && first < end) first = 0, end = step = record.block_count;  // reordered whole
  for (; first < end; first += step) {
    const std::uint32_t count = std::min(step, end - first);
    const std::uint64_t begin_unit = std::uint64_t{first} << stream.block_log2;
    const std::uint64_t end_unit = std::min(record.units, std::uint64_t{first + count} << stream.block_log2);
    tasks.push_back({s, segment, first, count, record.first_unit + begin_unit, end_unit - begin_unit});
  }
}

// Whose data a block holds, for messages.
std::string owner_of(const Index& index, std::size_t s, std::uint64_t unit) {
  const StreamRecord& stream = index.streams[s];
  for (const std::size_t tensor : stream.members) {
    const TensorPlace& place = index.places[tensor];
    if (unit >= place.first_unit && unit < place.first_unit + place.units)
      return fmt::format("tensor {}", index.tensors[tensor].name);
  }
  for (std::size_t f = 0; f < index.files.size(); f++)
    if (index.files[f].kind == FileInfo::Kind::kAsset && index.asset_streams[f] == s)
      return fmt::format("file {}", index.files[f].name);
  return "an unused part";
}

// One worker: memory that is reused from task to task.
class Decoder {
 public:
  Decoder(const Archive& archive, const Backend& backend) : archive_(archive), coder_(backend.make_coder()) {}

  std::span<const std::byte> decode(const DecodeTask& task, StageTimes& times) {
    const Index& index = archive_.index();
    const StreamRecord& stream = index.streams[task.stream];
    const SegmentRecord& segment = index.segments[task.segment];
    const std::span blocks(index.blocks.data() + segment.first_block + task.first_block, task.block_count);
    const std::uint64_t begin = blocks.front().offset, end = blocks.back().offset + blocks.back().size;
    stored_.resize(end - begin);
    times.time(Stage::kRead, stored_.size(), [&] { archive_.read(begin, stored_); });
    views_.clear();
    for (const BlockRecord& block : blocks)
      views_.push_back(std::span(stored_).subspan(block.offset - begin, block.size));
    units_.resize(task_bytes(index, task));
    times.time(Stage::kDecode, units_.size(), [&] {
      const auto fault = coder_->decode(segment_view(index, stream, segment), task.first_block, views_, units_);
      if (fault) throw Error(ErrorKind::kArchive, describe(task, *fault));
    });
    if (!has_view(stream)) return units_;
    memory_order_.resize(units_.size());
    to_memory_order(stream, units_, memory_order_);
    return memory_order_;
  }

 private:
  [[nodiscard]] std::string describe(const DecodeTask& task, const BlockFault& fault) const {
    const Index& index = archive_.index();
    const StreamRecord& stream = index.streams[task.stream];
    const SegmentRecord& segment = index.segments[task.segment];
    const std::uint64_t unit = segment.first_unit + (std::uint64_t{fault.block} << stream.block_log2);
    return fmt::format("{}: {}, block {} at byte {}: {}; the archive is damaged, get an intact copy",
                       archive_.path().string(), owner_of(index, task.stream, unit), segment.first_block + fault.block,
                       index.blocks[segment.first_block + fault.block].offset, fault.reason);
  }

  const Archive& archive_;
  std::unique_ptr<SegmentCoder> coder_;
  std::vector<std::byte> stored_, units_, memory_order_;
  std::vector<std::span<const std::byte>> views_;
};

}  // namespace

std::vector<DecodeTask> all_tasks(const Index& index) {
  std::vector<DecodeTask> tasks;
  for (std::size_t s = 0; s < index.streams.size(); s++) {
    const StreamRecord& stream = index.streams[s];
    for (std::size_t i = 0; i < stream.segment_count; i++) {
      const std::size_t segment = stream.first_segment + i;
      add_tasks(index, s, segment, 0, index.segments[segment].block_count, tasks);
    }
  }
  return tasks;
}

std::vector<DecodeTask> tasks_for(const Index& index, const std::vector<bool>& chosen) {
  std::vector<DecodeTask> tasks;
  for (std::size_t s = 0; s < index.streams.size(); s++) {
    const StreamRecord& stream = index.streams[s];
    for (std::size_t i = 0; i < stream.segment_count; i++) {
      const std::size_t segment = stream.first_segment + i;
      const SegmentRecord& record = index.segments[segment];
      std::vector<bool> wanted(record.block_count);
      for_members(index, stream, record.first_unit, record.units,
                  [&](std::size_t tensor, std::uint64_t, std::uint64_t at, std::uint64_t units) {
                    if (!chosen[tensor]) return;
                    for (auto b = at >> stream.block_log2; b <= (at + units - 1) >> stream.block_log2; b++)
                      wanted[b] = true;
                  });
      for (std::uint32_t b = 0; b < record.block_count;) {
        std::uint32_t end = b;
        while (end < record.block_count && wanted[end]) end++;
        add_tasks(index, s, segment, b, end, tasks);
        b = end + 1;
      }
    }
  }
  return tasks;
}

void decode_all(const Archive& archive, const std::vector<DecodeTask>& tasks, const RunOptions& options,
                std::vector<StageTimes>& times, std::string& device, const UnitSink& sink) {
  const Index& index = archive.index();
  const std::unique_ptr<Backend> backend = make_cpu_backend();
  device = backend->name();
  std::uint64_t largest = 0;
  for (const DecodeTask& task : tasks)
    largest = std::max(largest, decode_bytes(index.streams[task.stream], task.units));
  const std::uint32_t threads = thread_count(options.threads, options.memory_limit, largest);
  times.resize(threads);
  std::uint64_t total_bytes = 0;
  for (const DecodeTask& task : tasks) total_bytes += task_bytes(index, task);
  ProgressMeter progress(options, total_bytes);
  std::vector<std::unique_ptr<Decoder>> decoders(threads);
  run_parallel(threads, tasks.size(), options.cancel, [&](std::uint32_t worker, std::size_t t) {
    if (!decoders[worker]) decoders[worker] = std::make_unique<Decoder>(archive, *backend);
    const DecodeTask& task = tasks[t];
    sink(task, decoders[worker]->decode(task, times[worker]), times[worker]);
    const auto& members = index.streams[task.stream].members;
    progress.add(task_bytes(index, task), members.empty() ? "" : index.tensors[members.front()].name);
  });
}

}  // namespace weft::engine
