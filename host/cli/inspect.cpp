// weft inspect: what is in an archive or a network, without decoding it. The table is the data: standard output.
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <span>
#include <system_error>

#include "archive/framing.hpp"
#include "archive/index.hpp"
#include "archive/trellis_index.hpp"
#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/histogram.hpp"
#include "cli/options.hpp"
#include "cli/words.hpp"
#include "io/file.hpp"
#include "text/table.hpp"
#include "text/units.hpp"
#include "text/utf8.hpp"
#include "weft/archive.hpp"
#include "weft/network.hpp"

namespace weft::cli {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  fs::path input, svg;
  std::string histogram;
  bool json = false, overwrite = false;
};

// How an archive codes a tensor.
struct Coded {
  std::string_view codec;
  std::uint64_t bytes = 0;     // of blocks; a share by units where tensors share a stream
  std::optional<double> step;  // of a cell, in units of the weight
  const CodebookStream* codebook = nullptr;
  std::span<const Codebook> codebooks;  // of the archive
  bool by_class = false;                // codec lossless or codebook with scales
};

std::vector<Coded> coded_tensors(const Index& index) {
  std::vector<std::uint64_t> stream_bytes;
  for (const StreamRecord& stream : index.streams) stream_bytes.push_back(archive::block_bytes(index, stream));
  std::vector<Coded> result;
  for (const TensorPlace& place : index.places) {
    const StreamRecord& stream = index.streams[place.stream];
    Coded coded{archive::codec_name(stream), stream_bytes[place.stream], {}, nullptr, {}};
    if (place.units != stream.units)
      coded.bytes = static_cast<std::uint64_t>(std::llround(
          static_cast<double>(coded.bytes) * static_cast<double>(place.units) / static_cast<double>(stream.units)));
    if (stream.codec == CodecId::kUniform) coded.step = 64.0 * static_cast<double>(stream.uniform.fine_step);
    if (stream.codec == CodecId::kTrellis) coded.step = 128.0 * static_cast<double>(stream.trellis.fine_step);
    if (stream.codec == CodecId::kCodebook) coded.codebook = &stream.codebook;
    coded.codebooks = index.codebooks;
    coded.by_class = !stream.scales.factors.empty();
    result.push_back(coded);
  }
  return result;
}

std::string codec_text(const Coded& coded) {
  const char* model = coded.by_class ? ", scaled" : "";
  if (coded.step) return fmt::format("{}, step {:.4g}", coded.codec, *coded.step);
  if (coded.codebook) {
    const std::vector<std::uint32_t>& numbers = coded.codebook->books;
    const Codebook& book = coded.codebooks[numbers.front()];
    const std::string which = numbers.size() == 1 ? fmt::format("#{}", numbers.front())
                                                  : fmt::format("#{} to #{}", numbers.front(), numbers.back());
    return fmt::format("{} {}, {} x {}{}{}", coded.codec, which, book.entries(),
                       book.dimension > 1 ? fmt::format("{} x ", book.dimension) : "", name_of(book.dtype), model);
  }
  return std::string(coded.codec) + model;
}

double bits_per_weight(std::uint64_t bytes, std::uint64_t elements) {
  return elements == 0 ? 0 : static_cast<double>(bytes) * 8 / static_cast<double>(elements);
}

std::string shape_text(const TensorInfo& tensor) { return fmt::format("[{}]", fmt::join(tensor.shape, ", ")); }

std::uint64_t sum_of_elements(const std::vector<TensorInfo>& tensors) {
  return std::accumulate(tensors.begin(), tensors.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const TensorInfo& t) { return sum + t.elements; });
}

std::uint64_t sum_of_bytes(const std::vector<FileInfo>& files) {
  return std::accumulate(files.begin(), files.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const FileInfo& f) { return sum + f.bytes; });
}

Json json_of(const std::vector<FileInfo>& files) {
  Json list = Json::array();
  for (const FileInfo& file : files) {
    Json entry{{"name", file.name}, {"bytes", file.bytes}};
    entry["kind"] = file.kind == FileInfo::Kind::kSafetensors ? "safetensors" : "asset";
    if (file.kind == FileInfo::Kind::kSafetensors) entry["tensors"] = file.tensor_count;
    if (file.has_metadata) {
      entry["metadata"] = Json::object();
      for (const auto& [key, value] : file.metadata) entry["metadata"][key] = value;
    }
    list.push_back(std::move(entry));
  }
  return list;
}

Json json_of(const TensorInfo& tensor) {
  return {{"name", tensor.name},
          {"dtype", name_of(tensor.dtype)},
          {"shape", tensor.shape},
          {"elements", tensor.elements},
          {"bytes_in", tensor.bytes}};
}

// Centroids are numbers, or lists of them where they are vectors.
Json json_of(const Codebook& book) {
  Json centroids = Json::array();
  for (std::size_t i = 0; i < book.values.size(); i += book.dimension) {
    const std::span values(book.values.data() + i, book.dimension);
    centroids.push_back(book.dimension == 1 ? Json(values[0]) : Json(std::vector<float>(values.begin(), values.end())));
  }
  return {{"centroid_dtype", name_of(book.dtype)}, {"dimension", book.dimension}, {"centroids", std::move(centroids)}};
}

std::string files_text(const std::vector<FileInfo>& files) {
  text::Table table("llrr");
  table.add({"file", "kind", "tensors", "size"});
  table.add_rule();
  for (const FileInfo& file : files) {
    const bool has_tensors = file.kind == FileInfo::Kind::kSafetensors;
    table.add({text::printable(file.name), has_tensors ? "safetensors" : "asset",
               has_tensors ? text::grouped(file.tensor_count) : "", text::decimal_bytes(file.bytes)});
  }
  return table.render();
}

// Elsewhere names are data, which is not cut.
void fit_to_terminal(text::Table& table) {
  if (const std::size_t columns = columns_of(STDOUT_FILENO); columns > 0) table.fit(0, columns);
}

void inspect_archive(const Options& options) {
  const Archive archive = Archive::open(options.input);
  const Index& index = archive.index();
  const std::vector<Coded> coded = coded_tensors(index);
  const std::uint64_t bytes_in = sum_of_bytes(index.files), elements = sum_of_elements(index.tensors);
  std::uint64_t block_bytes = 0;
  for (const BlockRecord& block : index.blocks) block_bytes += block.size;
  const double ratio = static_cast<double>(bytes_in) / static_cast<double>(archive.file_bytes());

  if (options.json) {
    Json json{{"kind", "archive"}, {"path", options.input.string()}, {"format_version", format_version()}};
    json["totals"] = {{"bytes_in", bytes_in},
                      {"bytes_out", archive.file_bytes()},
                      {"ratio", ratio},
                      {"elements", elements},
                      {"bits_per_weight", bits_per_weight(archive.file_bytes(), elements)},
                      {"tensors", index.tensors.size()},
                      {"streams", index.streams.size()},
                      {"blocks", index.blocks.size()},
                      {"tables", index.tables.size()},
                      {"block_bytes", block_bytes},
                      {"index_bytes", archive.index_bytes()},
                      {"bytes_outside_blocks", archive.file_bytes() - block_bytes}};
    json["files"] = json_of(index.files);
    json["tensors"] = Json::array();
    for (std::size_t t = 0; t < index.tensors.size(); t++) {
      Json entry = json_of(index.tensors[t]);
      entry["bytes_out"] = coded[t].bytes;
      entry["bits_per_weight"] = bits_per_weight(coded[t].bytes, index.tensors[t].elements);
      entry["codec"] = coded[t].codec;
      if (coded[t].step) entry["step"] = *coded[t].step;
      if (coded[t].by_class) entry["model"] = "scaled";
      if (const CodebookStream* codebook = coded[t].codebook) entry["codebooks"] = codebook->books;
      json["tensors"].push_back(std::move(entry));
    }
    json["codebooks"] = Json::array();
    for (const Codebook& book : index.codebooks) json["codebooks"].push_back(json_of(book));
    return put_json(json);
  }

  text::Table table("lllrrrl");
  table.add({"tensor", "dtype", "shape", "original", "compressed", "bits/weight", "codec"});
  table.add_rule();
  for (std::size_t t = 0; t < index.tensors.size(); t++) {
    const TensorInfo& tensor = index.tensors[t];
    table.add({text::printable(tensor.name), std::string(name_of(tensor.dtype)), shape_text(tensor),
               text::decimal_bytes(tensor.bytes), text::decimal_bytes(coded[t].bytes),
               tensor.elements == 0 ? "-" : fmt::format("{:.3f}", bits_per_weight(coded[t].bytes, tensor.elements)),
               codec_text(coded[t])});
  }
  fit_to_terminal(table);
  put_data(fmt::format(
      "{}: weft archive, format {}, {}\n\n{}\n{}\n"
      "{} of {} -> {} ({:.2f}x, {:.3f} bits/weight)\n"
      "{}, {}, {}; outside of blocks: {} (index {})\n",
      text::printable(options.input.string()), format_version(), index.is_folder ? "a folder" : "a single file",
      files_text(index.files), table.render(), counted(index.tensors.size(), "tensor"), text::decimal_bytes(bytes_in),
      text::decimal_bytes(archive.file_bytes()), ratio, bits_per_weight(archive.file_bytes(), elements),
      counted(index.streams.size(), "stream"), counted(index.blocks.size(), "block"),
      counted(index.tables.size(), "table"), text::decimal_bytes(archive.file_bytes() - block_bytes),
      text::decimal_bytes(archive.index_bytes())));
}

void inspect_network(const Options& options) {
  const auto network = open_network(options.input);
  const std::uint64_t bytes_in = sum_of_bytes(network->files()), elements = sum_of_elements(network->tensors());
  for (const std::string& warning : network->warnings())
    put_text(fmt::format("weft: warning: {}\n", text::printable(warning)));
  if (options.json) {
    Json json{{"kind", "network"}, {"path", options.input.string()}};
    json["totals"] = {{"bytes_in", bytes_in}, {"elements", elements}, {"tensors", network->tensors().size()}};
    json["files"] = json_of(network->files());
    json["tensors"] = Json::array();
    for (const TensorInfo& tensor : network->tensors()) json["tensors"].push_back(json_of(tensor));
    return put_json(json);
  }
  text::Table table("lllr");
  table.add({"tensor", "dtype", "shape", "size"});
  table.add_rule();
  for (const TensorInfo& tensor : network->tensors())
    table.add({text::printable(tensor.name), std::string(name_of(tensor.dtype)), shape_text(tensor),
               text::decimal_bytes(tensor.bytes)});
  fit_to_terminal(table);
  put_data(fmt::format("{}: network, {}\n\n{}\n{}\n{}, {} of {}\n", text::printable(options.input.string()),
                       network->is_folder() ? "a folder" : "a single file", files_text(network->files()),
                       table.render(), counted(network->tensors().size(), "tensor"), counted(elements, "weight"),
                       text::decimal_bytes(bytes_in)));
}

// By its magic, or by its name: a damaged archive is better called that than an unknown network.
bool is_archive(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return false;
  if (path.extension() == ".weft") return true;
  const io::ReadFile file(path);
  const auto expected = archive::make_header();
  std::array<std::byte, 8> magic{};
  if (file.size() < magic.size()) return false;
  file.read_at(0, magic);
  return std::equal(magic.begin(), magic.end(), expected.begin());
}

}  // namespace

void add_inspect(CLI::App& program) {
  auto options = std::make_shared<Options>();
  CLI::App& command = *program.add_subcommand("inspect", "Show what is in an archive or a network");
  command.add_option("input", options->input, "A .weft archive, a .safetensors file or a folder")
      ->required()
      ->type_name("ARCHIVE|INPUT");
  auto* json = command.add_flag("--json", options->json, "As JSON");
  auto* histogram = command
                        .add_option("--histogram", options->histogram,
                                    "How the weights of a tensor are distributed, with its codebook's entries marked")
                        ->type_name("TENSOR")
                        ->excludes(json);
  auto* svg = command.add_option("--svg", options->svg, "The histogram as SVG into a file")
                  ->type_name("FILE")
                  ->needs(histogram);
  command.add_flag("-f,--force", options->overwrite, "Replace an existing SVG")->needs(svg);
  command.callback([options] {
    check_input(options->input);
    const bool archive = is_archive(options->input);
    if (!options->histogram.empty())
      return show_histogram(options->input, archive, options->histogram, options->svg, options->overwrite);
    archive ? inspect_archive(*options) : inspect_network(*options);
  });
}

}  // namespace weft::cli
