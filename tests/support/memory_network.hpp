// A network that lives in memory, for tests of the engine: no reader is involved.
//
// Add files in order; a safetensors file gets the canonical header unless another one is given. bytes_of_file() is what
// decompression must restore.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "formats/safetensors.hpp"
#include "weft/error.hpp"
#include "weft/network.hpp"

namespace weft::testing {

struct MemoryTensor {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::uint64_t> shape;
  std::string bytes;
};

class MemoryNetwork final : public Network {
 public:
  MemoryNetwork() { path_ = "memory.safetensors"; }
  // One file, "model.safetensors".
  explicit MemoryNetwork(std::vector<MemoryTensor> tensors) : MemoryNetwork() {
    add_safetensors("model.safetensors", std::move(tensors));
  }

  void make_folder() { is_folder_ = true; }
  void add_warning(const std::string& warning) { warnings_.push_back(warning); }

  void add_asset(const std::string& name, std::string bytes) {
    FileInfo file;
    file.kind = FileInfo::Kind::kAsset;
    file.name = name;
    file.bytes = bytes.size();
    file.first_tensor = tensors_.size();
    files_.push_back(file);
    contents_.push_back(std::move(bytes));
  }

  void add_safetensors(const std::string& name, std::vector<MemoryTensor> tensors,
                       const std::vector<std::pair<std::string, std::string>>& metadata = {}, std::string header = "") {
    FileInfo file;
    file.kind = FileInfo::Kind::kSafetensors;
    file.name = name;
    file.first_tensor = tensors_.size();
    file.tensor_count = tensors.size();
    file.metadata = metadata;
    file.has_metadata = !metadata.empty();
    std::string data;
    for (MemoryTensor& tensor : tensors) {
      TensorInfo info{std::move(tensor.name), tensor.dtype, std::move(tensor.shape), 1, tensor.bytes.size()};
      for (const std::uint64_t d : info.shape) info.elements *= d;
      if (info.elements * static_cast<std::uint64_t>(bits_of(info.dtype)) != 8 * info.bytes)
        throw Error(ErrorKind::kInternal, "the test's tensor " + info.name + " has the wrong number of bytes");
      tensors_.push_back(std::move(info));
      data += tensor.bytes;
      data_.push_back(std::move(tensor.bytes));
    }
    const std::span mine(tensors_.data() + file.first_tensor, file.tensor_count);
    file.header =
        header.empty() ? formats::canonical_header(mine, file.metadata, file.has_metadata) : std::move(header);
    const std::uint64_t length = file.header.size();
    std::string bytes(sizeof length, '\0');
    std::memcpy(bytes.data(), &length, sizeof length);
    bytes += file.header + data;
    file.bytes = bytes.size();
    files_.push_back(std::move(file));
    contents_.push_back(std::move(bytes));
  }

  [[nodiscard]] const std::string& bytes_of_file(std::size_t file) const { return contents_[file]; }
  [[nodiscard]] std::string& data_of(std::size_t tensor) { return data_[tensor]; }
  [[nodiscard]] const std::string& data_of(std::size_t tensor) const { return data_[tensor]; }

  void read_tensor(std::size_t tensor, std::uint64_t offset, std::span<std::byte> out) const override {
    copy(data_.at(tensor), offset, out);
  }
  void read_file(std::size_t file, std::uint64_t offset, std::span<std::byte> out) const override {
    copy(contents_.at(file), offset, out);
  }

 private:
  static void copy(const std::string& from, std::uint64_t offset, std::span<std::byte> out) {
    if (offset > from.size() || out.size() > from.size() - offset)
      throw Error(ErrorKind::kInternal, "the engine reads past the end of a tensor or file");
    if (!out.empty()) std::memcpy(out.data(), from.data() + offset, out.size());
  }

  std::vector<std::string> data_;      // per tensor
  std::vector<std::string> contents_;  // per file, whole
};

}  // namespace weft::testing
