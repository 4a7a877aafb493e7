// The points that a sweep's folder has: FOLDER/points.json, the memory of a sweep that was interrupted.
//
// A point is found again by what it was measured on: the network's content, the config without what only concerns the
// machine, and the program. A program that was built anew measures anew, so that old figures never pass for its own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "weft/config.hpp"
#include "weft/network.hpp"

namespace weft::sweep {

// Of all bytes of all files.
[[nodiscard]] std::string content_id(const Network& network);
[[nodiscard]] std::string point_key(std::string_view network, const Config& config, std::string_view program);

class PointStore {
 public:
  // Makes the folder if need be. Throws Error(kUsage) for a folder with files that is no sweep's, Error(kInput) when its
  // points are damaged.
  explicit PointStore(const std::filesystem::path& folder);

  // Null when there is none.
  [[nodiscard]] nlohmann::ordered_json find(const std::string& key) const;
  // Adds a point and writes the file anew, whole or not at all.
  void add(const std::string& key, nlohmann::ordered_json figures);

 private:
  std::filesystem::path file_;
  nlohmann::ordered_json points_;
};

}  // namespace weft::sweep
