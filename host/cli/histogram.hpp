// weft inspect --histogram
#pragma once

#include <filesystem>
#include <string>

namespace weft::cli {

// Of a tensor of a network, or of an archive, which is decoded for it: to standard output, or as SVG to a file.
void show_histogram(const std::filesystem::path& input, bool is_archive, const std::string& tensor,
                    const std::filesystem::path& svg, bool overwrite);

}  // namespace weft::cli
