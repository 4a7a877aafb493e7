#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <thread>

#include "formats/safetensors.hpp"
#include "support/child.hpp"
#include "support/expect_error.hpp"
#include "support/make_safetensors.hpp"
#include "support/places.hpp"
#include "support/temp_folder.hpp"
#include "weft/network.hpp"

namespace weft {
namespace {

using testing::bytes_of;
using testing::expect_error;
using testing::make_safetensors;
using testing::TempFolder;

std::string tensor_bytes(const Network& network, std::size_t tensor) {
  std::string bytes(network.tensors()[tensor].bytes, '\0');
  network.read_tensor(tensor, 0, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

std::string file_bytes(const Network& network, std::size_t file) {
  std::string bytes(network.files()[file].bytes, '\0');
  network.read_file(file, 0, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

// What Network promises: header and tensors in order are the file.
std::string reassembled(const Network& network, std::size_t file) {
  const FileInfo& info = network.files()[file];
  std::string data;
  for (std::size_t i = 0; i < info.tensor_count; i++) data += tensor_bytes(network, info.first_tensor + i);
  return testing::frame_safetensors(info.header, data);
}

std::string one(const std::string& name, float value) {
  return make_safetensors({{name, "F32", {1}, bytes_of<float>({value})}});
}

std::vector<std::string> names_of(const Network& network) {
  std::vector<std::string> names;
  for (const FileInfo& file : network.files()) names.push_back(file.name);
  return names;
}

void refused(const std::filesystem::path& path, const std::vector<std::string>& parts) {
  expect_error(ErrorKind::kInput, parts, [&] { (void)open_network(path); });
}

TEST(SafetensorsFile, IsReadWhole) {
  const TempFolder folder;
  const std::string bytes = make_safetensors(
      {{"z", "F32", {2, 2}, bytes_of<float>({1, 2, 3, 4})}, {"none", "I64", {0}, ""}, {"a", "U8", {}, "!"}},
      {{{"format", "pt"}}});
  const auto path = folder.write("model.safetensors", bytes);
  const auto network = open_network(path);
  EXPECT_FALSE(network->is_folder());
  EXPECT_EQ(network->path(), path);
  EXPECT_TRUE(network->warnings().empty());
  ASSERT_EQ(network->files().size(), 1u);
  const FileInfo& file = network->files()[0];
  EXPECT_EQ(file.kind, FileInfo::Kind::kSafetensors);
  EXPECT_EQ(file.name, "model.safetensors");
  EXPECT_EQ(file.bytes, bytes.size());
  EXPECT_EQ(file.tensor_count, 3u);
  EXPECT_TRUE(file.has_metadata);
  EXPECT_EQ(file.metadata.at(0).second, "pt");
  EXPECT_EQ(tensor_bytes(*network, 2), "!");
  EXPECT_EQ(reassembled(*network, 0), bytes);
  EXPECT_EQ(file_bytes(*network, 0), bytes);
}

TEST(SafetensorsFile, ReadsRangesOfTensorsFromManyThreads) {
  const TempFolder folder;
  std::string a(100'000, '\0'), b(50'000, '\0');
  for (std::size_t i = 0; i < a.size(); i++) a[i] = static_cast<char>(i % 251);
  for (std::size_t i = 0; i < b.size(); i++) b[i] = static_cast<char>(i % 241);
  const auto network = open_network(
      folder.write("m.safetensors", make_safetensors({{"a", "U8", {100'000}, a}, {"b", "I8", {50'000}, b}})));
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; t++)
    threads.emplace_back([&, t] {
      std::string piece(333, '\0');
      for (std::size_t at = t * 7; at + piece.size() <= b.size(); at += 1001) {
        for (std::size_t tensor = 0; tensor < 2; tensor++) {
          network->read_tensor(tensor, at, std::as_writable_bytes(std::span(piece)));
          wrong += piece != (tensor == 0 ? a : b).substr(at, piece.size());
        }
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  std::byte piece[2];
  expect_error(ErrorKind::kInternal, {"\"b\""}, [&] { network->read_tensor(1, 49'999, piece); });
  expect_error(ErrorKind::kInternal, {"\"b\""}, [&] { network->read_tensor(1, UINT64_MAX, piece); });
}

TEST(SafetensorsFile, WithAHeaderThatIsNotCanonicalIsReadWhole) {
  const TempFolder folder;
  const std::string bytes = testing::frame_safetensors(
      "{ \"b\": {\"shape\": [1], \"dtype\": \"U8\", \"data_offsets\": [1, 2]},\n"
      "\"a\": {\"dtype\": \"U8\", \"shape\": [1], \"data_offsets\": [0, 1]}}   ",
      "AB");
  const auto network = open_network(folder.write("m.safetensors", bytes));
  EXPECT_EQ(network->tensors()[0].name, "a");
  EXPECT_EQ(tensor_bytes(*network, 1), "B");
  EXPECT_EQ(reassembled(*network, 0), bytes);
}

TEST(SafetensorsFile, IsRefusedWhenItIsCut) {
  const TempFolder folder;
  const std::string bytes = one("w", 1.5F);
  for (std::size_t size = 0; size < bytes.size(); size++)
    refused(folder.write("m.safetensors", bytes.substr(0, size)), {"m.safetensors"});
  refused(folder.write("m.safetensors", bytes + "x"), {"m.safetensors", "belongs to no tensor"});
}

TEST(SafetensorsFile, IsRefusedWithAnImpossibleHeaderLength) {
  const TempFolder folder;
  const auto with_length = [&](std::uint64_t length) {
    return folder.write("m.safetensors", bytes_of<std::uint64_t>({length}) + "{}      ");
  };
  EXPECT_EQ(open_network(with_length(8))->tensors().size(), 0u);
  refused(with_length(9), {"header has 9 bytes", "the file has only 16", "truncated"});
  refused(with_length(100'000'000), {"truncated"});
  refused(with_length(100'000'001), {"100000001", "the format allows 100000000"});
  refused(with_length(UINT64_MAX), {"the format allows"});
  refused(with_length(0), {"'{'"});
  refused(folder.write("m.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"),
          {"Git LFS pointer", "git lfs pull"});
}

TEST(SafetensorsFile, ThatShrinksIsNoticed) {
  const TempFolder folder;
  const auto network = open_network(folder.write("m.safetensors", one("w", 1)));
  std::filesystem::resize_file(folder / "m.safetensors", network->files()[0].bytes - 2);
  expect_error(ErrorKind::kInput, {"m.safetensors", "cut while it was read"}, [&] { tensor_bytes(*network, 0); });
}

TEST(SafetensorsFolder, CarriesEveryFile) {
  const TempFolder folder;
  folder.write("m/b.safetensors", one("b", 2));
  folder.write("m/a.safetensors", one("a", 1));
  folder.write("m/config.json", "{\"not\": \"checked\"");
  folder.write("m/README", "");
  folder.write("blobs/tokenizer", "tokens");
  std::filesystem::create_symlink("../blobs/tokenizer", folder / "m/tokenizer.json");
  const auto network = open_network(folder / "m");
  EXPECT_TRUE(network->is_folder());
  EXPECT_TRUE(network->warnings().empty());
  EXPECT_EQ(names_of(*network),
            (std::vector<std::string>{"a.safetensors", "b.safetensors", "README", "config.json", "tokenizer.json"}));
  ASSERT_EQ(network->tensors().size(), 2u);
  EXPECT_EQ(network->tensors()[0].name, "a");
  EXPECT_EQ(network->files()[1].first_tensor, 1u);
  EXPECT_EQ(reassembled(*network, 0), one("a", 1));
  EXPECT_EQ(reassembled(*network, 1), one("b", 2));
  EXPECT_EQ(network->files()[2].kind, FileInfo::Kind::kAsset);
  EXPECT_EQ(file_bytes(*network, 3), "{\"not\": \"checked\"");
  EXPECT_EQ(file_bytes(*network, 4), "tokens");
}

TEST(SafetensorsFolder, WarnsOfWhatItLeavesOut) {
  const TempFolder folder;
  folder.write("m.safetensors", one("a", 1));
  folder.write(".git/config", "x");
  folder.write(".gitattributes", "x");
  for (int i = 0; i < 7; i++) std::filesystem::create_directory(folder / ("sub" + std::to_string(i)));
  std::filesystem::create_symlink("sub0", folder / "link to a folder");
  std::filesystem::create_symlink("nowhere", folder / "broken");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  const auto network = open_network(folder.path());
  EXPECT_EQ(names_of(*network), std::vector<std::string>{"m.safetensors"});
  ASSERT_EQ(network->warnings().size(), 3u);
  EXPECT_THAT(network->warnings()[0],
              ::testing::HasSubstr("sub-folders (compress them one by one): \"link to a folder\", \"sub0\", \"sub1\", "
                                   "\"sub2\", \"sub3\" and 3 more"));
  EXPECT_THAT(network->warnings()[1], ::testing::HasSubstr("hidden files: \".git\", \".gitattributes\""));
  EXPECT_THAT(network->warnings()[2], ::testing::HasSubstr("\"broken\", \"pipe\""));
}

TEST(SafetensorsFolder, RefusesNamesThatAnArchiveCannotHold) {
  for (const char* name : {"a\\b", "a\xff"}) {
    const TempFolder folder;
    folder.write("m.safetensors", one("a", 1));
    folder.write(name, "x");
    expect_error(ErrorKind::kUnsupported, {"rename the file"}, [&] { (void)open_network(folder.path()); });
    expect_error(ErrorKind::kUnsupported, {"rename the file"},
                 [&] { (void)open_network(folder.write(std::string(name) + ".safetensors", one("a", 1))); });
  }
}

TEST(SafetensorsFolder, RefusesATensorInTwoFiles) {
  const TempFolder folder;
  folder.write("fp16.safetensors", one("w", 1));
  folder.write("fp32.safetensors", one("w", 1));
  refused(folder.path(), {folder.path().string(), "\"w\"", "fp16.safetensors", "fp32.safetensors", "one by one"});
}

TEST(SafetensorsFolder, NamesTheBadFile) {
  const TempFolder folder;
  folder.write("a.safetensors", one("a", 1));
  folder.write("b.safetensors", one("b", 1) + "!");
  refused(folder.path(), {"b.safetensors"});
}

class ShardIndex : public ::testing::Test {
 protected:
  ShardIndex() {
    folder.write("m-1.safetensors", make_safetensors({{"a", "U8", {1}, "A"}, {"b", "U8", {1}, "B"}}));
    folder.write("m-2.safetensors", one("c", 3));
    folder.write("extra.safetensors", one("d", 4));
  }
  std::filesystem::path index(std::string_view text) { return folder.write("m.safetensors.index.json", text); }
  void index_refused(std::string_view text, std::vector<std::string> parts) {
    parts.push_back("m.safetensors.index.json");
    index(text);
    SCOPED_TRACE(std::string(text.substr(0, 200)));
    refused(folder.path(), parts);
  }
  TempFolder folder;
};

TEST_F(ShardIndex, StandsForItsFolder) {
  const auto path = index(
      R"({"metadata": {"total_size": 6}, "weight_map": {"c": "m-2.safetensors", "a": "m-1.safetensors", "b": "m-1.safetensors"}})");
  for (const auto& opened : {path, folder.path(), folder.path() / ""}) {
    const auto network = open_network(opened);
    EXPECT_TRUE(network->is_folder());
    EXPECT_EQ(names_of(*network), (std::vector<std::string>{"extra.safetensors", "m-1.safetensors", "m-2.safetensors",
                                                            "m.safetensors.index.json"}));
    EXPECT_EQ(network->tensors().size(), 4u);
  }
}

TEST_F(ShardIndex, IsFoundFromInsideItsFolder) {
  index(R"({"weight_map": {}})");
  const int status = testing::run_in_child([&] {
    std::filesystem::current_path(folder.path());
    return open_network("m.safetensors.index.json")->files().size() == 4 && open_network(".")->files().size() == 4;
  });
  EXPECT_EQ(status, 0);
}

TEST_F(ShardIndex, MustAgreeWithItsShards) {
  index_refused(R"({"weight_map": {"a": "m-1.safetensors"}})", {"\"b\"", "\"m-1.safetensors\"", "missing"});
  index_refused(R"({"weight_map": {"c": "m-2.safetensors", "x": "m-2.safetensors"}})",
                {"\"x\"", "\"m-2.safetensors\"", "does not have it"});
  index_refused(R"({"weight_map": {"c": "m-1.safetensors"}})", {"\"c\"", "\"m-1.safetensors\"", "does not have it"});
  index_refused(R"({"weight_map": {"a": "m-2.safetensors"}})", {"\"a\"", "\"m-2.safetensors\"", "does not have it"});
  index_refused(R"({"weight_map": {"c": "m-3.safetensors"}})", {"\"c\"", "\"m-3.safetensors\"", "no safetensors file"});
  index_refused(R"({"weight_map": {"c": "m.safetensors.index.json"}})", {"\"c\"", "no safetensors file"});
  index_refused(R"({"weight_map": {"c": ".."}})", {"\"c\"", "no safetensors file"});
  index_refused(R"({"weight_map": {"c": "../m-2.safetensors"}})", {"\"c\"", "another folder"});
  index_refused(R"({"weight_map": {"c": "..\\m-2.safetensors"}})", {"\"c\"", "another folder"});
  index_refused(R"({"weight_map": {"c": "/etc/passwd"}})", {"\"c\"", "another folder"});
}

TEST_F(ShardIndex, MustBeAnIndex) {
  index_refused("", {"not valid JSON"});
  index_refused("{\"weight_map\": ", {"not valid JSON", "line 1"});
  index_refused("[]", {"weight_map"});
  index_refused("{}", {"weight_map"});
  index_refused(R"({"weight_map": []})", {"weight_map"});
  index_refused(R"({"weight_map": {"c": 7}})", {"\"c\"", "not a string"});
  index_refused(R"({"weight_map": {"c": "m-2.safetensors", "c": "m-2.safetensors"}})", {"\"c\"", "twice"});
  index_refused(R"({"weight_map": {}, "weight_map": {}})", {"\"weight_map\"", "twice"});
  index_refused("{\"metadata\": " + std::string(100'000, '['), {"nested"});
}

TEST_F(ShardIndex, WithoutItsShardsIsRefused) {
  const TempFolder other;
  other.write("m.safetensors.index.json", R"({"weight_map": {"w": "m-1.safetensors"}})");
  refused(other.path(), {"m.safetensors.index.json", "\"w\"", "\"m-1.safetensors\""});
}

TEST(SafetensorsFolder, MayHaveMoreShardsThanOpenFiles) {
  const TempFolder folder;
  for (int i = 0; i < 150; i++)
    folder.write(std::to_string(i) + ".safetensors", one(std::to_string(i), static_cast<float>(i)));
  const int status = testing::run_in_child([&] {
    const rlimit limit{50, 50};
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
    const auto network = open_network(folder.path());
    for (std::size_t t = 0; t < network->tensors().size(); t++)
      if (tensor_bytes(*network, t) != bytes_of<float>({std::stof(network->tensors()[t].name)})) return false;
    return network->tensors().size() == 150;
  });
  EXPECT_EQ(status, 0);
}

TEST(SafetensorsFile, RealNetworksAreReadWhole) {
  const auto networks = testing::source_folder() / "../shared/models/networks";
  if (!std::filesystem::is_directory(networks)) GTEST_SKIP() << "../shared is not here";
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(networks)) {
    if (entry.path().extension() != ".safetensors") continue;
    const auto network = open_network(entry.path());
    EXPECT_GT(network->tensors().size(), 0u) << entry.path();
    EXPECT_TRUE(reassembled(*network, 0) == file_bytes(*network, 0)) << entry.path();
    files++;
  }
  EXPECT_GT(files, 0u);
}

}  // namespace
}  // namespace weft
