// Giving a finished file or folder its name.
#pragma once

#include <filesystem>

namespace weft::io {

// These return 0 or an errno; EEXIST: there is something under the name, which stays.
[[nodiscard]] int rename_over(const std::filesystem::path& from, const std::filesystem::path& to) noexcept;
[[nodiscard]] int rename_new(const std::filesystem::path& from, const std::filesystem::path& to) noexcept;
// What rename_new does on a file system that cannot refuse to replace: a second link under the new name. Files only.
[[nodiscard]] int rename_new_by_link(const std::filesystem::path& from, const std::filesystem::path& to) noexcept;

// Makes renames in a folder last. Throws Error(kIo) when the disk fails; a folder that cannot be flushed at all, such
// as one without read permission, is passed over.
void flush_folder(const std::filesystem::path& folder);

}  // namespace weft::io
