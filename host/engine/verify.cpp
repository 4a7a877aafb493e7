// Verification: decode everything, and compare with the original network where there is one.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "engine/decode_run.hpp"
#include "engine/error_meter.hpp"
#include "engine/plan.hpp"
#include "engine/pruning.hpp"
#include "engine/run_report.hpp"
#include "weft/engine.hpp"
#include "weft/error.hpp"

namespace weft {
namespace {

using namespace engine;

// The original's counterpart of every tensor and asset of the archive.
struct Counterparts {
  std::vector<std::size_t> tensors;
  std::vector<std::size_t> file_of_stream;
};

[[noreturn]] void differ(const Archive& archive, const Network& original, const std::string& what) {
  throw Error(ErrorKind::kVerify,
              fmt::format("{} is not an archive of {}: {}", archive.path().string(), original.path().string(), what));
}

void compare_tensor(const Archive& archive, const Network& original, const TensorInfo& mine, const TensorInfo& theirs) {
  if (mine.dtype != theirs.dtype)
    differ(archive, original,
           fmt::format("tensor {} is {} in the archive and {} in the original", mine.name, name_of(mine.dtype),
                       name_of(theirs.dtype)));
  if (mine.shape != theirs.shape)
    differ(archive, original,
           fmt::format("tensor {} has shape [{}] in the archive and [{}] in the original", mine.name,
                       fmt::join(mine.shape, ", "), fmt::join(theirs.shape, ", ")));
}

Counterparts match(const Archive& archive, const Network& original) {
  const Index& index = archive.index();
  Counterparts counterparts;
  std::unordered_map<std::string_view, std::size_t> names;
  for (std::size_t t = 0; t < original.tensors().size(); t++) names[original.tensors()[t].name] = t;
  for (const TensorInfo& tensor : index.tensors) {
    const auto found = names.find(tensor.name);
    if (found == names.end()) differ(archive, original, fmt::format("the original has no tensor {}", tensor.name));
    compare_tensor(archive, original, tensor, original.tensors()[found->second]);
    counterparts.tensors.push_back(found->second);
    names.erase(found);
  }
  if (!names.empty())
    differ(archive, original,
           fmt::format("the archive lacks {} tensors, such as {}", names.size(), names.begin()->first));
  counterparts.file_of_stream.resize(index.streams.size());
  const auto& files = original.files();
  for (std::size_t f = 0; f < index.files.size(); f++) {
    if (!index.is_folder) break;  // a single file may have another name today
    const FileInfo& mine = index.files[f];
    const auto theirs =
        std::find_if(files.begin(), files.end(), [&](const auto& file) { return file.name == mine.name; });
    if (theirs == files.end()) differ(archive, original, fmt::format("the original has no file {}", mine.name));
    if (theirs->kind != mine.kind || theirs->bytes != mine.bytes || theirs->header != mine.header)
      differ(archive, original, fmt::format("file {} is another one in the original", mine.name));
    if (mine.kind == FileInfo::Kind::kAsset)
      counterparts.file_of_stream[index.asset_streams[f]] = static_cast<std::size_t>(theirs - files.begin());
  }
  for (const FileInfo& theirs : files) {
    if (!index.is_folder) break;
    const auto same_name = [&](const auto& file) { return file.name == theirs.name; };
    if (std::none_of(index.files.begin(), index.files.end(), same_name))
      differ(archive, original, fmt::format("the archive lacks file {}", theirs.name));
  }
  if (!index.is_folder && !files.empty() && !original.is_folder() && files[0].header != index.files[0].header)
    differ(archive, original, "the headers of the safetensors files differ");
  return counterparts;
}

class Comparison {
 public:
  Comparison(const Archive& archive, const Network& original, bool pruned)
      : archive_(archive), original_(original), pruned_(pruned), counterparts_(match(archive, original)) {}

  // Called by many threads.
  void compare(const DecodeTask& task, std::span<const std::byte> units, StageTimes& times) {
    const Index& index = archive_.index();
    const StreamRecord& stream = index.streams[task.stream];
    std::vector<std::byte> expected;
    if (stream.codec == CodecId::kAsset) {
      const std::size_t file = counterparts_.file_of_stream[task.stream];
      expected.resize(units.size());
      times.time(Stage::kRead, units.size(), [&] { original_.read_file(file, task.first_unit, expected); });
      if (!std::equal(units.begin(), units.end(), expected.begin()))
        differ(archive_, original_,
               fmt::format("file {} has other bytes in the original", original_.files()[file].name));
      return;
    }
    const auto unit = static_cast<std::uint64_t>(unit_bytes(stream.dtype));
    for_members(index, stream, task.first_unit, task.units,
                [&](std::size_t tensor, std::uint64_t at, std::uint64_t from, std::uint64_t n) {
                  expected.resize(n * unit);
                  times.time(Stage::kRead, expected.size(),
                             [&] { original_.read_tensor(counterparts_.tensors[tensor], at * unit, expected); });
                  const auto restored = units.subspan(from * unit, n * unit);
                  const ErrorSums sums = times.time(Stage::kVerify, expected.size(),
                                                    [&] { return measure_error(stream.dtype, expected, restored); });
                  check(tensor, stream.codec, sums, expected, restored);
                  const std::lock_guard lock(mutex_);
                  parts_[{tensor, at}] = sums;
                });
  }

  void add_errors(std::vector<TensorReport>& reports) const {
    std::vector<ErrorSums> sums(reports.size());
    for (const auto& [place, part] : parts_) sums[place.first].add(part);  // ascending: a fixed order
    for (std::size_t t = 0; t < reports.size(); t++) {
      set_errors(reports[t], sums[t]);
      // No codec errs by more than the weights' own energy; weights of another network differ by twice that.
      constexpr double kMost = 1.5;
      if (sums[t].squared_error > kMost * sums[t].squares)
        differ(archive_, original_,
               fmt::format("tensor {} is further from the original ({:.2f} dB) than no weights at all", reports[t].name,
                           10 * std::log10(sums[t].squares / sums[t].squared_error)));
    }
  }

 private:
  void check(std::size_t tensor, CodecId codec, const ErrorSums& sums, std::span<const std::byte> expected,
             std::span<const std::byte> restored) const {
    const TensorInfo& info = archive_.index().tensors[tensor];
    const std::string& name = info.name;
    if (!is_lossy(codec) && !sums.exact) {
      const bool may_be_pruned = is_same_but_for_zeros(info.dtype, expected, restored);
      if (!may_be_pruned)
        differ(archive_, original_, fmt::format("tensor {} is stored losslessly, but its values differ", name));
      if (!pruned_)
        differ(archive_, original_,
               fmt::format("tensor {} is stored losslessly, but has zeros where the original has other values; that is "
                           "what pruning does: if it is meant, allow it (--pruned)",
                           name));
    }
    if (!sums.keeps_non_finite)
      differ(archive_, original_, fmt::format("tensor {}: values that are not finite differ", name));
  }

  const Archive& archive_;
  const Network& original_;
  bool pruned_;
  Counterparts counterparts_;
  std::mutex mutex_;
  std::map<std::pair<std::size_t, std::uint64_t>, ErrorSums> parts_;
};

}  // namespace

Report verify(const Archive& archive, const Network* against, const RunOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  const Index& index = archive.index();
  std::optional<Comparison> comparison;
  if (against != nullptr) comparison.emplace(archive, *against, options.pruned);
  Report report;
  std::vector<StageTimes> times;
  const std::unique_ptr<Backend> backend = make_backend(options.device, options.device_memory);
  decode_all(archive, *backend, all_tasks(index), options, times,
             [&](const DecodeTask& task, std::span<const std::byte> units, StageTimes& worker_times) {
               if (comparison) comparison->compare(task, units, worker_times);
             });
  report.command = "verify";
  report.input = archive.path().string();
  report.tensors = describe_tensors(index, all_tensors(index));
  report.errors_measured = comparison.has_value();
  if (comparison) comparison->add_errors(report.tensors);
  report.bytes_out = archive.file_bytes();
  report.asset_bytes_out = asset_bytes(index);
  for (const auto& file : index.files) report.bytes_in += file.bytes;
  finish_report(report, begin, times, *backend);
  return report;
}

}  // namespace weft
