#include "sweep/point.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <system_error>

#include "report/figures.hpp"

namespace weft::sweep {
namespace {

bool is_concerned(const Config& config, const TensorInfo& tensor, const TensorReport& report) {
  const CodecSpec spec = spec_for(config, tensor.name, tensor.dtype, tensor.elements, tensor.shape.size());
  const bool is_lossy = spec.codec != CodecId::kRaw && spec.codec != CodecId::kLossless;
  return is_lossy && is_quantizable(tensor.dtype) && report.sum_squares > 0;
}

std::uint64_t asset_bytes(const Index& index) {
  std::uint64_t bytes = 0;
  for (const StreamRecord& stream : index.streams)
    for (std::size_t i = 0; stream.codec == CodecId::kAsset && i < stream.segment_count; i++) {
      const SegmentRecord& segment = index.segments[stream.first_segment + i];
      for (std::uint32_t b = 0; b < segment.block_count; b++) bytes += index.blocks[segment.first_block + b].size;
    }
  return bytes;
}

// Millions of weights per second of the stages' time, which is summed over threads.
double speed(const Report& report, std::initializer_list<std::string_view> stages) {
  double seconds = 0, weights = 0;
  for (const StageReport& stage : report.stages)
    for (const std::string_view name : stages)
      if (stage.name == name) seconds += stage.seconds;
  for (const TensorReport& tensor : report.tensors) weights += static_cast<double>(tensor.elements);
  return seconds > 0 ? weights / seconds / 1e6 : 0;
}

// Removes the archive however the measurement ends.
struct Removal {
  const std::filesystem::path& path;
  ~Removal() {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
  }
};

}  // namespace

PointFigures measure_point(const Network& network, const Config& config, const std::filesystem::path& work,
                           const RunOptions& options) {
  const Removal removal{work};
  RunOptions run = options;
  run.overwrite = true;
  run.verify = false;  // verify() follows
  run.pruned = std::any_of(config.rules.begin(), config.rules.end(),
                           [](const Rule& rule) { return rule.spec.prune.has_value(); });
  const Report compressed = compress(network, config, work, run);
  const Archive archive = Archive::open(work);
  const Report checked = verify(archive, &network, run);

  PointFigures figures;
  figures.archive_bytes = archive.file_bytes();
  std::uint64_t rate_bytes = archive.file_bytes() - asset_bytes(archive.index());
  double error = 0;
  for (std::size_t t = 0; t < checked.tensors.size(); t++) {
    const TensorReport& tensor = checked.tensors[t];
    if (!is_concerned(config, network.tensors()[t], tensor)) {
      rate_bytes -= tensor.bytes_out;
      continue;
    }
    figures.weights += tensor.elements;
    error += static_cast<double>(tensor.elements) * tensor.sum_squared_error / tensor.sum_squares;
  }
  if (figures.weights > 0) {
    const auto weights = static_cast<double>(figures.weights);
    figures.bits_per_weight = 8 * static_cast<double>(rate_bytes) / weights;
    figures.normalised_mse = error / weights;
    if (figures.normalised_mse > 0) figures.sqnr_db = -10 * std::log10(figures.normalised_mse);
  }
  const report::Sums total = report::total_of(checked);
  figures.archive_bits_per_weight = report::bits_per_weight(total);
  figures.archive_sqnr_db = report::sqnr_db(total);
  figures.ratio = report::ratio(total);
  figures.encode_mw_s = speed(compressed, {"quantize", "encode"});
  figures.decode_mw_s = speed(checked, {"decode"});
  figures.compress_seconds = compressed.wall_seconds;
  figures.verify_seconds = checked.wall_seconds;
  return figures;
}

nlohmann::ordered_json to_json(const PointFigures& figures) {
  using Json = nlohmann::ordered_json;
  const auto number = [](const std::optional<double>& value) { return value ? Json(*value) : Json(); };
  Json json;
  json["weights"] = figures.weights;
  json["bits_per_weight"] = figures.bits_per_weight;
  json["normalised_mse"] = figures.normalised_mse;
  json["sqnr_db"] = number(figures.sqnr_db);
  json["archive_bytes"] = figures.archive_bytes;
  json["archive_bits_per_weight"] = number(figures.archive_bits_per_weight);
  json["archive_sqnr_db"] = number(figures.archive_sqnr_db);
  json["ratio"] = number(figures.ratio);
  json["encode_Mw_s"] = figures.encode_mw_s;
  json["decode_Mw_s"] = figures.decode_mw_s;
  json["compress_seconds"] = figures.compress_seconds;
  json["verify_seconds"] = figures.verify_seconds;
  return json;
}

}  // namespace weft::sweep
