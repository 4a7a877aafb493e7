#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <system_error>

#include "formats/reader.hpp"
#include "io/file.hpp"
#include "weft/error.hpp"

namespace weft {
namespace {

using formats::Candidate;

constexpr const formats::Reader* kReaders[] = {
    &formats::kSafetensorsReader,
};

constexpr std::size_t kProbeBytes = 64;

// Formats that users may try, known by their first bytes or their names.
struct ForeignFormat {
  std::string_view extension, signature, name;
};

constexpr ForeignFormat kForeignFormats[] = {
    {".gguf", "GGUF", "a GGUF file"},
    {".h5", "\x89HDF", "an HDF5 file"},
    {".npy", "\x93NUMPY", "a NumPy file"},
    {".npz", "", "a NumPy file"},
    {".onnx", "", "an ONNX file"},
    {".pt", "", "a PyTorch file"},
    {".pth", "", "a PyTorch file"},
    {".bin", "", "a binary file, perhaps PyTorch's"},
    {".ckpt", "", "a checkpoint, perhaps PyTorch's or TensorFlow's"},
    {".keras", "", "a Keras file"},
    {".tflite", "", "a TensorFlow Lite file"},
    {".pb", "", "a TensorFlow file"},
    {".msgpack", "", "a Flax file"},
    {"", "PK\x03\x04", "a zip file, perhaps PyTorch's or NumPy's"},
};

constexpr std::string_view kWeftSignature = "\x89WEFT";

constexpr std::string_view kReadable =
    "weft reads safetensors: a .safetensors file, a folder with some, or a .safetensors.index.json";

bool is(const ForeignFormat& format, const Candidate& candidate) {
  return (!format.signature.empty() && candidate.first_bytes.starts_with(format.signature)) ||
         (!format.extension.empty() && candidate.path.extension() == format.extension);
}

std::string why_not(const Candidate& candidate) {
  if (candidate.is_folder) return fmt::format("there is no safetensors file in this folder; {}", kReadable);
  if (candidate.first_bytes.starts_with(kWeftSignature) || candidate.path.extension() == ".weft")
    return "this is a weft archive already; use \"weft decompress\" to restore it or \"weft inspect\" to look inside";
  const auto known = std::find_if(std::begin(kForeignFormats), std::end(kForeignFormats),
                                  [&](const ForeignFormat& format) { return is(format, candidate); });
  return fmt::format("this is {}; {}. Convert it first, for instance with the Python package safetensors",
                     known == std::end(kForeignFormats) ? "not in a format that weft knows" : known->name, kReadable);
}

}  // namespace

std::vector<std::filesystem::path> sources_of(const Network& network) {
  std::error_code error;
  std::vector<std::filesystem::path> sources{network.path()};
  const bool is_folder = std::filesystem::is_directory(network.path(), error);
  const std::filesystem::path folder = is_folder ? network.path() : network.path().parent_path();
  for (const FileInfo& file : network.files()) sources.push_back(folder / file.name);
  return sources;
}

std::unique_ptr<Network> open_network(const std::filesystem::path& path) {
  Candidate candidate{path, false, {}};
  std::error_code ignored;
  candidate.is_folder = std::filesystem::is_directory(path, ignored);
  if (!candidate.is_folder) {
    const io::ReadFile file(path);
    candidate.first_bytes.resize(std::min<std::size_t>(kProbeBytes, file.size()));
    file.read_at(0, std::as_writable_bytes(std::span(candidate.first_bytes)));
  }
  for (const formats::Reader* reader : kReaders)
    if (reader->recognises(candidate)) return reader->open(candidate);
  throw Error(ErrorKind::kInput, fmt::format("{}: {}", path.string(), why_not(candidate)));
}

}  // namespace weft
