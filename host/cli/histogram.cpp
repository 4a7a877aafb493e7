#include "cli/histogram.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "backends/backend.hpp"
#include "cli/console.hpp"
#include "config/suggest.hpp"
#include "engine/decode_run.hpp"
#include "engine/plan.hpp"
#include "engine/values.hpp"
#include "io/file.hpp"
#include "report/histogram.hpp"
#include "text/utf8.hpp"
#include "weft/archive.hpp"
#include "weft/error.hpp"

namespace weft::cli {
namespace {

constexpr std::size_t kTerminalBars = 72, kSvgBars = 180;
constexpr std::uint64_t kRun = 1u << 18;  // units that are read at once

std::size_t find_tensor(const std::filesystem::path& input, const std::vector<TensorInfo>& tensors,
                        const std::string& name) {
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  for (const TensorInfo& tensor : tensors) names.push_back(tensor.name);
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end())
    throw Error(ErrorKind::kUsage, fmt::format("--histogram: {} has no tensor {}{}", input.string(),
                                               text::printable(name), config::did_you_mean(name, names)));
  const TensorInfo& tensor = tensors[static_cast<std::size_t>(found - names.begin())];
  if (!is_quantizable(tensor.dtype))
    throw Error(ErrorKind::kUsage, fmt::format("--histogram: tensor {}: expected F16, BF16, F32 or F64; found {}",
                                               text::printable(name), name_of(tensor.dtype)));
  return static_cast<std::size_t>(found - names.begin());
}

report::Histogram of_network(const Network& network, std::size_t t, std::size_t bars) {
  const TensorInfo& tensor = network.tensors()[t];
  const auto unit = static_cast<std::uint64_t>(unit_bytes(tensor.dtype));
  const report::ValueWalk walk = [&](const auto& f) {
    std::vector<std::byte> units;
    for (std::uint64_t first = 0; first < tensor.elements; first += kRun) {
      units.resize(std::min(kRun, tensor.elements - first) * unit);
      network.read_tensor(t, first * unit, units);
      engine::for_values(tensor.dtype, units, [&](std::size_t, std::span<const double> values) { f(values); });
    }
  };
  return report::make_histogram(walk, bars, {});
}

report::Histogram of_archive(const Archive& archive, std::size_t t, std::size_t bars) {
  const Index& index = archive.index();
  const StreamRecord& stream = index.streams[index.places[t].stream];
  const auto unit = static_cast<std::uint64_t>(unit_bytes(stream.dtype));
  std::vector<bool> chosen(index.tensors.size());
  chosen[t] = true;
  RunOptions options;
  options.threads = 1;  // runs come one after the other
  options.device = "cpu";
  const std::unique_ptr<Backend> backend = make_backend(options.device, 0);
  const report::ValueWalk walk = [&](const auto& f) {
    std::vector<engine::StageTimes> times;
    engine::decode_all(archive, *backend, engine::tasks_for(index, chosen), options, times,
                       [&](const engine::DecodeTask& task, std::span<const std::byte> units, engine::StageTimes&) {
                         engine::for_members(index, stream, task.first_unit, task.units,
                                             [&](std::size_t tensor, std::uint64_t, std::uint64_t at, std::uint64_t n) {
                                               if (tensor != t) return;
                                               engine::for_values(
                                                   stream.dtype, units.subspan(at * unit, n * unit),
                                                   [&](std::size_t, std::span<const double> values) { f(values); });
                                             });
                       });
  };
  std::vector<double> marks;
  if (stream.codec == CodecId::kCodebook && stream.codebook.dimension == 1)
    for (const std::uint32_t number : stream.codebook.books)
      marks.insert(marks.end(), index.codebooks[number].values.begin(), index.codebooks[number].values.end());
  return report::make_histogram(walk, bars, std::move(marks));
}

}  // namespace

void show_histogram(const std::filesystem::path& input, bool is_archive, const std::string& tensor,
                    const std::filesystem::path& svg, bool overwrite) {
  if (!svg.empty()) io::check_target(svg, overwrite, io::TargetKind::kFile);
  const std::size_t bars = svg.empty() ? kTerminalBars : kSvgBars;
  report::Histogram histogram;
  if (is_archive) {
    const Archive archive = Archive::open(input);
    histogram = of_archive(archive, find_tensor(input, archive.index().tensors, tensor), bars);
  } else {
    const auto network = open_network(input);
    histogram = of_network(*network, find_tensor(input, network->tensors(), tensor), bars);
  }
  if (svg.empty()) return put_data(report::histogram_text(histogram, tensor));
  io::write_text(svg, report::histogram_svg(histogram, tensor), overwrite);
}

}  // namespace weft::cli
