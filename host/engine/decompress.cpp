// Decompression: every task's units go straight to their place in the output, on whichever thread decoded them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "engine/decode_run.hpp"
#include "engine/plan.hpp"
#include "engine/run_report.hpp"
#include "formats/safetensors.hpp"
#include "io/file.hpp"
#include "weft/engine.hpp"
#include "weft/error.hpp"

namespace weft {
namespace {

using namespace engine;

constexpr std::size_t kNowhere = SIZE_MAX;

// Where decoded tensors and assets are written.
struct Output {
  std::vector<io::AtomicFile*> files;           // the files under construction
  std::vector<std::size_t> file_of_tensor;      // kNowhere: not wanted
  std::vector<std::uint64_t> offset_of_tensor;  // in its file
  std::vector<std::size_t> file_of_stream;      // for asset streams
  std::uint64_t bytes = 0, header_bytes = 0;    // all of it, and what is there before anything is decoded
};

// Writes length and header, and returns the offset of the data.
std::uint64_t write_header(io::AtomicFile& file, const std::string& header) {
  std::array<std::byte, 8> length;
  const std::uint64_t size = header.size();
  std::memcpy(length.data(), &size, sizeof size);
  file.write_at(0, length);
  file.write_at(length.size(), std::as_bytes(std::span(header)));
  return length.size() + size;
}

void place_tensor(const Index& index, std::size_t tensor, std::size_t file, std::uint64_t& at, Output& output) {
  output.file_of_tensor[tensor] = file;
  output.offset_of_tensor[tensor] = at;
  at += index.tensors[tensor].bytes;
}

Output empty_output(const Index& index) {
  Output output;
  output.file_of_tensor.assign(index.tensors.size(), kNowhere);
  output.offset_of_tensor.assign(index.tensors.size(), 0);
  output.file_of_stream.assign(index.streams.size(), kNowhere);
  return output;
}

// The whole network, as the files it came from.
Output place_all(const Index& index, std::vector<io::AtomicFile*> files) {
  Output output = empty_output(index);
  output.files = std::move(files);
  for (std::size_t f = 0; f < index.files.size(); f++) {
    const FileInfo& file = index.files[f];
    output.bytes += file.bytes;
    if (file.kind == FileInfo::Kind::kAsset) {
      output.file_of_stream[index.asset_streams[f]] = f;
    } else {
      std::uint64_t at = write_header(*output.files[f], file.header);
      output.header_bytes += at;
      for (std::size_t i = 0; i < file.tensor_count; i++) place_tensor(index, file.first_tensor + i, f, at, output);
    }
  }
  return output;
}

// The file that a tensor was in.
const FileInfo& file_of(const Index& index, std::size_t tensor) {
  return *std::find_if(index.files.begin(), index.files.end(), [&](const FileInfo& file) {
    return file.kind == FileInfo::Kind::kSafetensors && tensor - file.first_tensor < file.tensor_count;
  });
}

// Some tensors, as one safetensors file with a header of its own, and the metadata of the first one's file.
Output place_chosen(const Index& index, const std::vector<std::size_t>& chosen, io::AtomicFile& file) {
  Output output = empty_output(index);
  output.files = {&file};
  std::vector<TensorInfo> tensors;
  tensors.reserve(chosen.size());
  for (const std::size_t t : chosen) tensors.push_back(index.tensors[t]);
  const FileInfo& source = file_of(index, chosen.front());
  std::uint64_t at = write_header(file, formats::canonical_header(tensors, source.metadata, source.has_metadata));
  output.header_bytes = at;
  for (const std::size_t t : chosen) place_tensor(index, t, 0, at, output);
  output.bytes = at;
  return output;
}

// What is wanted of the units; returns its bytes.
std::uint64_t write_units(const Index& index, const Output& output, const DecodeTask& task,
                          std::span<const std::byte> units) {
  const StreamRecord& stream = index.streams[task.stream];
  if (stream.codec == CodecId::kAsset) {
    output.files[output.file_of_stream[task.stream]]->write_at(task.first_unit, units);
    return units.size();
  }
  const auto unit = static_cast<std::uint64_t>(unit_bytes(stream.dtype));
  std::uint64_t bytes = 0;
  for_members(index, stream, task.first_unit, task.units,
              [&](std::size_t tensor, std::uint64_t at, std::uint64_t from, std::uint64_t n) {
                if (output.file_of_tensor[tensor] == kNowhere) return;
                const auto part = units.subspan(from * unit, n * unit);
                output.files[output.file_of_tensor[tensor]]->write_at(output.offset_of_tensor[tensor] + at * unit,
                                                                      part);
                bytes += part.size();
              });
  return bytes;
}

std::vector<std::size_t> matching_tensors(const Archive& archive, const std::vector<std::string>& globs) {
  const Index& index = archive.index();
  std::vector<std::size_t> chosen;
  for (const std::string& glob : globs) {
    const auto matches = [&](const TensorInfo& tensor) { return glob_match(glob, tensor.name); };
    if (std::none_of(index.tensors.begin(), index.tensors.end(), matches))
      throw Error(ErrorKind::kUsage, fmt::format("{}: no tensor matches '{}'; `weft inspect` lists the names",
                                                 archive.path().string(), glob));
  }
  for (std::size_t t = 0; t < index.tensors.size(); t++)
    if (std::any_of(globs.begin(), globs.end(),
                    [&](const auto& glob) { return glob_match(glob, index.tensors[t].name); }))
      chosen.push_back(t);
  return chosen;
}

class Decompression {
 public:
  Decompression(const Archive& archive, const RunOptions& options) : archive_(archive), options_(options) {}

  Report whole_file(const std::filesystem::path& path) {
    io::AtomicFile file(path, options_.overwrite, mode_);
    run(place_all(index(), {&file}), all_tasks(index()), [&] { file.commit(); });
    return report(all_tensors(index()));
  }
  Report whole_folder(const std::filesystem::path& path) {
    io::AtomicFolder folder(path, options_.overwrite, mode_);
    std::vector<io::AtomicFile*> files;
    for (const auto& file : index().files) files.push_back(&folder.add_file(file.name));
    run(place_all(index(), std::move(files)), all_tasks(index()), [&] { folder.commit(); });
    return report(all_tensors(index()));
  }
  Report some_tensors(const std::filesystem::path& path, const std::vector<std::string>& globs) {
    const std::vector<std::size_t> chosen = matching_tensors(archive_, globs);
    std::vector<bool> flags(index().tensors.size());
    for (const std::size_t t : chosen) flags[t] = true;
    io::AtomicFile file(path, options_.overwrite, mode_);
    run(place_chosen(index(), chosen, file), tasks_for(index(), flags), [&] { file.commit(); });
    return report(chosen);
  }

 private:
  [[nodiscard]] const Index& index() const { return archive_.index(); }

  template <class Commit>
  void run(const Output& output, const std::vector<DecodeTask>& tasks, Commit commit) {
    decode_all(archive_, *backend_, tasks, options_, times_,
               [&](const DecodeTask& task, std::span<const std::byte> units, StageTimes& times) {
                 times.add(Stage::kWrite, 0,
                           times.time(Stage::kWrite, 0, [&] { return write_units(index(), output, task, units); }));
               });
    times_[0].time(Stage::kWrite, output.header_bytes, commit);
    restored_bytes_ = output.bytes;
  }

  [[nodiscard]] Report report(const std::vector<std::size_t>& tensors) const {
    Report report;
    report.tensors = describe_tensors(index(), tensors);
    report.errors_measured = false;  // there is no original to compare with
    report.bytes_in = restored_bytes_;
    if (tensors.size() == index().tensors.size()) {
      report.bytes_out = archive_.file_bytes();
      report.asset_bytes_out = asset_bytes(index());
    } else {
      for (const TensorReport& tensor : report.tensors) report.bytes_out += tensor.bytes_out;
    }
    finish_report(report, begin_, times_, *backend_);
    return report;
  }

  const Archive& archive_;
  const RunOptions& options_;
  mode_t mode_ = io::common_permissions(std::array{archive_.path()});
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::vector<StageTimes> times_;
  std::unique_ptr<Backend> backend_ = make_backend(options_.device, options_.device_memory);
  std::uint64_t restored_bytes_ = 0;
};

}  // namespace

Report decompress(const Archive& archive, const std::filesystem::path& output, const std::vector<std::string>& globs,
                  const RunOptions& options) {
  Decompression run(archive, options);
  Report report = !globs.empty()              ? run.some_tensors(output, globs)
                  : archive.index().is_folder ? run.whole_folder(output)
                                              : run.whole_file(output);
  report.command = "decompress";
  report.input = archive.path().string();
  report.output = output.string();
  return report;
}

}  // namespace weft
