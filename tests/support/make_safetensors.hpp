// Safetensors files for tests, made without the code under test.
//
// Example: make_safetensors({{"w", "F32", {2, 3}, bytes_of<float>({1, 2, 3, 4, 5, 6})}}, {{"format", "pt"}})
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::testing {

struct RawTensor {
  std::string name;
  std::string dtype;  // the safetensors name, such as "BF16"
  std::vector<std::uint64_t> shape;
  std::string bytes;
};

using Metadata = std::vector<std::pair<std::string, std::string>>;

template <class T>
[[nodiscard]] std::string bytes_of(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

// A file of this header text, right or wrong, and this data.
[[nodiscard]] inline std::string frame_safetensors(std::string_view header, std::string_view data = {}) {
  const std::uint64_t size = header.size();
  std::string file(sizeof size, '\0');
  std::memcpy(file.data(), &size, sizeof size);
  return file.append(header).append(data);
}

// The header text, without padding, of tensors whose data follow each other in this order. Nothing is checked.
[[nodiscard]] inline std::string make_safetensors_header(const std::vector<RawTensor>& tensors,
                                                         const std::optional<Metadata>& metadata = std::nullopt) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (metadata) {
    header["__metadata__"] = nlohmann::ordered_json::object();
    for (const auto& [key, value] : *metadata) header["__metadata__"][key] = value;
  }
  std::uint64_t offset = 0;
  for (const RawTensor& tensor : tensors) {
    header[tensor.name] = {
        {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + tensor.bytes.size()}}};
    offset += tensor.bytes.size();
  }
  return header.dump();
}

// A whole file.
[[nodiscard]] inline std::string make_safetensors(const std::vector<RawTensor>& tensors,
                                                  const std::optional<Metadata>& metadata = std::nullopt) {
  std::string header = make_safetensors_header(tensors, metadata);
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::string data;
  for (const RawTensor& tensor : tensors) data += tensor.bytes;
  return frame_safetensors(header, data);
}

}  // namespace weft::testing
