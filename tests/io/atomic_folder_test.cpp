#include <gtest/gtest.h>
#include <sys/stat.h>

#include "io/file.hpp"
#include "support/child.hpp"
#include "support/expect_error.hpp"
#include "support/temp_folder.hpp"

namespace weft::io {
namespace {

using testing::expect_error;
using testing::run_in_child;
using testing::TempFolder;
using Names = std::vector<std::string>;

void add(AtomicFolder& folder, const std::string& name, std::string_view text) {
  folder.add_file(name).write_at(0, std::as_bytes(std::span(text)));
}

TEST(AtomicFolder, AppearsWhole) {
  const TempFolder temp;
  for (const char* name : {"out", "slash/"}) {
    AtomicFolder folder(temp / name, false);
    add(folder, "a", "alpha");
    add(folder, "b", "beta");
    folder.add_file("empty");
    EXPECT_FALSE(std::filesystem::exists(temp / name));
    folder.commit();
    EXPECT_EQ(temp.names(name), (Names{"a", "b", "empty"}));
    EXPECT_EQ(temp.read("out/b"), "beta");
  }
  EXPECT_EQ(temp.names(), (Names{"out", "slash"}));
}

TEST(AtomicFolder, IsAsPrivateAsItsFiles) {
  const TempFolder temp;
  for (const auto& [mode, of_folder] : {std::pair{0600u, 0700u}, std::pair{0640u, 0750u}, std::pair{0444u, 0755u}}) {
    const std::string name = std::to_string(mode);
    AtomicFolder folder(temp / name, false, mode);
    add(folder, "a", "alpha");
    folder.commit();
    struct stat status {};
    ASSERT_EQ(::stat((temp / name).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, of_folder);
    ASSERT_EQ(::stat((temp / name / "a").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, mode);
  }
}

TEST(AtomicFolder, LeavesNothingWithoutCommit) {
  const TempFolder temp;
  temp.write("old/a", "old");
  {
    AtomicFolder fresh(temp / "new", false), addition(temp / "old", true);
    add(fresh, "a", "alpha");
    add(addition, "a", "alpha");
    add(addition, "b", "beta");
  }
  EXPECT_EQ(temp.names(), Names{"old"});
  EXPECT_EQ(temp.names("old"), Names{"a"});
  EXPECT_EQ(temp.read("old/a"), "old");
}

TEST(AtomicFolder, FillsAnEmptyFolder) {
  const TempFolder temp;
  std::filesystem::create_directory(temp / "out");
  ASSERT_EQ(::chmod((temp / "out").c_str(), 0750), 0);
  AtomicFolder folder(temp / "out", false);
  add(folder, "a", "alpha");
  EXPECT_EQ(temp.names("out"), Names{});
  folder.commit();
  EXPECT_EQ(temp.names(), Names{"out"});
  EXPECT_EQ(temp.read("out/a"), "alpha");
  struct stat status {};
  ASSERT_EQ(::stat((temp / "out").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0750u);
}

TEST(AtomicFolder, AddsToAFolderOnlyWhenTold) {
  const TempFolder temp;
  temp.write("out/kept", "kept");
  temp.write("out/replaced", "old");
  expect_error(ErrorKind::kUsage, {"out", "has files", "-f"}, [&] { AtomicFolder folder(temp / "out", false); });
  expect_error(ErrorKind::kUsage, {"out", "has files", "-f"}, [&] { check_target(temp / "out", false); });
  AtomicFolder folder(temp / "out", true);
  add(folder, "replaced", "new");
  add(folder, "added", "added");
  EXPECT_EQ(temp.read("out/replaced"), "old");
  folder.commit();
  EXPECT_EQ(temp.names("out"), (Names{"added", "kept", "replaced"}));
  EXPECT_EQ(temp.read("out/replaced"), "new");
  EXPECT_EQ(temp.read("out/kept"), "kept");
}

TEST(AtomicFolder, SparesWhatAppearedMeanwhile) {
  const TempFolder temp;
  {
    AtomicFolder folder(temp / "out", false), other(temp / "file", false);
    add(folder, "a", "mine");
    temp.write("out/a", "theirs");
    temp.write("file", "theirs");
    expect_error(ErrorKind::kUsage, {"out", "meanwhile"}, [&] { folder.commit(); });
    expect_error(ErrorKind::kUsage, {"file", "meanwhile"}, [&] { other.commit(); });
  }
  EXPECT_EQ(temp.names(), (Names{"file", "out"}));
  EXPECT_EQ(temp.read("out/a"), "theirs");
}

TEST(AtomicFolder, StaysWhereAShellStands) {
  const TempFolder temp;
  const int status = run_in_child([&] {
    std::filesystem::current_path(temp.path());
    AtomicFolder folder(".", false);
    add(folder, "a", "alpha");
    folder.commit();
    // In a folder that has been replaced, the new file would not be found.
    return std::filesystem::exists("a");
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(temp.names(), Names{"a"});
}

TEST(AtomicFolder, FillsAnEmptyFolderInAReadOnlyParent) {
  const TempFolder temp;
  std::filesystem::create_directories(temp / "locked/out");
  ASSERT_EQ(::chmod((temp / "locked/out").c_str(), 0777), 0);
  ASSERT_EQ(::chmod((temp / "locked").c_str(), 0555), 0);
  ASSERT_EQ(::chmod(temp.path().c_str(), 0755), 0);
  const int status = run_in_child([&] {
    if (::geteuid() == 0 && ::seteuid(65534) != 0) return false;
    AtomicFolder folder(temp / "locked/out", false);
    add(folder, "a", "alpha");
    folder.commit();
    return true;
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(temp.read("locked/out/a"), "alpha");
  ASSERT_EQ(::chmod((temp / "locked").c_str(), 0755), 0);
}

TEST(AtomicFolder, RefusesPlacesWhereItCannotWrite) {
  const TempFolder temp;
  temp.write("file", "text");
  expect_error(ErrorKind::kUsage, {"it is a file"}, [&] { AtomicFolder folder(temp / "file", true); });
  expect_error(ErrorKind::kUsage, {"does not exist"}, [&] { AtomicFolder folder(temp / "missing/out", true); });
  expect_error(ErrorKind::kUsage, {"empty"}, [&] { AtomicFolder folder("", true); });
}

TEST(AtomicFolder, RefusesNamesThatLeaveTheFolder) {
  const TempFolder temp;
  AtomicFolder folder(temp / "out", false);
  for (const std::string& name : {std::string(""), std::string("."), std::string(".."), std::string("../x"),
                                  std::string("a/b"), std::string("a\0b", 3)})
    expect_error(ErrorKind::kInternal, {"out"}, [&] { folder.add_file(name); });
}

}  // namespace
}  // namespace weft::io
