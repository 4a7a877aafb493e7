// Small networks of every kind, made from a seed: all element types, 0-d, empty and odd shapes, values that break codecs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "support/memory_network.hpp"
#include "support/weights.hpp"

namespace weft::testing {

inline std::string random_bytes(std::mt19937_64& random, std::uint64_t n) {
  std::string bytes(n, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// Units of one of several kinds: noise (NaN payloads and infinities among it), weights, constants, zeros and minus zeros,
// subnormal numbers, few different values.
inline std::string random_units(std::mt19937_64& random, DType dtype, std::uint64_t bytes) {
  const auto unit = static_cast<std::uint64_t>(unit_bytes(dtype));
  const std::uint64_t n = bytes / unit;
  switch (random() % 6) {
    case 0:
      return random_bytes(random, bytes);
    case 1:
    case 2:
      if (is_quantizable(dtype)) return weight_bytes(dtype, draw_weights(n, random(), 0.02));
      [[fallthrough]];
    default: {
      std::vector<std::string> few;
      for (std::uint64_t i = 1 + random() % 3; i > 0; i--) {
        std::string value = random_bytes(random, unit);
        if (random() % 2 == 0) std::fill(value.begin() + 1, value.end(), '\0');                     // subnormal
        if (random() % 4 == 0) std::fill(value.begin(), value.end(), '\0'), value.back() = '\x80';  // minus zero
        few.push_back(value);
      }
      std::string units;
      for (std::uint64_t i = 0; i < n; i++) units += few[random() % few.size()];
      return units;
    }
  }
}

inline MemoryTensor random_tensor(std::mt19937_64& random, const std::string& name) {
  MemoryTensor tensor;
  tensor.name = name;
  tensor.dtype = static_cast<DType>(random() % kDTypeCount);
  std::uint64_t elements = 1;
  for (std::uint64_t rank = random() % 4; rank > 0; rank--) {
    tensor.shape.push_back(random() % 16 == 0 ? 0 : 1 + random() % (random() % 8 == 0 ? 90 : 12));
    elements *= tensor.shape.back();
  }
  const auto bits = static_cast<std::uint64_t>(bits_of(tensor.dtype));
  if (elements * bits % 8 != 0) {
    tensor.shape.push_back(4);
    elements *= 4;
  }
  tensor.bytes = random_units(random, tensor.dtype, elements * bits / 8);
  return tensor;
}

// A file, or a folder of files and assets.
inline MemoryNetwork random_network(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  MemoryNetwork network;
  const bool is_folder = random() % 4 == 0;
  if (is_folder) network.make_folder();
  std::uint64_t next = 0;
  for (std::uint64_t files = is_folder ? random() % 4 : 1; files > 0; files--) {
    std::vector<MemoryTensor> tensors;
    for (std::uint64_t n = random() % 7; n > 0; n--)
      tensors.push_back(random_tensor(random, "layer." + std::to_string(next++)));
    std::vector<std::pair<std::string, std::string>> metadata;
    if (random() % 3 == 0) metadata = {{"format", "pt"}, {"quote \" and \n", "\xC3\xA9"}};
    network.add_safetensors("part-" + std::to_string(files) + ".safetensors", std::move(tensors), metadata);
  }
  for (std::uint64_t assets = is_folder ? random() % 3 : 0; assets > 0; assets--) {
    const std::uint64_t size = random() % 3 == 0 ? 0 : random() % 5000;
    network.add_asset("asset " + std::to_string(assets),
                      random() % 2 == 0 ? random_bytes(random, size) : std::string(size, 'a'));
  }
  return network;
}

}  // namespace weft::testing
