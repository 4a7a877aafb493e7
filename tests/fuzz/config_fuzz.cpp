// Config: JSON text, then, behind a NUL byte, one override a line. What parses is written and must parse to the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "weft/config.hpp"
#include "weft/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size), rest;
  if (const auto nul = text.find('\0'); nul != std::string_view::npos) {
    rest = text.substr(nul + 1);
    text = text.substr(0, nul);
  }
  std::vector<std::string> overrides;
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    overrides.emplace_back(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  weft::Config config;
  try {
    config = weft::parse_config(text, "fuzz", overrides);
  } catch (const weft::Error& error) {
    if (error.kind() != weft::ErrorKind::kConfig) std::abort();
    return 0;
  }
  if (weft::parse_config(weft::to_json(config), "again") != config) std::abort();
  for (const weft::Rule& rule : config.rules)
    for (const std::string& glob : rule.match) (void)weft::glob_match(glob, text.substr(0, 256));
  return 0;
}
