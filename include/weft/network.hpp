// A network as weft sees it: files made of tensors, and assets that are carried along untouched.
//
// Readers (host/formats) implement Network; the engine consumes it. Tensors are listed file by file and, within a file,
// in the order of their bytes: concatenated after the file's header they are the file, so nothing else has to be kept
// to restore it byte for byte. Tensor names are unique in a network.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "weft/dtype.hpp"

namespace weft {

struct TensorInfo {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::uint64_t> shape;  // row-major; empty for a scalar
  std::uint64_t elements = 1;        // product of shape, checked against overflow by the reader
  std::uint64_t bytes = 0;           // elements * bits_of(dtype) / 8

  bool operator==(const TensorInfo&) const = default;
};

// One file of a network. A safetensors file owns a run of the network's tensors; an asset owns none.
struct FileInfo {
  enum class Kind : std::uint8_t { kAsset = 0, kSafetensors = 1 };
  Kind kind = Kind::kAsset;
  std::string name;              // file name without folders
  std::uint64_t bytes = 0;       // size of the whole file
  std::size_t first_tensor = 0;  // kSafetensors: tensors [first_tensor, first_tensor + tensor_count)
  std::size_t tensor_count = 0;
  std::string header;  // kSafetensors: the JSON header with its padding, verbatim, without the 8-byte length
  std::vector<std::pair<std::string, std::string>> metadata;  // kSafetensors: __metadata__ in file order
  bool has_metadata = false;                                  // tells an empty __metadata__ from none
};

class Network {
 public:
  virtual ~Network() = default;

  [[nodiscard]] const std::vector<FileInfo>& files() const noexcept { return files_; }
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const noexcept { return tensors_; }
  // True when the input was a folder, so that it is restored as one.
  [[nodiscard]] bool is_folder() const noexcept { return is_folder_; }
  // What the user named, for messages.
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  // Things the user should hear about, such as files that were left out.
  [[nodiscard]] const std::vector<std::string>& warnings() const noexcept { return warnings_; }

  // Copies bytes [offset, offset + out.size()) of a tensor's data. Thread-safe. Throws Error(kIo) when the file cannot
  // be read, Error(kInput) when it has shrunk since it was opened.
  virtual void read_tensor(std::size_t tensor, std::uint64_t offset, std::span<std::byte> out) const = 0;

  // The same for a whole file, byte for byte; the engine uses it for assets.
  virtual void read_file(std::size_t file, std::uint64_t offset, std::span<std::byte> out) const = 0;

 protected:
  std::filesystem::path path_;
  std::vector<FileInfo> files_;
  std::vector<TensorInfo> tensors_;
  std::vector<std::string> warnings_;
  bool is_folder_ = false;
};

// The files and folders that a network is read from: what the user named, and the files within a folder.
[[nodiscard]] std::vector<std::filesystem::path> sources_of(const Network& network);

// Opens a safetensors file, a folder with one or more of them, or a *.safetensors.index.json (the same as its folder).
// Throws Error: kIo when it cannot be read, kInput when it violates its format or no reader knows it.
[[nodiscard]] std::unique_ptr<Network> open_network(const std::filesystem::path& path);

}  // namespace weft
