// Runs the built program as a user would, and keeps what it said.
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "support/places.hpp"

extern char** environ;

namespace weft::testing {

struct Outcome {
  int exit_code = -1;  // -signal when a signal ended it
  std::string out, err;
};

// A running program. Its output goes to nameless files, so that it never waits for us.
class Program {
 public:
  explicit Program(const std::vector<std::string>& arguments, const std::filesystem::path& folder = ".",
                   const std::vector<std::string>& environment = {})
      : out_(std::tmpfile()), err_(std::tmpfile()) {
    const std::string program = weft_program();
    std::vector<std::string> words{program}, settings = environment;
    words.insert(words.end(), arguments.begin(), arguments.end());
    for (char** setting = environ; *setting != nullptr; setting++) settings.emplace_back(*setting);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ::fileno(out_.get()), 1);
    posix_spawn_file_actions_adddup2(&actions, ::fileno(err_.get()), 2);
    const int error =
        ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, pointers(words).data(), pointers(settings).data());
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) throw std::system_error(error, std::generic_category(), "cannot run " + program);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  void send(int signal) const { ::kill(pid_, signal); }

  // True once it has ended; wait() still has to be called.
  [[nodiscard]] bool has_ended() const {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != 0;
  }

  Outcome wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    Outcome outcome;
    outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    outcome.out = contents(out_.get());
    outcome.err = contents(err_.get());
    return outcome;
  }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  static std::vector<char*> pointers(std::vector<std::string>& words) {
    std::vector<char*> result;
    for (std::string& word : words) result.push_back(word.data());
    result.push_back(nullptr);
    return result;
  }

  static std::string contents(std::FILE* file) {
    std::string text;
    std::rewind(file);
    for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) text += static_cast<char>(c);
    return text;
  }

  std::unique_ptr<std::FILE, Close> out_, err_;
  pid_t pid_ = -1;
};

inline Outcome run_weft(const std::vector<std::string>& arguments, const std::filesystem::path& folder = ".",
                        const std::vector<std::string>& environment = {}) {
  return Program(arguments, folder, environment).wait();
}

}  // namespace weft::testing
