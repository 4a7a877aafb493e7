// A safetensors file, or a folder with some of them and whatever else lies there.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "formats/folder_listing.hpp"
#include "formats/reader.hpp"
#include "formats/safetensors.hpp"
#include "formats/shard_index.hpp"
#include "io/file.hpp"
#include "io/target.hpp"
#include "json/strict_json.hpp"
#include "weft/error.hpp"

namespace weft::formats {
namespace {

using json::quote_brief;

constexpr std::string_view kLfsPointer = "version https://git-lfs";
constexpr std::uint64_t kLengthBytes = 8;

class SafetensorsNetwork final : public Network {
 public:
  static std::unique_ptr<Network> open(const Candidate& candidate) {
    std::unique_ptr<SafetensorsNetwork> network(new SafetensorsNetwork);
    network->path_ = candidate.path;
    if (candidate.is_folder) {
      network->add_folder(candidate.path);
    } else if (candidate.path.string().ends_with(kIndexSuffix)) {
      network->add_folder(io::folder_of(candidate.path));
    } else {
      check_file_name(candidate.path);
      network->add_safetensors(candidate.path);
    }
    return network;
  }

  void read_tensor(std::size_t tensor, std::uint64_t offset, std::span<std::byte> out) const override {
    const TensorInfo& info = tensors_.at(tensor);
    if (offset > info.bytes || out.size() > info.bytes - offset)
      throw Error(ErrorKind::kInternal, fmt::format("read past the end of tensor {}", quote_brief(info.name)));
    const Place& place = places_[tensor];
    sources_[place.file].read_at(place.offset + offset, out);
  }

  void read_file(std::size_t file, std::uint64_t offset, std::span<std::byte> out) const override {
    sources_.at(file).read_at(offset, out);
  }

 private:
  // Where a tensor's data begin.
  struct Place {
    std::size_t file = 0;
    std::uint64_t offset = 0;
  };

  void add_folder(const std::filesystem::path& folder) {
    is_folder_ = true;
    FolderListing listing = list_folder(folder);
    warnings_ = std::move(listing.warnings);
    std::stable_partition(listing.files.begin(), listing.files.end(),
                          [](const std::string& name) { return name.ends_with(kShardSuffix); });
    for (const std::string& name : listing.files) {
      if (name.ends_with(kShardSuffix))
        add_safetensors(folder / name);
      else
        add_asset(folder / name);
    }
    check_unique_names(folder);
    for (const std::string& name : listing.files)
      if (name.ends_with(kIndexSuffix)) check_shard_index(folder / name, files_, tensors_);
  }

  FileInfo& add_file(const std::filesystem::path& path, FileInfo::Kind kind) {
    sources_.emplace_back(path);
    FileInfo& file = files_.emplace_back();
    file.kind = kind;
    file.name = path.filename().string();
    file.bytes = sources_.back().size();
    return file;
  }

  void add_asset(const std::filesystem::path& path) { add_file(path, FileInfo::Kind::kAsset); }

  void add_safetensors(const std::filesystem::path& path) {
    FileInfo& file = add_file(path, FileInfo::Kind::kSafetensors);
    file.header = read_header(sources_.back());
    const std::uint64_t data = kLengthBytes + file.header.size();
    SafetensorsHeader parsed = parse_safetensors_header(file.header, file.bytes - data, path.string());
    file.metadata = std::move(parsed.metadata);
    file.has_metadata = parsed.has_metadata;
    file.first_tensor = tensors_.size();
    file.tensor_count = parsed.tensors.size();
    std::uint64_t offset = data;
    for (TensorInfo& tensor : parsed.tensors) {
      places_.push_back({sources_.size() - 1, offset});
      offset += tensor.bytes;
      tensors_.push_back(std::move(tensor));
    }
  }

  static std::string read_header(const io::ReadFile& source) {
    const auto fail = [&](const std::string& what) {
      throw Error(ErrorKind::kInput, fmt::format("{}: {}", source.path().string(), what));
    };
    char start[kLfsPointer.size()] = {};
    const std::size_t known = static_cast<std::size_t>(std::min<std::uint64_t>(source.size(), sizeof start));
    source.read_at(0, std::as_writable_bytes(std::span(start, known)));
    if (std::string_view(start, known) == kLfsPointer)
      fail("this is a Git LFS pointer, not the file that it stands for: run \"git lfs pull\" in its folder");
    if (known < kLengthBytes)
      fail(fmt::format("not a safetensors file: it has {} bytes, less than the header's length takes", source.size()));
    std::uint64_t size = 0;
    std::memcpy(&size, start, sizeof size);
    if (size > kMaxHeaderBytes)
      fail(fmt::format("not a safetensors file: its header would have {} bytes; the format allows {}", size,
                       kMaxHeaderBytes));
    if (size > source.size() - kLengthBytes)
      fail(fmt::format("its header has {} bytes, but the file has only {}: it is truncated", size, source.size()));
    std::string text(static_cast<std::size_t>(size), '\0');
    source.read_at(kLengthBytes, std::as_writable_bytes(std::span(text)));
    return text;
  }

  void check_unique_names(const std::filesystem::path& folder) const {
    std::vector<std::size_t> order(tensors_.size());
    for (std::size_t i = 0; i < order.size(); i++) order[i] = i;
    std::sort(order.begin(), order.end(),
              [this](std::size_t a, std::size_t b) { return tensors_[a].name < tensors_[b].name; });
    const auto twice = std::adjacent_find(order.begin(), order.end(), [this](std::size_t a, std::size_t b) {
      return tensors_[a].name == tensors_[b].name;
    });
    if (twice == order.end()) return;
    throw Error(ErrorKind::kInput,
                fmt::format("{}: tensor {} is in {} and in {}, but a network has each name once; if these are separate "
                            "networks, compress them one by one",
                            folder.string(), quote_brief(tensors_[twice[0]].name), files_[places_[twice[0]].file].name,
                            files_[places_[twice[1]].file].name));
  }

  std::vector<io::ReadFile> sources_;  // one per file
  std::vector<Place> places_;          // one per tensor
};

bool looks_like_safetensors(std::string_view first_bytes) {
  if (first_bytes.size() <= kLengthBytes || first_bytes[kLengthBytes] != '{') return false;
  std::uint64_t size = 0;
  std::memcpy(&size, first_bytes.data(), sizeof size);
  return size <= kMaxHeaderBytes;
}

bool recognises(const Candidate& candidate) {
  if (!candidate.is_folder) {
    const std::string name = candidate.path.filename().string();
    return name.ends_with(kShardSuffix) || name.ends_with(kIndexSuffix) ||
           looks_like_safetensors(candidate.first_bytes);
  }
  const FolderListing listing = list_folder(candidate.path);
  return std::any_of(listing.files.begin(), listing.files.end(), [](const std::string& name) {
    return name.ends_with(kShardSuffix) || name.ends_with(kIndexSuffix);
  });
}

}  // namespace

const Reader kSafetensorsReader{recognises, SafetensorsNetwork::open};

}  // namespace weft::formats
