// An archive of tensors that were encoded one by one (weft/device.hpp), each a stream of its own.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "backends/backend.hpp"
#include "weft/archive.hpp"

namespace weft::cuda {

// A tensor without a name. Throws Error(kInput) where the shape is too large or does not end at a byte.
[[nodiscard]] TensorInfo describe_tensor(DType dtype, std::vector<std::uint64_t> shape);

struct TensorToWrite {
  TensorInfo info;
  StreamRecord stream;
  std::vector<EncodedSegment> segments;
};
struct NamedTensorToWrite {
  std::string name;
  const TensorToWrite* tensor;
};

// Writes the archive, whole or not at all.
void write_tensors(std::span<const NamedTensorToWrite> tensors, const std::filesystem::path& file, bool overwrite);

}  // namespace weft::cuda
