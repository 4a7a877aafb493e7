#include "formats/folder_listing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "archive/index.hpp"
#include "json/strict_json.hpp"
#include "text/utf8.hpp"
#include "weft/error.hpp"

namespace weft::formats {
namespace {

void warn(FolderListing& listing, const std::filesystem::path& folder, const char* kind,
          std::vector<std::string> names) {
  constexpr std::size_t kShown = 5;
  if (names.empty()) return;
  std::sort(names.begin(), names.end());
  const std::size_t more = names.size() > kShown ? names.size() - kShown : 0;
  names.resize(names.size() - more);
  for (std::string& name : names) name = json::quote_brief(name);
  listing.warnings.push_back(fmt::format("{}: left out {}: {}{}", folder.string(), kind, fmt::join(names, ", "),
                                         more > 0 ? fmt::format(" and {} more", more) : ""));
}

}  // namespace

FolderListing list_folder(const std::filesystem::path& folder) {
  FolderListing listing;
  std::vector<std::string> hidden, folders, archives, others;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    std::string name = entry->path().filename().string();
    std::error_code broken;
    const auto type = entry->status(broken).type();
    if (name.starts_with('.')) {
      hidden.push_back(std::move(name));
    } else if (type == std::filesystem::file_type::regular && name.ends_with(".weft")) {
      archives.push_back(std::move(name));
    } else if (type == std::filesystem::file_type::regular) {
      check_file_name(entry->path());
      listing.files.push_back(std::move(name));
    } else if (type == std::filesystem::file_type::directory) {
      folders.push_back(std::move(name));
    } else {
      others.push_back(std::move(name));
    }
  }
  if (error) throw Error(ErrorKind::kIo, fmt::format("cannot list {}: {}", folder.string(), error.message()));
  std::sort(listing.files.begin(), listing.files.end());
  warn(listing, folder, "sub-folders (compress them one by one)", std::move(folders));
  warn(listing, folder, "hidden files", std::move(hidden));
  warn(listing, folder, "weft archives", std::move(archives));
  warn(listing, folder, "what is not a file (broken links, devices, pipes)", std::move(others));
  return listing;
}

void check_file_name(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  std::string fault = archive::file_name_fault(name);
  if (fault.empty() && !text::is_utf8(name)) fault = "a file's name is not UTF-8";
  if (!fault.empty())
    throw Error(ErrorKind::kUnsupported, fmt::format("{}: an archive cannot hold {}: {}; rename the file",
                                                     path.parent_path().string(), json::quote_brief(name), fault));
}

}  // namespace weft::formats
