#include <cmath>
#include <nlohmann/json.hpp>

#include "report/figures.hpp"
#include "weft/report.hpp"
#include "weft/version.hpp"

namespace weft {
namespace {

using Json = nlohmann::ordered_json;

Json number(const std::optional<double>& value) { return value && std::isfinite(*value) ? Json(*value) : Json(); }

void add_figures(const report::Sums& sums, Json& object) {
  object["elements"] = sums.elements;
  object["bytes_in"] = sums.original;
  object["bytes_out"] = sums.compressed;
  object["ratio"] = number(report::ratio(sums));
  object["bits_per_weight"] = number(report::bits_per_weight(sums));
  object["mse"] = number(report::mse(sums));
  object["sqnr_db"] = number(report::sqnr_db(sums));
  object["max_abs_error"] = number(report::max_abs_error(sums));
}

template <class T>
Json count(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json codebook_json(const CodebookReport& codebook) {
  return {{"clusters", codebook.clusters},       {"centroid_dtype", codebook.centroid_dtype},
          {"dimension", codebook.dimension},     {"books", codebook.books},
          {"tensors", codebook.tensors},         {"index_bits_per_weight", codebook.index_bits_per_weight},
          {"inertia", number(codebook.inertia)}, {"iterations", count(codebook.iterations)},
          {"dead", count(codebook.dead)}};
}

Json trellis_json(const TrellisReport& trellis) {
  return {{"states", trellis.states}, {"labelling", trellis.labelling}, {"model", trellis.model},
          {"view", trellis.view},     {"scales", trellis.scales},       {"period", trellis.period},
          {"offset", trellis.offset}, {"shape", trellis.shape}};
}

Json prune_json(std::uint64_t zeros, std::uint64_t pruned, std::uint64_t elements) {
  return {{"pruned", pruned},
          {"zeros", zeros},
          {"sparsity", elements > 0 ? Json(static_cast<double>(zeros) / static_cast<double>(elements)) : Json()}};
}

Json tensor_json(const TensorReport& tensor, const Report& report) {
  Json object{{"name", tensor.name}, {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"codec", tensor.codec}};
  object["step"] = number(tensor.step);
  if (tensor.trellis) object["trellis"] = trellis_json(*tensor.trellis);
  if (tensor.codebook) object["codebook"] = codebook_json(*tensor.codebook);
  if (!tensor.scales.empty()) object["model"] = "scaled", object["scales"] = tensor.scales;
  if (tensor.prune) object["prune"] = prune_json(tensor.prune->zeros, tensor.prune->pruned, tensor.elements);
  object["note"] = tensor.note.empty() ? Json() : Json(tensor.note);
  add_figures(report::sums_of(tensor, report), object);
  return object;
}

// The config comes from to_json(Config). If it is not JSON all the same, the text itself is better than no report.
Json config_json(const std::string& text) {
  if (text.empty()) return nullptr;
  Json config = Json::parse(text, nullptr, false);
  return config.is_discarded() ? Json(text) : config;
}

}  // namespace

std::string to_json(const Report& report) {
  Json root{{"version", version_string()},  {"command", report.command}, {"input", report.input},
            {"output", report.output},      {"device", report.device},   {"threads", report.threads},
            {"estimated", report.estimated}};
  root["config"] = config_json(report.config_json);
  Json& totals = root["totals"] = {{"tensors", report.tensors.size()}};
  add_figures(report::total_of(report), totals);
  totals["asset_bytes_out"] = report.asset_bytes_out;
  totals["bytes_outside_blocks"] = report::bytes_outside_blocks(report);
  if (const report::PruneSums sums = report::prunes_of(report); sums.tensors > 0) {
    totals["prune"] = prune_json(sums.zeros, sums.pruned, sums.elements);
    totals["prune"]["tensors"] = sums.tensors;
  }
  if (report.target)
    root["target"] = {{"name", report.target->name},
                      {"wanted", report.target->wanted},
                      {"reached", number(report.target->reached)},
                      {"step", number(report.target->step)},
                      {"relative_step", number(report.target->relative_step)},
                      {"iterations", report.target->iterations},
                      {"encodes", report.target->encodes}};
  root["overhead_bytes"] = report.overhead_bytes > 0 ? Json(report.overhead_bytes) : Json();
  Json stages = Json::array(), tensors = Json::array();
  for (const StageReport& stage : report.stages)
    stages.push_back({{"name", stage.name},
                      {"seconds", number(stage.seconds)},
                      {"bytes", stage.bytes},
                      {"gb_per_s", number(report::gb_per_s(stage))}});
  for (const TensorReport& tensor : report.tensors) tensors.push_back(tensor_json(tensor, report));
  root["stages"] = std::move(stages);
  root["wall_seconds"] = number(report.wall_seconds);
  root["overlap"] = number(report.overlap);
  root["peak_host_bytes"] = report.peak_host_bytes;
  root["peak_device_bytes"] = report.peak_device_bytes;
  root["warnings"] = report.warnings;
  root["tensors"] = std::move(tensors);
  return root.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace weft
