// Checks the kind of a weft::Error and that its sentence says certain things.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "weft/error.hpp"

namespace weft::testing {

inline void expect_error(ErrorKind kind, const std::vector<std::string>& parts, const std::function<void()>& action) {
  try {
    action();
    ADD_FAILURE() << "nothing was thrown; expected: " << ::testing::PrintToString(parts);
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(kind)) << error.what();
    for (const std::string& part : parts) EXPECT_THAT(std::string(error.what()), ::testing::HasSubstr(part));
  }
}

}  // namespace weft::testing
