// Which files of a folder belong to a network.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace weft::formats {

struct FolderListing {
  std::vector<std::string> files;     // names of regular files, sorted by their bytes; links to files are files
  std::vector<std::string> warnings;  // one sentence per kind of thing that is left out
};

// Hidden files are left out (they are version control's, editors' and unfinished outputs), and so is everything that is
// not a file. Throws Error(kIo), or Error(kUnsupported) for a name that an archive cannot hold.
[[nodiscard]] FolderListing list_folder(const std::filesystem::path& folder);

// Throws Error(kUnsupported) when an archive cannot hold a file of this name.
void check_file_name(const std::filesystem::path& path);

}  // namespace weft::formats
