#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <thread>

#include "io/file.hpp"
#include "support/child.hpp"
#include "support/expect_error.hpp"
#include "support/temp_folder.hpp"

namespace weft::io {
namespace {

using testing::expect_error;
using testing::run_in_child;
using testing::TempFolder;

std::string read_range(const ReadFile& file, std::uint64_t offset, std::size_t size) {
  std::string out(size, '\0');
  file.read_at(offset, std::as_writable_bytes(std::span(out)));
  return out;
}

TEST(ReadFile, ReadsAnyRange) {
  const TempFolder folder;
  const ReadFile file(folder.write("f", "0123456789"));
  EXPECT_EQ(file.size(), 10u);
  EXPECT_EQ(read_range(file, 0, 10), "0123456789");
  EXPECT_EQ(read_range(file, 3, 4), "3456");
  EXPECT_EQ(read_range(file, 10, 0), "");
}

TEST(ReadFile, ServesManyThreads) {
  const TempFolder folder;
  std::string bytes(1 << 20, '\0');
  for (std::size_t i = 0; i < bytes.size(); i++) bytes[i] = static_cast<char>(i * 2654435761u >> 13);
  const ReadFile file(folder.write("f", bytes));
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (std::size_t t = 0; t < 4; t++)
    threads.emplace_back([&, t] {
      for (std::size_t at = t * 1000; at + 5000 < bytes.size(); at += 7777)
        if (read_range(file, at, 5000) != bytes.substr(at, 5000)) wrong++;
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(ReadFile, SurvivesAMove) {
  const TempFolder folder;
  ReadFile first(folder.write("a", "alpha")), second(folder.write("b", "beta"));
  ReadFile moved(std::move(first));
  EXPECT_EQ(read_range(moved, 0, 5), "alpha");
  moved = std::move(second);
  EXPECT_EQ(read_range(moved, 0, 4), "beta");
  EXPECT_EQ(moved.size(), 4u);
}

TEST(ReadFile, RefusesWhatIsNotARegularFile) {
  const TempFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  expect_error(ErrorKind::kIo, {"none", "No such file"}, [&] { ReadFile file(folder / "none"); });
  expect_error(ErrorKind::kIo, {"is a folder"}, [&] { ReadFile file(folder.path()); });
  expect_error(ErrorKind::kIo, {"pipe"}, [&] { ReadFile file(folder / "pipe"); });
}

TEST(ReadFile, NoticesThatTheFileHasShrunk) {
  const TempFolder folder;
  const ReadFile file(folder.write("f", "0123456789"));
  std::filesystem::resize_file(folder / "f", 5);
  EXPECT_EQ(read_range(file, 0, 5), "01234");
  expect_error(ErrorKind::kInput, {"/f ", "byte 5", "10 bytes"}, [&] { read_range(file, 2, 8); });
}

TEST(ReadFile, MoreFilesThanMayBeOpen) {
  const TempFolder folder;
  for (int i = 0; i < 100; i++) folder.write(std::to_string(i), "file " + std::to_string(i));
  const int status = run_in_child([&] {
    const rlimit limit{40, 40};
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
    std::vector<ReadFile> files;
    for (int i = 0; i < 100; i++) files.emplace_back(folder / std::to_string(i));
    for (int i = 0; i < 100; i++)
      if (read_range(files[static_cast<std::size_t>(i)], 5, 1)[0] != std::to_string(i)[0]) return false;
    // The last one is opened for each read: another file under its name is not the one that was opened.
    std::filesystem::rename(folder / "0", folder / "99");
    try {
      read_range(files[99], 0, 1);
    } catch (const Error& error) {
      return error.kind() == ErrorKind::kInput;
    }
    return false;
  });
  EXPECT_EQ(status, 0);
}

TEST(ReadText, ReadsUpToTheLimit) {
  const TempFolder folder;
  folder.write("empty", "");
  folder.write("ten", "0123456789");
  const std::string large(100'000, 'x');
  folder.write("large", large);
  EXPECT_EQ(read_text(folder / "empty", 10), "");
  EXPECT_EQ(read_text(folder / "ten", 10), "0123456789");
  EXPECT_EQ(read_text(folder / "large", 100'000), large);
  expect_error(ErrorKind::kInput, {"ten", "9 bytes"}, [&] { (void)read_text(folder / "ten", 9); });
  expect_error(ErrorKind::kInput, {"/dev/zero"}, [&] { (void)read_text("/dev/zero", 9); });
  expect_error(ErrorKind::kIo, {"none"}, [&] { (void)read_text(folder / "none", 9); });
  expect_error(ErrorKind::kIo, {folder.path().string()}, [&] { (void)read_text(folder.path(), 9); });
}

TEST(ReadText, TakesAPipe) {
  const TempFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  std::thread writer([&] { folder.write("pipe", "{\"a\": 1}"); });
  EXPECT_EQ(read_text(folder / "pipe", 100), "{\"a\": 1}");
  writer.join();
}

}  // namespace
}  // namespace weft::io
