// Configs as texts, and what is said of those that are refused.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "weft/config.hpp"
#include "weft/error.hpp"

namespace weft::testing {

inline Config parse(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return parse_config(text, "c.json", overrides);
}

// The message of the error; empty when there was none.
inline std::string refusal(const std::string& text, const std::vector<std::string>& overrides = {}) {
  try {
    (void)parse(text, overrides);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kConfig);
    return error.what();
  }
}

inline std::string rule(const std::string& members) { return "{\"rules\": [{" + members + "}]}"; }

}  // namespace weft::testing
