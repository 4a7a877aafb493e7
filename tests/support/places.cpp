#include "support/places.hpp"

#include <cstdlib>

namespace weft::testing {
namespace {

std::filesystem::path place(const char* name, const char* built_in) {
  const char* told = std::getenv(name);
  return told != nullptr ? told : built_in;
}

}  // namespace

std::filesystem::path source_folder() { return place("WEFT_SOURCE_DIR", WEFT_SOURCE_DIR); }
std::filesystem::path weft_program() { return place("WEFT_CLI_PATH", WEFT_CLI_PATH); }

}  // namespace weft::testing
