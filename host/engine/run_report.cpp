#include "engine/run_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <fstream>
#include <numeric>
#include <string>

#include "archive/index.hpp"
#include "archive/trellis_index.hpp"
#include "text/units.hpp"
#include "weft/core/quantize.hpp"

namespace weft::engine {
namespace {

__extension__ using Wide = unsigned __int128;

// A stream's bytes are shared out by units, so that the parts sum to the whole.
std::uint64_t share(std::uint64_t bytes, std::uint64_t units, std::uint64_t end) {
  return static_cast<std::uint64_t>(static_cast<Wide>(bytes) * end / units);
}

CodebookReport describe(const Index& index, const CodebookStream& stream, const std::vector<std::uint64_t>& users) {
  CodebookReport report;
  for (const std::uint32_t number : stream.books)
    report.clusters = std::max<std::uint64_t>(report.clusters, index.codebooks[number].entries());
  report.centroid_dtype = name_of(index.codebooks[stream.books.front()].dtype);
  report.dimension = stream.dimension;
  report.books = stream.books.size();
  report.tensors = stream.books.size() == 1 ? users[stream.books.front()] : 1;
  report.index_bits_per_weight = static_cast<double>(std::bit_width(report.clusters - 1)) / stream.dimension;
  return report;
}

std::vector<std::uint64_t> code_counts(const Scales& scales) {
  std::vector<std::uint64_t> counts;
  for (const ScaleFactor& factor : scales.factors) counts.push_back(factor.codes.size());
  return counts;
}

TrellisReport describe(const TrellisStream& stream) {
  TrellisReport report;
  report.states = 1u << stream.states_log2;
  report.labelling = stream.keeps_zero ? "zero" : "natural";
  report.model = stream.predicts ? "predictive" : stream.factors.empty() ? "order0" : "scaled";
  if (archive::has_view(stream)) report.view.assign(stream.view.begin(), stream.view.end());
  report.scales = code_counts(stream);
  report.period = static_cast<std::uint32_t>(stream.taps.size());
  report.offset = static_cast<double>(stream.offset) * static_cast<double>(stream.fine_step);
  report.shape = stream.shape;
  return report;
}

}  // namespace

std::uint64_t peak_host_bytes() {
  // Not getrusage: its figure survives exec, so a small program would report the size of the one that started it.
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
  return 0;
}

std::vector<std::size_t> all_tensors(const Index& index) {
  std::vector<std::size_t> tensors(index.tensors.size());
  std::iota(tensors.begin(), tensors.end(), std::size_t{0});
  return tensors;
}

std::uint64_t asset_bytes(const Index& index) {
  std::uint64_t bytes = 0;
  for (const StreamRecord& stream : index.streams)
    if (stream.codec == CodecId::kAsset) bytes += archive::block_bytes(index, stream);
  return bytes;
}

std::vector<TensorReport> describe_tensors(const Index& index, const std::vector<std::size_t>& tensors) {
  std::vector<std::uint64_t> stream_bytes;
  for (const StreamRecord& stream : index.streams) stream_bytes.push_back(archive::block_bytes(index, stream));
  std::vector<std::uint64_t> codebook_users(index.codebooks.size());
  for (const StreamRecord& stream : index.streams)
    for (const std::uint32_t number : stream.codebook.books) codebook_users[number]++;
  std::vector<TensorReport> reports;
  reports.reserve(tensors.size());
  for (const std::size_t t : tensors) {
    const TensorInfo& tensor = index.tensors[t];
    const TensorPlace& place = index.places[t];
    const StreamRecord& stream = index.streams[place.stream];
    TensorReport report;
    report.name = tensor.name;
    report.dtype = name_of(tensor.dtype);
    report.shape = tensor.shape;
    report.codec = archive::codec_name(stream);
    report.elements = tensor.elements;
    report.bytes_in = tensor.bytes;
    if (stream.units > 0) {
      const std::uint64_t bytes = stream_bytes[place.stream];
      report.bytes_out =
          share(bytes, stream.units, place.first_unit + place.units) - share(bytes, stream.units, place.first_unit);
    }
    if (stream.codec == CodecId::kUniform)
      report.step = static_cast<double>(stream.uniform.fine_step) * (1 << core::kFineBits);
    if (stream.codec == CodecId::kTrellis) {
      report.step = static_cast<double>(stream.trellis.fine_step) * (2 << core::kFineBits);
      report.trellis = describe(stream.trellis);
    }
    report.scales = code_counts(stream.scales);
    if (stream.codec == CodecId::kCodebook) report.codebook = describe(index, stream.codebook, codebook_users);
    reports.push_back(std::move(report));
  }
  return reports;
}

void set_errors(TensorReport& report, const ErrorSums& sums) {
  report.sum_squared_error = sums.squared_error;
  report.sum_squares = sums.squares;
  report.max_abs_error = sums.largest_error;
}

void add_prunings(const Plan& plan, const std::vector<ErrorSums>& errors, std::vector<TensorReport>& reports) {
  for (std::size_t t = 0; t < reports.size(); t++)
    if (plan.prunings[t].wanted) reports[t].prune = PruneReport{errors[t].zeros, errors[t].pruned};
}

void add_losses(const std::vector<ErrorSums>& errors, std::vector<TensorReport>& reports) {
  constexpr double kLeft = 0.01;
  for (std::size_t t = 0; t < reports.size(); t++) {
    const std::uint64_t before = reports[t].elements - std::min(reports[t].elements, errors[t].zeros_coded);
    const std::uint64_t after = reports[t].elements - std::min(reports[t].elements, errors[t].zeros_restored);
    if (static_cast<double>(after) < kLeft * static_cast<double>(before))
      reports[t].note = fmt::format("quantizing has left {} of {} weights that are not zero: a smaller step keeps more",
                                    text::grouped(after), text::grouped(before));
  }
}

void finish_report(Report& report, std::chrono::steady_clock::time_point begin, const std::vector<StageTimes>& times,
                   const Backend& backend) {
  StageTimes total;
  for (const StageTimes& t : times) total.add(t);
  report.stages = total.report();
  report.threads = static_cast<std::uint32_t>(times.size());
  report.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  report.peak_host_bytes = peak_host_bytes();
  double busy = 0;
  for (const StageReport& stage : report.stages) busy += stage.seconds;
  if (busy > report.wall_seconds) report.overlap = 1 - report.wall_seconds / busy;
  report.device = backend.name();
  report.peak_device_bytes = backend.peak_device_bytes();
  for (std::string& note : backend.notes()) report.warnings.push_back(std::move(note));
}

}  // namespace weft::engine
