// Runs code in a child process, for what would disturb the tests' own: limits, other users, death by a signal.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <functional>

namespace weft::testing {

// The status that waitpid gives: 0 when `action` returned true; exit code 1 for false, 2 for an exception.
inline int run_in_child(const std::function<bool()>& action) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    int code = 2;
    try {
      code = action() ? 0 : 1;
    } catch (const std::exception& error) {
      std::fprintf(stderr, "in the child: %s\n", error.what());
    }
    ::_exit(code);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

}  // namespace weft::testing
