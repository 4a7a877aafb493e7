// The program `weft`: finds the command, runs it, turns failures into messages and exit codes.
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <array>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/signals.hpp"
#include "cli/words.hpp"
#include "config/suggest.hpp"
#include "json/strict_json.hpp"
#include "text/utf8.hpp"
#include "weft/error.hpp"
#include "weft/version.hpp"

namespace weft::cli {
namespace {

constexpr int kRunTimeError = 1;

void put_error(std::string_view message) { put_text(fmt::format("weft: error: {}\n", text::printable(message))); }

// The command that the user has got as far as, such as "weft config show", for the hint.
std::string command_so_far(const CLI::App& program) {
  std::string words = program.get_name();
  for (const CLI::App* at = &program; !at->get_subcommands().empty();) {
    at = at->get_subcommands().front();
    words += ' ' + at->get_name();
  }
  return words;
}

// CLI11 calls a misspelt command an unexpected argument; the user wants to hear which commands there are.
void check_command(const CLI::App& program, std::string_view word) {
  std::vector<std::string_view> names;
  for (const CLI::App* command : program.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  if (word.starts_with('-') || std::find(names.begin(), names.end(), word) != names.end()) return;
  const std::string hint = config::did_you_mean(word, names);
  throw Error(ErrorKind::kUsage,
              fmt::format("there is no command {}{}{}", json::quote(word), hint,
                          hint.empty() ? fmt::format("; there are {}", fmt::join(names, ", ")) : ""));
}

// CLI11 does not expect a second input; whoever gives several wants to hear that it takes several runs.
std::string message_of(const CLI::ParseError& error, const CLI::App& program) {
  constexpr std::array<std::string_view, 5> kOfOneInput{"compress", "decompress", "inspect", "verify", "bench"};
  const std::vector<const CLI::App*> commands =
      program.get_subcommands([](const CLI::App* one) { return one->parsed(); });
  const std::vector<std::string> rest = program.remaining(true);
  if (error.get_exit_code() != static_cast<int>(CLI::ExitCodes::ExtrasError) || commands.empty() || rest.empty() ||
      rest.front().starts_with('-') ||
      std::find(kOfOneInput.begin(), kOfOneInput.end(), commands.front()->get_name()) == kOfOneInput.end())
    return error.what();
  return fmt::format("one network at a time: {} is one too many", json::quote_brief(rest.front()));
}

std::string version_line() { return fmt::format("weft {} (archive format {})", version_string(), format_version()); }

int run(int argc, char** argv) {
  CLI::App program("Makes trained neural networks small and gives them back fast.", "weft");
  program.set_version_flag("-V,--version", version_line());
  program.require_subcommand(1);
  program.get_formatter()->column_width(34);
  add_compress(program);
  add_decompress(program);
  add_inspect(program);
  add_verify(program);
  add_sweep(program);
  add_bench(program);
  add_config(program);
  add_doctor(program);
  try {
    if (argc > 1) check_command(program, argv[1]);
    program.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    put_data(program.help());
  } catch (const CLI::CallForVersion&) {
    put_data(version_line() + '\n');
  } catch (const CLI::ParseError& error) {
    put_error(message_of(error, program));
    put_text(fmt::format("try: {} --help\n", command_so_far(program)));
    return exit_code(ErrorKind::kUsage);
  }
  return 0;
}

}  // namespace
}  // namespace weft::cli

int main(int argc, char** argv) {
  using namespace weft::cli;
  reserve_standard_descriptors();
  try {
    return run(argc, argv);
  } catch (const weft::Error& error) {
    put_error(error.what());
    // As a shell reports a program that a signal has killed.
    if (error.kind() == weft::ErrorKind::kInterrupted && caught_signal() != 0) return 128 + caught_signal();
    return weft::exit_code(error.kind());
  } catch (const std::bad_alloc&) {
    put_error("out of memory: use fewer threads (-T) or a smaller --memory-limit");
  } catch (const std::exception& error) {
    put_error(fmt::format("internal error, please report it: {}", error.what()));
  } catch (...) {
    put_error("internal error of an unknown kind, please report it");
  }
  return kRunTimeError;
}
