// Where results go: default names, and everything that is refused before the work begins.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli/options.hpp"
#include "io/file.hpp"
#include "weft/archive.hpp"
#include "weft/network.hpp"
#include "weft/report.hpp"

namespace weft::cli {

// compress: beside the input, "model.safetensors" -> "model.weft", folder "ckpt" -> "ckpt.weft".
[[nodiscard]] std::filesystem::path default_archive(const std::filesystem::path& input, bool is_folder);
// decompress: beside the archive, the file's own name, or a folder with the archive's stem; a selection of tensors is
// never called like the whole.
[[nodiscard]] std::filesystem::path default_restored(const std::filesystem::path& archive, const Index& index,
                                                     bool selection);
// The user's path; an existing folder as the target of a single file means a file in it.
[[nodiscard]] std::filesystem::path chosen_or(const std::filesystem::path& chosen,
                                              const std::filesystem::path& otherwise, bool target_is_file);

// The files that a run reads; none of them may be replaced by what it writes, -f or not.
using Sources = std::vector<std::filesystem::path>;

// Refuses, before the work begins, what cannot or should not be written: an output that exists (without -f), that is
// one of the sources, or that is also the report; a report that would replace anything but an older report. With
// `dry_run` only the report is written.
void check_outputs(const std::filesystem::path& output, io::TargetKind kind, const OutputOptions& options,
                   const Sources& sources, bool dry_run = false);

// The failure to write it does not take the output back, and says so.
void write_report(const std::string& target, const Report& report);
// The table for people, unless -q, as wide as their terminal; warnings always.
void put_summary(const Report& report, const TextOptions& options);

}  // namespace weft::cli
