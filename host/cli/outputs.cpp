#include "cli/outputs.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstddef>
#include <span>
#include <string_view>
#include <system_error>

#include "cli/console.hpp"
#include "io/file.hpp"
#include "text/utf8.hpp"
#include "weft/error.hpp"

namespace weft::cli {
namespace fs = std::filesystem;
namespace {

// "ckpt/", "." and ".." name a folder too, but filename() is empty or no name for them.
fs::path with_name(const fs::path& path) {
  if (!path.has_filename() && path.has_relative_path()) return with_name(path.parent_path());
  if (path.has_filename() && path.filename() != "." && path.filename() != "..") return path;
  std::error_code error;
  const fs::path full = fs::absolute(path, error).lexically_normal();
  return full.has_filename() ? full : full.parent_path();
}

constexpr std::string_view kStandardOutput = "-";

void refuse_source(const fs::path& target, const Sources& sources) {
  std::error_code error;
  for (const fs::path& source : sources)
    if (fs::equivalent(target, source, error) && !error)
      throw Error(ErrorKind::kUsage,
                  fmt::format("{} is read by this run and would be replaced by it: choose another name to write to",
                              target.string()));
}

// Reports of earlier runs may be replaced without -f: they are logs.
bool looks_like_report(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return false;
  const io::ReadFile file(path);
  std::byte first{};
  if (file.size() > 0) file.read_at(0, std::span(&first, 1));
  return file.size() == 0 || first == std::byte{'{'};
}

void write_text(const std::string& target, std::string_view text) {
  if (target == kStandardOutput) return put_data(text);
  // check_outputs() has seen what is there.
  io::write_text(target, text, true);
}

}  // namespace

fs::path default_archive(const fs::path& input, bool is_folder) {
  std::error_code error;
  // A shard index stands for its folder.
  const bool is_index = is_folder && !fs::is_directory(input, error);
  fs::path output = with_name(is_index ? fs::absolute(input, error).parent_path() : input);
  if (is_folder) return output += ".weft";
  return output.replace_extension(".weft");
}

fs::path default_restored(const fs::path& archive, const Index& index, bool selection) {
  const fs::path folder = archive.parent_path(), stem = archive.stem();
  if (selection) return folder / (stem.native() + ".subset.safetensors");
  if (!index.is_folder) return folder / index.files.at(0).name;
  // An archive without extension would be in the way of the folder.
  return folder / (archive.has_extension() ? stem : fs::path(stem.native() + ".restored"));
}

fs::path chosen_or(const fs::path& chosen, const fs::path& otherwise, bool target_is_file) {
  std::error_code error;
  if (chosen.empty()) return otherwise;
  if (target_is_file && fs::is_directory(chosen, error)) return chosen / otherwise.filename();
  return chosen;
}

void check_outputs(const fs::path& output, io::TargetKind kind, const OutputOptions& options, const Sources& sources,
                   bool dry_run) {
  if (output == kStandardOutput)
    throw Error(ErrorKind::kUsage,
                "what weft writes is a file or a folder, not standard output; ./- is a file named -");
  refuse_source(output, sources);
  if (!dry_run) io::check_target(output, options.overwrite, kind);
  if (options.report.empty() || options.report == kStandardOutput) return;
  refuse_source(options.report, sources);
  std::error_code error;
  // Neither need exist yet, and a relative path that does not stays relative.
  const auto place = [&](const fs::path& path) { return fs::weakly_canonical(fs::absolute(path, error), error); };
  if (place(options.report) == place(output))
    throw Error(ErrorKind::kUsage, fmt::format("{} cannot be both the output and the report", options.report));
  io::check_target(options.report, options.overwrite || looks_like_report(options.report), io::TargetKind::kFile);
}

void write_report(const std::string& target, const Report& report) {
  if (target.empty()) return;
  std::string text = to_json(report);
  if (!text.ends_with('\n')) text += '\n';
  try {
    write_text(target, text);
  } catch (const Error& error) {
    if (report.output.empty()) throw;
    throw Error(error.kind(),
                fmt::format("{}; but {} is complete, only its report is missing", error.what(), report.output));
  }
}

void put_summary(const Report& report, const TextOptions& options) {
  if (!options.quiet) return put_text(to_text(report, options.verbose, columns_of(STDERR_FILENO)));
  for (const std::string& warning : report.warnings)
    put_text(fmt::format("weft: warning: {}\n", text::printable(warning)));
}

}  // namespace weft::cli
