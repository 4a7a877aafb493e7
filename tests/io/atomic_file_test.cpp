#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "io/file.hpp"
#include "io/rename.hpp"
#include "io/target.hpp"
#include "support/child.hpp"
#include "support/expect_error.hpp"
#include "support/temp_folder.hpp"

namespace weft::io {
namespace {

using testing::expect_error;
using testing::run_in_child;
using testing::TempFolder;
using Names = std::vector<std::string>;

std::span<const std::byte> as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

mode_t mode_of(const std::filesystem::path& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  return status.st_mode & 07777;
}

void write_whole(const std::filesystem::path& path, std::string_view text, bool overwrite) {
  AtomicFile file(path, overwrite);
  file.write_at(0, as_bytes(text));
  file.commit();
}

TEST(AtomicFile, AppearsAtCommit) {
  const TempFolder folder;
  {
    AtomicFile file(folder / "out", false);
    file.write_at(3, as_bytes("def"));
    file.write_at(0, as_bytes("abc"));
    ASSERT_EQ(folder.names().size(), 1u);
    EXPECT_TRUE(folder.names()[0].starts_with(".out.weft-")) << folder.names()[0];
    EXPECT_TRUE(folder.names()[0].ends_with(".tmp"));
    file.commit();
    EXPECT_EQ(folder.names(), Names{"out"});
  }
  EXPECT_EQ(folder.read("out"), "abcdef");
}

TEST(AtomicFile, LeavesNothingWithoutCommit) {
  const TempFolder folder;
  folder.write("old", "old");
  {
    AtomicFile fresh(folder / "new", false), replacement(folder / "old", true);
    replacement.write_at(0, as_bytes("a longer text"));
    EXPECT_EQ(folder.read("old"), "old");
  }
  EXPECT_EQ(folder.names(), Names{"old"});
  EXPECT_EQ(folder.read("old"), "old");
}

TEST(AtomicFile, TakesDisjointWritesFromManyThreads) {
  const TempFolder folder;
  constexpr std::size_t kPiece = 10'000, kPieces = 40;
  AtomicFile file(folder / "out", false);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; t++)
    threads.emplace_back([&, t] {
      for (std::size_t i = t; i < kPieces; i += 4)
        file.write_at(i * kPiece, as_bytes(std::string(kPiece, static_cast<char>('0' + i))));
    });
  for (auto& thread : threads) thread.join();
  file.commit();
  const std::string text = folder.read("out");
  ASSERT_EQ(text.size(), kPiece * kPieces);
  for (std::size_t i = 0; i < text.size(); i++) ASSERT_EQ(text[i], static_cast<char>('0' + i / kPiece)) << i;
}

TEST(AtomicFile, KeepsPermissions) {
  const TempFolder folder;
  folder.write("private", "secret");
  ASSERT_EQ(::chmod((folder / "private").c_str(), 0640), 0);
  {
    AtomicFile file(folder / "private", true);
    for (const std::string& name : folder.names()) EXPECT_EQ(mode_of(folder / name), 0640u) << name;
    file.commit();
  }
  EXPECT_EQ(mode_of(folder / "private"), 0640u);
  const mode_t old_mask = ::umask(027);
  write_whole(folder / "new", "text", false);
  ::umask(old_mask);
  EXPECT_EQ(mode_of(folder / "new"), 0640u);
}

TEST(AtomicFile, NewFilesGetTheModeThatIsAskedFor) {
  const TempFolder folder;
  for (const mode_t mode : {0600u, 0640u, 0444u, 0400u}) {
    const std::filesystem::path path = folder / std::to_string(mode);
    AtomicFile file(path, false, mode);
    file.write_at(0, as_bytes("text"));
    file.commit();
    EXPECT_EQ(mode_of(path), mode);
  }
  const mode_t old_mask = ::umask(077);
  AtomicFile file(folder / "masked", false, 0644);
  file.commit();
  ::umask(old_mask);
  EXPECT_EQ(mode_of(folder / "masked"), 0600u);
}

TEST(AtomicFile, PermissionsInCommon) {
  const TempFolder folder;
  const std::vector<std::filesystem::path> paths{folder.write("a", ""), folder.write("b", ""), folder / "none"};
  ASSERT_EQ(::chmod(paths[0].c_str(), 0755), 0);
  ASSERT_EQ(::chmod(paths[1].c_str(), 0640), 0);
  EXPECT_EQ(common_permissions(std::span(paths).first(1)), 0644u);
  EXPECT_EQ(common_permissions(paths), 0640u);
  EXPECT_EQ(common_permissions(std::span(paths).last(1)), 0666u);
}

TEST(AtomicFile, RemovesWhatKilledRunsHaveLeft) {
  const TempFolder folder;
  const pid_t dead = ::fork();
  if (dead == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(dead, nullptr, 0), dead);
  const auto temporary_of = [&](pid_t process, const char* target) {
    std::string name = temporary_name(folder / target).filename().string();
    const std::string own = "-" + std::to_string(::getpid()) + "-";
    return name.replace(name.rfind(own), own.size(), "-" + std::to_string(process) + "-");
  };
  const std::string leftover = temporary_of(dead, "out"), alive = temporary_of(::getppid(), "out"),
                    of_another = temporary_of(dead, "out2"),
                    elsewhere = ".out.weft-00000000-" + std::to_string(dead) + "-0.tmp";
  for (const std::string& name : {leftover, alive, of_another, elsewhere}) folder.write(name, "half");
  write_whole(folder / "out", "text", false);
  Names expected{alive, of_another, elsewhere, "out"};
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(folder.names(), expected);
}

TEST(AtomicFile, RefusesToReplaceUnlessTold) {
  const TempFolder folder;
  folder.write("out", "old");
  expect_error(ErrorKind::kUsage, {"out", "exists already", "-f"}, [&] { check_target(folder / "out", false); });
  expect_error(ErrorKind::kUsage, {"out", "exists already", "-f"}, [&] { AtomicFile file(folder / "out", false); });
  check_target(folder / "out", true);
  EXPECT_EQ(folder.names(), Names{"out"});
  write_whole(folder / "out", "new", true);
  EXPECT_EQ(folder.read("out"), "new");
}

TEST(AtomicFile, SparesAFileThatAppearedMeanwhile) {
  const TempFolder folder;
  {
    AtomicFile file(folder / "out", false);
    file.write_at(0, as_bytes("mine"));
    folder.write("out", "theirs");
    expect_error(ErrorKind::kUsage, {"out", "exists already"}, [&] { file.commit(); });
  }
  EXPECT_EQ(folder.read("out"), "theirs");
  EXPECT_EQ(folder.names(), Names{"out"});
}

TEST(AtomicFile, ReplacesWhatALinkPointsTo) {
  const TempFolder folder;
  folder.write("elsewhere/real", "old");
  std::filesystem::create_symlink("elsewhere/real", folder / "link");
  std::filesystem::create_symlink("link", folder / "link2");
  std::filesystem::create_symlink("elsewhere/not yet", folder / "dangling");
  expect_error(ErrorKind::kUsage, {"link2", "exists already"}, [&] { AtomicFile file(folder / "link2", false); });
  write_whole(folder / "link2", "new", true);
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link2"));
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(folder.read("elsewhere/real"), "new");
  write_whole(folder / "dangling", "created", false);
  EXPECT_EQ(folder.read("elsewhere/not yet"), "created");
  std::filesystem::create_symlink("loop", folder / "loop");
  expect_error(ErrorKind::kUsage, {"loop", "link"}, [&] { AtomicFile file(folder / "loop", true); });
}

TEST(AtomicFile, RefusesPlacesWhereItCannotWrite) {
  const TempFolder folder;
  folder.write("file", "text");
  std::filesystem::create_directory(folder / "folder");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  const auto refused = [](const std::filesystem::path& path, const std::vector<std::string>& parts) {
    expect_error(ErrorKind::kUsage, parts, [&] { AtomicFile file(path, true); });
    expect_error(ErrorKind::kUsage, parts, [&] { check_target(path, true, TargetKind::kFile); });
  };
  refused("", {"empty"});
  refused("/dev/null", {"/dev/null", "device"});
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  refused("/dev/fd/" + std::to_string(pipe[1]), {"pipe"});
  ::close(pipe[0]), ::close(pipe[1]);
  refused(folder / "pipe", {"pipe"});
  refused(folder / "folder", {"it is a folder"});
  refused(folder / "new/", {"folder's"});
  refused(folder / "missing/out", {"missing/out", "does not exist", "create it first"});
  refused(folder / "file/out", {"file/out"});
  refused(folder / std::string(300, 'n'), {"too long"});
  EXPECT_EQ(folder.names(), (Names{"file", "folder", "pipe"}));
}

TEST(AtomicFile, NamesTheFolderThatRefusesNewFiles) {
  const TempFolder folder;
  std::filesystem::create_directory(folder / "locked");
  ASSERT_EQ(::chmod((folder / "locked").c_str(), 0555), 0);
  ASSERT_EQ(::chmod(folder.path().c_str(), 0755), 0);
  const int status = run_in_child([&] {
    if (::geteuid() == 0 && ::seteuid(65534) != 0) return false;
    try {
      check_target(folder / "locked/out", false);
    } catch (const Error& error) {
      return error.kind() == ErrorKind::kIo && std::string(error.what()).find("locked:") != std::string::npos;
    }
    return false;
  });
  EXPECT_EQ(status, 0);
}

TEST(AtomicFile, WorksWithTheLongestName) {
  const TempFolder folder;
  const std::string name(255, 'n');
  write_whole(folder / name, "text", false);
  EXPECT_EQ(folder.read(name), "text");
}

TEST(AtomicFile, WorksInTheCurrentFolder) {
  const TempFolder folder;
  const int status = run_in_child([&] {
    std::filesystem::current_path(folder.path());
    write_whole("out", "text", false);
    return true;
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(folder.read("out"), "text");
}

TEST(AtomicFile, MoreFilesThanMayBeOpen) {
  const TempFolder folder;
  const int status = run_in_child([&] {
    const rlimit limit{40, 40};
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
    std::vector<std::unique_ptr<AtomicFile>> files;
    for (int i = 0; i < 100; i++) files.push_back(std::make_unique<AtomicFile>(folder / std::to_string(i), false));
    for (int i = 0; i < 100; i++) files[static_cast<std::size_t>(i)]->write_at(0, as_bytes(std::to_string(i)));
    for (auto& file : files) file->commit();
    return true;
  });
  EXPECT_EQ(status, 0);
  ASSERT_EQ(folder.names().size(), 100u);
  for (const std::string& name : folder.names()) EXPECT_EQ(folder.read(name), name);
}

TEST(AtomicFile, ReportsAFailedWrite) {
  const TempFolder folder;
  folder.write("out", "old");
  const int status = run_in_child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return false;
    AtomicFile file(folder / "out", true);
    try {
      // The first 1000 bytes go through: a short write, then the error.
      file.write_at(0, as_bytes(std::string(5000, 'x')));
    } catch (const Error& error) {
      const std::string what = error.what();
      return error.kind() == ErrorKind::kIo && what.find("/out: File too large") != std::string::npos;
    }
    return false;
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(folder.read("out"), "old");
  EXPECT_EQ(folder.names(), Names{"out"});
}

TEST(AtomicFile, AKilledProcessLeavesTheOldFileOrTheNewOne) {
  const TempFolder folder;
  const std::string old_text(100'000, 'o'), new_text(300'000, 'n');
  int replaced = 0;
  // A flush takes anything from microseconds to a second, so the delays grow until children get far enough.
  for (int delay_us = 0; replaced < 10 && delay_us < 2'000'000; delay_us += 100 + delay_us / 16) {
    folder.write("out", old_text);
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      for (;;) write_whole(folder / "out", new_text, true);
    }
    ::usleep(static_cast<useconds_t>(delay_us));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    const std::string text = folder.read("out");
    replaced += text == new_text;
    ASSERT_TRUE(text == old_text || text == new_text) << text.size();
  }
  EXPECT_GT(replaced, 0) << "no child lived long enough to write";
}

TEST(RenameNew, LinksWhereTheFileSystemKnowsNoBetterWay) {
  const TempFolder folder;
  folder.write("from", "new");
  folder.write("taken", "old");
  EXPECT_EQ(rename_new_by_link(folder / "from", folder / "taken"), EEXIST);
  EXPECT_EQ(folder.read("taken"), "old");
  EXPECT_EQ(rename_new_by_link(folder / "from", folder / "to"), 0);
  EXPECT_EQ(folder.names(), (Names{"taken", "to"}));
  EXPECT_EQ(folder.read("to"), "new");
}

}  // namespace
}  // namespace weft::io
