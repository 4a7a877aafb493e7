#include <gtest/gtest.h>

#include "engine/decode_run.hpp"
#include "support/expect_error.hpp"
#include "support/memory_network.hpp"
#include "support/random_network.hpp"
#include "support/temp_folder.hpp"
#include "weft/engine.hpp"

namespace weft {
namespace {

using testing::draw_weights;
using testing::expect_error;
using testing::MemoryNetwork;
using testing::TempFolder;
using testing::weight_bytes;
using Names = std::vector<std::string>;

// Tensors that begin and end within blocks and segments of the stream that they share, and one of two segments.
MemoryNetwork network_across_blocks() {
  std::vector<testing::MemoryTensor> tensors;
  std::mt19937_64 random(1);
  for (int i = 0; i < 90; i++) {
    const std::uint64_t n = 1 + random() % 16000;
    tensors.push_back({"small." + std::to_string(i),
                       DType::kBF16,
                       {n},
                       weight_bytes(DType::kBF16, draw_weights(n, static_cast<std::uint64_t>(i)))});
  }
  tensors.push_back({"large", DType::kBF16, {1'200'001}, weight_bytes(DType::kBF16, draw_weights(1'200'001, 99))});
  tensors.push_back({"empty", DType::kF32, {0}, ""});
  return MemoryNetwork(std::move(tensors));
}

// The file that decompress must write for these tensors.
std::string file_of(const MemoryNetwork& network, const std::vector<std::size_t>& chosen) {
  std::vector<testing::MemoryTensor> tensors;
  for (const std::size_t t : chosen) {
    const TensorInfo& info = network.tensors()[t];
    tensors.push_back({info.name, info.dtype, info.shape, network.data_of(t)});
  }
  return MemoryNetwork(std::move(tensors)).bytes_of_file(0);
}

class DecompressTest : public ::testing::TestWithParam<int> {
 protected:
  DecompressTest() {
    Config config;
    config.block_log2 = GetParam();
    (void)compress(network_, config, temp_ / "w", {});
  }
  TempFolder temp_;
  MemoryNetwork network_ = network_across_blocks();
};

TEST_P(DecompressTest, RestoresAcrossBlocksAndSegments) {
  for (const std::uint32_t threads : {1u, 3u}) {
    RunOptions options;
    options.threads = threads;
    options.overwrite = true;
    const Archive archive = Archive::open(temp_ / "w");
    const Report report = decompress(archive, temp_ / "out", {}, options);
    EXPECT_TRUE(temp_.read("out") == network_.bytes_of_file(0));
    EXPECT_EQ(report.command, "decompress");
    EXPECT_EQ(report.bytes_in, network_.bytes_of_file(0).size());
    EXPECT_EQ(report.bytes_out, archive.file_bytes());
  }
}

TEST_P(DecompressTest, ChoosesTensorsByGlob) {
  const Archive archive = Archive::open(temp_ / "w");
  const std::vector<std::pair<Names, std::vector<std::size_t>>> cases = {
      {{"small.7"}, {7}},
      {{"large"}, {90}},
      {{"empty"}, {91}},
      {{"small.1?", "small.2", "small.12"}, {2, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}},
      {{"small.89", "l*"}, {89, 90}},
  };
  int run = 0;
  for (const auto& [globs, chosen] : cases) {
    const std::string name = "out" + std::to_string(run++);
    const Report report = decompress(archive, temp_ / name, globs, {});
    EXPECT_TRUE(temp_.read(name) == file_of(network_, chosen)) << name;
    ASSERT_EQ(report.tensors.size(), chosen.size());
    std::uint64_t coded = 0;
    for (std::size_t i = 0; i < chosen.size(); i++) {
      EXPECT_EQ(report.tensors[i].name, network_.tensors()[chosen[i]].name);
      coded += report.tensors[i].bytes_out;
    }
    EXPECT_EQ(report.bytes_out, coded);
  }
}

INSTANTIATE_TEST_SUITE_P(Blocks, DecompressTest, ::testing::Values(10, 16, 18));

TEST(Decompress, ReadsOnlyTheBlocksOfChosenTensors) {
  const TempFolder temp;
  const MemoryNetwork network = network_across_blocks();
  Config config;
  config.block_log2 = 10;
  (void)compress(network, config, temp / "w", {});
  const Archive archive = Archive::open(temp / "w");
  const Index& index = archive.index();
  for (const std::size_t t : {std::size_t{0}, std::size_t{42}, std::size_t{89}, std::size_t{90}}) {
    std::vector<bool> chosen(index.tensors.size());
    chosen[t] = true;
    const TensorPlace& place = index.places[t];
    std::uint64_t units = 0, next = place.first_unit >> 10 << 10;
    for (const engine::DecodeTask& task : engine::tasks_for(index, chosen)) {
      EXPECT_EQ(task.stream, place.stream);
      EXPECT_EQ(task.first_unit, next);
      EXPECT_LE(task.units, 1u << 20);
      next += task.units;
      units += task.units;
    }
    EXPECT_GE(next, place.first_unit + place.units);
    EXPECT_LE(units, place.units + 2 * 1024);
  }
}

TEST(Decompress, RestoresFolders) {
  const TempFolder temp;
  MemoryNetwork network;
  network.make_folder();
  network.add_asset("config.json", "{\"a\": 1}");
  network.add_safetensors("a.safetensors", {{"w", DType::kF32, {3}, std::string(12, '\7')}}, {},
                          "{\"w\":{\"shape\":[3],\"dtype\":\"F32\",\"data_offsets\":[0,12]}}   ");
  std::mt19937_64 random(3);
  network.add_asset("large.bin", testing::random_bytes(random, 3'000'000));
  network.add_asset("empty", "");
  network.add_safetensors("none.safetensors", {});
  (void)compress(network, Config{}, temp / "w", {});
  (void)decompress(Archive::open(temp / "w"), temp / "out", {}, {});
  for (std::size_t f = 0; f < network.files().size(); f++)
    EXPECT_TRUE(temp.read("out/" + network.files()[f].name) == network.bytes_of_file(f)) << f;
  EXPECT_EQ(temp.names("out").size(), 5u);
  EXPECT_EQ(temp.names(), (Names{"out", "w"}));

  expect_error(ErrorKind::kUsage, {}, [&] { (void)decompress(Archive::open(temp / "w"), temp / "out", {}, {}); });
  (void)decompress(Archive::open(temp / "w"), temp / "one", {"w"}, {});
  EXPECT_TRUE(temp.read("one") == file_of(network, {0}));
}

TEST(Decompress, AnExistingFileIsRefusedAndKept) {
  const TempFolder temp;
  temp.write("out", "precious");
  (void)compress(MemoryNetwork({{"w", DType::kU8, {3}, "abc"}}), Config{}, temp / "w", {});
  const Archive archive = Archive::open(temp / "w");
  for (const Names& globs : {Names{}, Names{"w"}})
    expect_error(ErrorKind::kUsage, {}, [&] { (void)decompress(archive, temp / "out", globs, {}); });
  EXPECT_EQ(temp.read("out"), "precious");
}

TEST(Decompress, AGlobThatMatchesNothingIsRefused) {
  const TempFolder temp;
  (void)compress(MemoryNetwork({{"w", DType::kU8, {3}, "abc"}}), Config{}, temp / "w", {});
  expect_error(ErrorKind::kUsage, {"'x*'", "inspect"}, [&] {
    (void)decompress(Archive::open(temp / "w"), temp / "out", {"w", "x*"}, {});
  });
  EXPECT_EQ(temp.names(), Names{"w"});
}

TEST(Decompress, ACorruptBlockLeavesNothing) {
  const TempFolder temp;
  const MemoryNetwork network = network_across_blocks();
  (void)compress(network, Config{}, temp / "w", {});
  std::string bytes = temp.read("w");
  bytes[bytes.size() / 2] ^= 4;
  temp.write("w", bytes);
  const Archive archive = Archive::open(temp / "w");
  for (const std::uint32_t threads : {1u, 7u}) {
    RunOptions options;
    options.threads = threads;
    expect_error(ErrorKind::kArchive, {(temp / "w").string(), "tensor large", "block", "checksum"},
                 [&] { (void)decompress(archive, temp / "out", {}, options); });
    EXPECT_EQ(temp.names(), Names{"w"});
  }
  (void)decompress(archive, temp / "part", {"small.1*"}, {});  // what is intact can be had
  EXPECT_EQ(temp.names(), (Names{"part", "w"}));
}

TEST(Decompress, CancellingLeavesNothing) {
  const TempFolder temp;
  MemoryNetwork network = network_across_blocks();
  (void)compress(network, Config{}, temp / "w", {});
  std::atomic<bool> cancel{false};
  RunOptions options;
  options.cancel = &cancel;
  options.threads = 1;
  options.progress = [&](const Progress&) { cancel = true; };
  expect_error(ErrorKind::kInterrupted, {},
               [&] { (void)decompress(Archive::open(temp / "w"), temp / "out", {}, options); });
  EXPECT_EQ(temp.names(), Names{"w"});
}

}  // namespace
}  // namespace weft
