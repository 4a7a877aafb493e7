// Where the tests find things. They can be moved to another machine together with the sources (./dev gpu): then the
// environment says where, by the names below.
#pragma once

#include <filesystem>

namespace weft::testing {

std::filesystem::path source_folder();  // WEFT_SOURCE_DIR
std::filesystem::path weft_program();   // WEFT_CLI_PATH; empty in a build without the program

}  // namespace weft::testing
