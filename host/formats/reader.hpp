// What a file format offers to open_network. A new format is one file that defines a Reader and one line in the registry
// of open_network.cpp.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "weft/network.hpp"

namespace weft::formats {

// What readers look at to decide whether an input is theirs.
struct Candidate {
  std::filesystem::path path;
  bool is_folder = false;
  std::string first_bytes;  // of a file: up to 64
};

struct Reader {
  bool (*recognises)(const Candidate& candidate);
  std::unique_ptr<Network> (*open)(const Candidate& candidate);
};

extern const Reader kSafetensorsReader;

}  // namespace weft::formats
