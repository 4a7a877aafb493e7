#include <gtest/gtest.h>

#include "support/expect_error.hpp"
#include "support/memory_network.hpp"
#include "support/temp_folder.hpp"
#include "support/weights.hpp"
#include "weft/engine.hpp"

namespace weft {
namespace {

using testing::draw_weights;
using testing::expect_error;
using testing::MemoryNetwork;
using testing::MemoryTensor;
using testing::TempFolder;
using testing::weight_bytes;

std::vector<MemoryTensor> tensors() {
  return {{"bias", DType::kF32, {10}, weight_bytes(DType::kF32, draw_weights(10, 1))},
          {"weight", DType::kF32, {200, 200}, weight_bytes(DType::kF32, draw_weights(40'000, 2))},
          {"ids", DType::kI32, {2, 3}, std::string(24, '\5')}};
}

Config lossy_weight() {
  Config config;
  Rule rule;
  rule.match = {"weight"};
  rule.spec.codec = CodecId::kUniform;
  rule.spec.relative_step = 0.5;
  config.rules.push_back(rule);
  return config;
}

MemoryNetwork folder(const std::string& asset, const std::string& asset_name = "config.json") {
  MemoryNetwork network;
  network.make_folder();
  network.add_asset(asset_name, asset);
  network.add_safetensors("m.safetensors", tensors());
  return network;
}

TEST(Verify, AnIntactArchiveIsFine) {
  const TempFolder temp;
  (void)compress(MemoryNetwork(tensors()), lossy_weight(), temp / "w", {});
  const Archive archive = Archive::open(temp / "w");
  const Report report = verify(archive, nullptr, {});
  EXPECT_EQ(report.command, "verify");
  EXPECT_EQ(report.tensors.size(), 3u);
  EXPECT_EQ(report.bytes_out, archive.file_bytes());
  EXPECT_EQ(report.bytes_in, MemoryNetwork(tensors()).bytes_of_file(0).size());
  EXPECT_EQ(temp.names().size(), 1u);
}

TEST(Verify, TheOriginalGivesTheErrorsOfTheCompression) {
  const TempFolder temp;
  const MemoryNetwork network(tensors());
  const Report compressed = compress(network, lossy_weight(), temp / "w", {});
  for (const std::uint32_t threads : {1u, 3u}) {
    RunOptions options;
    options.threads = threads;
    const Report report = verify(Archive::open(temp / "w"), &network, options);
    for (std::size_t t = 0; t < 3; t++) {
      EXPECT_EQ(report.tensors[t].sum_squared_error, compressed.tensors[t].sum_squared_error);
      EXPECT_EQ(report.tensors[t].sum_squares, compressed.tensors[t].sum_squares);
      EXPECT_EQ(report.tensors[t].max_abs_error, compressed.tensors[t].max_abs_error);
    }
    EXPECT_GT(report.tensors[1].max_abs_error, 0);
  }
}

TEST(Verify, EveryKindOfDifferenceIsFound) {
  const TempFolder temp;
  (void)compress(MemoryNetwork(tensors()), lossy_weight(), temp / "w", {});
  const Archive archive = Archive::open(temp / "w");
  const auto differ = [&](const std::vector<std::string>& parts,
                          const std::function<void(std::vector<MemoryTensor>&)>& f) {
    std::vector<MemoryTensor> other = tensors();
    f(other);
    const MemoryNetwork network(std::move(other));
    expect_error(ErrorKind::kVerify, parts, [&] { (void)verify(archive, &network, {}); });
  };
  differ({"no tensor bias"}, [](auto& t) { t[0].name = "bios"; });
  differ({"no tensor bias"}, [](auto& t) { t.erase(t.begin()); });
  differ({"lacks 1 tensors", "more"}, [](auto& t) { t.push_back({"more", DType::kU8, {1}, "x"}); });
  differ({"ids", "I32", "U32"}, [](auto& t) { t[2].dtype = DType::kU32; });
  differ({"ids", "[2, 3]", "[3, 2]"}, [](auto& t) { t[2].shape = {3, 2}; });
  differ({"bias", "losslessly"}, [](auto& t) { t[0].bytes[3] ^= 1; });
  differ({"ids", "losslessly"}, [](auto& t) { t[2].bytes[23] ^= 1; });
  differ({"weight", "not finite"}, [](auto& t) { t[1].bytes.replace(400, 4, "\xFF\xFF\xFF\xFF"); });
  differ({"weight", "dB", "than no weights at all"}, [](auto& t) {
    for (std::size_t i = 3; i < t[1].bytes.size(); i += 4) t[1].bytes[i] ^= '\x80';  // signs
  });
  differ({"headers"}, [](auto& t) { std::swap(t[0], t[2]); });
}

TEST(Verify, FoldersAreComparedFileByFile) {
  const TempFolder temp;
  (void)compress(folder("{\"layers\": 3}"), Config{}, temp / "w", {});
  const Archive archive = Archive::open(temp / "w");
  const auto differ = [&](const std::string& part, const MemoryNetwork& network) {
    expect_error(ErrorKind::kVerify, {part}, [&] { (void)verify(archive, &network, {}); });
  };
  const MemoryNetwork same = folder("{\"layers\": 3}");
  EXPECT_NO_THROW((void)verify(archive, &same, {}));
  differ("config.json has other bytes", folder("{\"layers\": 4}"));
  differ("config.json is another one", folder("{\"layers\": 33}"));
  differ("no file config.json", folder("{\"layers\": 3}", "other.json"));
  MemoryNetwork more = folder("{\"layers\": 3}");
  more.add_asset("vocabulary", "a b c");
  differ("vocabulary", more);
}

TEST(Verify, ACorruptBlockIsNamed) {
  const TempFolder temp;
  (void)compress(folder("some text that is an asset"), lossy_weight(), temp / "w", {});
  const std::string good = temp.read("w");
  const Index index = Archive::open(temp / "w").index();
  for (std::size_t b = 0; b < index.blocks.size(); b++) {
    std::size_t stream = 0;
    for (std::size_t s = 0; s < index.streams.size(); s++)
      if (index.streams[s].segment_count > 0 && index.segments[index.streams[s].first_segment].first_block <= b)
        stream = s;
    const auto& members = index.streams[stream].members;
    const std::string owner = members.empty() ? "file config.json" : "tensor " + index.tensors[members[0]].name;
    std::string bad = good;
    bad[index.blocks[b].offset + index.blocks[b].size - 1] ^= 16;
    temp.write("bad", bad);
    expect_error(ErrorKind::kArchive,
                 {(temp / "bad").string(), owner, "block " + std::to_string(b) + " ",
                  "byte " + std::to_string(index.blocks[b].offset), "intact copy"},
                 [&] { (void)verify(Archive::open(temp / "bad"), nullptr, {}); });
  }
}

TEST(Verify, TheFirstOfSeveralCorruptBlocksIsNamed) {
  const TempFolder temp;
  Config config;
  config.block_log2 = 10;
  (void)compress(MemoryNetwork(tensors()), config, temp / "w", {});
  std::string bytes = temp.read("w");
  const Index index = Archive::open(temp / "w").index();
  ASSERT_GT(index.blocks.size(), 20u);
  for (const std::size_t b : {20u, 5u, 12u}) bytes[index.blocks[b].offset + 1] ^= 1;
  temp.write("w", bytes);
  for (const std::uint32_t threads : {1u, 7u}) {
    RunOptions options;
    options.threads = threads;
    expect_error(ErrorKind::kArchive, {"block 5 "}, [&] { (void)verify(Archive::open(temp / "w"), nullptr, options); });
  }
}

}  // namespace
}  // namespace weft
