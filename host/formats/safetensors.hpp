// The safetensors header: read with every rule of the format enforced, and written in a canonical form.
//
// Format: 8 bytes little-endian N, N bytes of JSON (at most 100 000 000, starts with '{', may end with spaces), then the
// tensors' data, which the offsets must cover without holes or overlaps. Source: the safetensors README, "Format".
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weft/network.hpp"

namespace weft::formats {

inline constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // in the order of their data; empty tensors in header order where offsets are equal
  std::vector<std::pair<std::string, std::string>> metadata;  // in header order
  bool has_metadata = false;
};

// Parses and checks the JSON text; `data_bytes` is what follows it in the file. `where` names the file in messages.
// Throws Error(kInput). Memory stays proportional to the text.
[[nodiscard]] SafetensorsHeader parse_safetensors_header(std::string_view text, std::uint64_t data_bytes,
                                                         const std::string& where);

// The header of FORMAT.md 2.7 for these tensors, padding included.
[[nodiscard]] std::string canonical_header(std::span<const TensorInfo> tensors,
                                           std::span<const std::pair<std::string, std::string>> metadata,
                                           bool has_metadata);

}  // namespace weft::formats
