// Whole runs on the CUDA backend: the archives and networks of the CPU.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "support/devices.hpp"
#include "support/expect_error.hpp"
#include "support/memory_network.hpp"
#include "support/places.hpp"
#include "support/random_network.hpp"
#include "support/temp_folder.hpp"
#include "support/weights.hpp"
#include "weft/engine.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;

// While it lives, this machine has these devices.
class Devices {
 public:
  explicit Devices(std::size_t count, std::uint64_t memory = std::uint64_t{1} << 30) {
    cuda::DeviceList list;
    for (std::size_t i = 0; i < count; i++) list.devices.push_back(testing::a_device(memory));
    if (count == 0) list = {{}, "the tests have none", true};
    cuda::use_devices(std::move(list));
  }
  Devices(const Devices&) = delete;
  Devices& operator=(const Devices&) = delete;
  ~Devices() { cuda::use_devices(std::nullopt); }
};

RunOptions on(const std::string& device, std::uint32_t threads = 2) {
  RunOptions options;
  options.device = device;
  options.threads = threads;
  options.overwrite = true;
  return options;
}

Config lossy_config() {
  Rule uniform;
  uniform.dtypes = {DType::kF16, DType::kBF16, DType::kF32, DType::kF64};
  uniform.min_elements = 64;
  uniform.spec.codec = CodecId::kUniform;
  uniform.spec.relative_step = 0.4;
  uniform.spec.per_channel = true;
  Config config;
  config.rules = {uniform};
  return config;
}

TEST(EngineDevice, ArchivesAreThoseOfTheCpu) {
  const testing::TempFolder temp;
  for (std::uint64_t seed = 0; seed < 40; seed++) {
    SCOPED_TRACE(seed);
    const auto network = testing::random_network(seed);
    const Config config = seed % 2 == 0 ? Config{} : lossy_config();
    (void)compress(network, config, temp / "cpu.weft", on("cpu"));
    const Devices devices(1 + seed % 3);
    const Report report = compress(network, config, temp / "gpu.weft", on("cuda:all"));
    ASSERT_TRUE(temp.read("cpu.weft") == temp.read("gpu.weft"));
    EXPECT_NE(report.device.find(testing::devices()[0]->name()), std::string::npos);
    EXPECT_TRUE(report.warnings.empty());
    (void)verify(Archive::open(temp / "cpu.weft"), &network, on("cuda"));
  }
}

TEST(EngineDevice, CodebooksAreThoseOfTheCpu) {
  const testing::TempFolder temp;
  const auto weights = [](std::uint64_t n) { return testing::weight_bytes(DType::kF32, testing::draw_weights(n, n)); };
  const testing::MemoryNetwork network({{"scalars", DType::kF32, {70'000}, weights(70'000)},
                                        {"pairs", DType::kF32, {20'000}, weights(20'000)},
                                        {"groups.scalars", DType::kF32, {20, 200}, weights(4000)},
                                        {"groups.fours", DType::kF32, {20, 301}, weights(6020)},
                                        {"many", DType::kF32, {9000}, weights(9000)}});
  Rule scalars, pairs, groups, fours, many;
  scalars.match = {"scalars"};
  pairs.match = {"pairs"};
  groups.match = {"groups.scalars"};
  fours.match = {"groups.fours"};
  many.match = {"many"};
  scalars.spec.codebook_lambda = groups.spec.codebook_lambda = many.spec.codebook_lambda = 0.02;
  pairs.spec.dimension = 2;
  pairs.spec.clusters = 64;  // more entries, a larger sample: large enough for a device
  fours.spec.dimension = 4;
  fours.spec.codebook_lambda = 0.05;
  groups.spec.channel_group = fours.spec.channel_group = 8;
  many.spec.clusters = 300;
  groups.spec.pin_zero = many.spec.pin_zero = true;
  Config config;
  config.rules = {scalars, pairs, groups, fours, many};
  for (Rule& rule : config.rules) rule.spec.codec = CodecId::kCodebook;
  (void)compress(network, config, temp / "cpu.weft", on("cpu"));
  const Devices devices(1);
  for (const std::uint64_t memory : {0, 10'000}) {
    RunOptions options = on("cuda");
    options.device_memory = memory;
    const Report report = compress(network, config, temp / "gpu.weft", options);
    EXPECT_TRUE(temp.read("cpu.weft") == temp.read("gpu.weft"));
    const auto is_of_clustering = [](const std::string& line) { return line.find("clustering") != std::string::npos; };
    EXPECT_EQ(std::count_if(report.warnings.begin(), report.warnings.end(), is_of_clustering), memory == 0 ? 0 : 2)
        << ::testing::PrintToString(report.warnings);
  }
  const Devices several(3);
  for (const std::uint32_t threads : {1u, 2u, 8u}) {
    (void)compress(network, config, temp / "gpus.weft", on("cuda:all", threads));
    EXPECT_TRUE(temp.read("cpu.weft") == temp.read("gpus.weft")) << threads;
  }
}

TEST(EngineDevice, GoldenArchivesRestoreTheirBytes) {
  const testing::TempFolder temp;
  const Devices devices(1);
  int archives = 0;
  for (const auto& entry : fs::directory_iterator(testing::source_folder() / "tests/golden")) {
    if (entry.path().extension() != ".weft" || Archive::open(entry.path()).index().is_folder) continue;
    SCOPED_TRACE(entry.path());
    (void)decompress(Archive::open(entry.path()), temp / "restored", {}, on("cuda"));
    EXPECT_TRUE(temp.read("restored") == testing::read_file(fs::path(entry.path()).replace_extension(".safetensors")));
    archives++;
  }
  EXPECT_GE(archives, 10);
}

TEST(EngineDevice, ReportsTransfersAndMemory) {
  const testing::TempFolder temp;
  const Devices devices(1);
  const testing::MemoryNetwork network({{"w", DType::kBF16, {300, 1000}, std::string(600000, 'x')}});
  const Report report = compress(network, {}, temp / "w.weft", on("cuda:0"));
  EXPECT_GT(report.peak_device_bytes, 600000u);
  const auto is_transfer = [](const StageReport& stage) { return stage.name == "transfer" && stage.bytes > 0; };
  EXPECT_TRUE(std::any_of(report.stages.begin(), report.stages.end(), is_transfer));
  EXPECT_EQ(report.device, "cuda (" + testing::devices()[0]->name() + ")");
}

TEST(EngineDevice, TooLittleMemoryFallsBackToTheCpuAndSaysSo) {
  const testing::TempFolder temp;
  const Devices devices(1);
  const testing::MemoryNetwork network({{"w", DType::kBF16, {3000}, std::string(6000, 'x')}});
  RunOptions options = on("cuda");
  (void)compress(network, {}, temp / "cpu.weft", on("cpu"));
  options.device_memory = 100;
  const Report report = compress(network, {}, temp / "gpu.weft", options);
  EXPECT_TRUE(temp.read("cpu.weft") == temp.read("gpu.weft"));
  ASSERT_FALSE(report.warnings.empty());
  EXPECT_NE(report.warnings[0].find("--device-memory"), std::string::npos) << report.warnings[0];
}

TEST(EngineDevice, WithoutADeviceAutoMeansTheCpuAndCudaIsAnError) {
  const testing::TempFolder temp;
  const Devices none(0);
  const auto network = testing::random_network(3);
  const Report report = compress(network, {}, temp / "w.weft", on("auto"));
  EXPECT_EQ(report.device.substr(0, 3), "cpu");
  EXPECT_EQ(report.warnings, std::vector<std::string>{"running on the CPU: the tests have none"});
  testing::expect_error(ErrorKind::kUnsupported, {"the tests have none"},
                        [&] { (void)compress(network, {}, temp / "w.weft", on("cuda")); });
  const Devices one(1);
  testing::expect_error(ErrorKind::kUnsupported, {"this machine has 1 usable GPU"},
                        [&] { (void)compress(network, {}, temp / "w.weft", on("cuda:1")); });
}

}  // namespace
}  // namespace weft
