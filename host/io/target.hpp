// Where an output goes, before anything is created there.
#pragma once

#include <sys/types.h>

#include <filesystem>

#include "io/file.hpp"

namespace weft::io {

struct Target {
  std::filesystem::path path;  // symbolic links followed; a folder's has no slash at the end
  bool exists = false;
  bool is_folder = false;  // it exists and is one
  mode_t mode = 0;         // permission bits, if it exists
};

// Checks a target as check_target does and resolves it.
[[nodiscard]] Target examine_target(const std::filesystem::path& target, bool overwrite, TargetKind kind);

// The sentence for a name that may not be overwritten.
[[noreturn]] void refuse_existing(const std::filesystem::path& target);

// The folder that holds `path`.
[[nodiscard]] std::filesystem::path folder_of(const std::filesystem::path& path);

// A new hidden name next to `target`: ".NAME.weft-PLACE-PID-N.tmp", NAME cut where the whole would be too long. PLACE stands
// for the machine or container whose process PID is.
[[nodiscard]] std::filesystem::path temporary_name(const std::filesystem::path& target);

// Removes what runs that were killed have left of such names for `target`: only of this place, and only where there is no
// process of that number any more.
void remove_leftovers(const std::filesystem::path& target) noexcept;

}  // namespace weft::io
