// The index of a sharded checkpoint: NAME.safetensors.index.json, whose "weight_map" says which file has which tensor.
//
// weft carries it as an asset and does not need it to read the tensors; but an index that disagrees with its shards is
// the sign of a download that went wrong.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>

#include "weft/network.hpp"

namespace weft::formats {

inline constexpr std::string_view kShardSuffix = ".safetensors";
inline constexpr std::string_view kIndexSuffix = ".safetensors.index.json";

// Compares an index with the tensors of the folder, both ways; files that it does not name are none of its business.
// Throws Error(kInput) that names shard and tensor.
void check_shard_index(const std::filesystem::path& index, std::span<const FileInfo> files,
                       std::span<const TensorInfo> tensors);

}  // namespace weft::formats
