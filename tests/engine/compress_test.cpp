#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <limits>

#include "archive/block.hpp"
#include "backends/cpu/kernels.hpp"
#include "support/expect_error.hpp"
#include "support/memory_network.hpp"
#include "support/random_network.hpp"
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
using testing::values_of;
using testing::weight_bytes;
using Names = std::vector<std::string>;

RunOptions with_threads(std::uint32_t threads) {
  RunOptions options;
  options.threads = threads;
  return options;
}

Config uniform_config(double relative_step, bool per_channel = false) {
  Config config;
  Rule rule;
  rule.spec.codec = CodecId::kUniform;
  rule.spec.relative_step = relative_step;
  rule.spec.per_channel = per_channel;
  config.rules.push_back(rule);
  return config;
}

Config raw_config() {
  Config config;
  config.rules.push_back({});
  config.rules[0].spec.codec = CodecId::kRaw;
  return config;
}

// Several segments, several types, shared streams.
MemoryNetwork large_network() {
  return MemoryNetwork(
      {{"bf16", DType::kBF16, {2500, 1000}, weight_bytes(DType::kBF16, draw_weights(2'500'000, 1, 0.02))},
       {"bias", DType::kF32, {100}, weight_bytes(DType::kF32, draw_weights(100, 2))},
       {"f32", DType::kF32, {300, 1000}, weight_bytes(DType::kF32, draw_weights(300'000, 3, 3))},
       {"ids", DType::kI64, {1000}, std::string(8000, '\1')},
       {"bias2", DType::kF32, {50}, weight_bytes(DType::kF32, draw_weights(50, 4))}});
}

// A rule for everything: two lossy tensors, the rest lossless.
Config mixed_config() {
  Config config = uniform_config(0.3);
  config.rules[0].match = {"f32"};
  config.rules.push_back(config.rules[0]);
  config.rules[1].match = {"bf16"};
  config.rules[1].spec.per_channel = true;
  return config;
}

void expect_restored(const MemoryNetwork& network, const TempFolder& temp, const std::string& out) {
  if (!network.is_folder()) {
    EXPECT_TRUE(temp.read(out) == network.bytes_of_file(0));
    return;
  }
  for (std::size_t f = 0; f < network.files().size(); f++)
    EXPECT_TRUE(temp.read(out + "/" + network.files()[f].name) == network.bytes_of_file(f)) << network.files()[f].name;
  EXPECT_EQ(temp.names(out).size(), network.files().size());
}

TEST(Compress, RestoresNetworksOfEveryKindByteForByte) {
  const TempFolder temp = TempFolder::in_memory();
  RunOptions options;
  options.overwrite = true;
  for (std::uint64_t seed = 0; seed < 1000; seed++) {
    SCOPED_TRACE(seed);
    const MemoryNetwork network = testing::random_network(seed);
    Config config = seed % 8 == 0 ? raw_config() : Config{};
    config.block_log2 = 10 + static_cast<int>(seed % 7);
    options.threads = static_cast<std::uint32_t>(1 + seed % 3);
    options.verify = seed % 2 == 0;
    (void)compress(network, config, temp / "w", options);
    const std::string out = network.is_folder() ? "folder" + std::to_string(seed) : "file";
    (void)decompress(Archive::open(temp / "w"), temp / out, {}, options);
    expect_restored(network, temp, out);
    if (network.is_folder()) std::filesystem::remove_all(temp / out);
    if (HasFailure()) break;
  }
}

TEST(Compress, LossyCodingKeepsWhatItCannotQuantize) {
  const TempFolder temp = TempFolder::in_memory();
  RunOptions options;
  options.overwrite = true;
  for (std::uint64_t seed = 0; seed < 300; seed++) {
    SCOPED_TRACE(seed);
    const MemoryNetwork network = testing::random_network(seed);
    Config config = uniform_config(seed % 3 == 0 ? 0.01 : 0.5, false);
    config.block_log2 = 10 + static_cast<int>(seed % 7);
    const Report report = compress(network, config, temp / "w", options);
    const Report checked = verify(Archive::open(temp / "w"), &network, options);
    for (std::size_t t = 0; t < report.tensors.size(); t++) {
      EXPECT_EQ(report.tensors[t].sum_squared_error, checked.tensors[t].sum_squared_error);
      EXPECT_EQ(report.tensors[t].max_abs_error, checked.tensors[t].max_abs_error);
      EXPECT_TRUE(std::isfinite(report.tensors[t].max_abs_error)) << report.tensors[t].name;
      if (report.tensors[t].codec != "uniform") {
        EXPECT_EQ(report.tensors[t].max_abs_error, 0);
      }
    }
    if (HasFailure()) break;
  }
}

TEST(Compress, EveryTypeAtOddSizes) {
  const TempFolder temp;
  std::vector<MemoryTensor> tensors;
  std::mt19937_64 random(5);
  for (int type = 0; type < kDTypeCount; type++)
    for (const std::uint64_t n : {0u, 4u, 36u, 1028u, 16388u}) {
      const auto dtype = static_cast<DType>(type);
      const std::uint64_t bytes = n * static_cast<std::uint64_t>(bits_of(dtype)) / 8;
      tensors.push_back(
          {std::string(name_of(dtype)) + std::to_string(n), dtype, {n}, testing::random_units(random, dtype, bytes)});
    }
  const MemoryNetwork network(std::move(tensors));
  for (const int block_log2 : {10, 14, 18}) {
    Config config;
    config.block_log2 = block_log2;
    const std::string name = std::to_string(block_log2);
    (void)compress(network, config, temp / (name + ".weft"), {});
    (void)decompress(Archive::open(temp / (name + ".weft")), temp / name, {}, {});
    expect_restored(network, temp, name);
  }
}

TEST(Compress, GivesTheSameBytesForAnyNumberOfThreads) {
  const TempFolder temp;
  const MemoryNetwork network = large_network();
  const Report first = compress(network, mixed_config(), temp / "first", with_threads(1));
  const std::string expected = temp.read("first");
  EXPECT_EQ(first.threads, 1u);
  int run = 0;
  for (const std::uint32_t threads : {1u, 2u, 7u, 7u}) {
    const std::string name = "run" + std::to_string(run++);
    const Report report = compress(network, mixed_config(), temp / name, with_threads(threads));
    EXPECT_TRUE(temp.read(name) == expected) << threads;
    for (std::size_t t = 0; t < report.tensors.size(); t++)
      EXPECT_EQ(report.tensors[t].sum_squared_error, first.tensors[t].sum_squared_error);
  }
}

// Runs in a process of its own, started by the test below: a process chooses its kernels once.
TEST(Compress, DISABLED_InAChild) {
  const char* output = std::getenv("WEFT_TEST_OUTPUT");
  ASSERT_NE(output, nullptr);
  const Report report = compress(large_network(), mixed_config(), output, with_threads(2));
  EXPECT_EQ(report.device, "cpu (" + std::string(std::getenv("WEFT_CPU")) + ")");
}

TEST(Compress, GivesTheSameBytesWithEveryKernelSet) {
  const TempFolder temp;
  std::string expected;
  for (const cpu::Kernels* kernels : cpu::available_kernels()) {
    const std::string name(kernels->name), output = (temp / name).string();
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::setenv("WEFT_CPU", name.c_str(), 1);
      ::setenv("WEFT_TEST_OUTPUT", output.c_str(), 1);
      ::unsetenv("GTEST_TOTAL_SHARDS");  // or this one test may belong to another shard
      ::unsetenv("GTEST_SHARD_INDEX");
      ::execl("/proc/self/exe", "test", "--gtest_filter=Compress.DISABLED_InAChild", "--gtest_also_run_disabled_tests",
              "--gtest_brief=1", static_cast<char*>(nullptr));
      ::_exit(3);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0) << name;
    const std::string bytes = temp.read(name);
    if (expected.empty()) expected = bytes;
    EXPECT_TRUE(bytes == expected) << name;
  }
}

TEST(Compress, TheReportCountsEveryByte) {
  const TempFolder temp;
  MemoryNetwork network = large_network();
  network.add_warning("something was left out");
  const Report report = compress(network, mixed_config(), temp / "w", {});
  const Archive archive = Archive::open(temp / "w");
  EXPECT_EQ(report.bytes_out, std::filesystem::file_size(temp / "w"));
  EXPECT_EQ(report.bytes_in, network.bytes_of_file(0).size());
  EXPECT_EQ(report.command, "compress");
  EXPECT_EQ(report.warnings, network.warnings());
  EXPECT_EQ(parse_config(report.config_json, "report"), mixed_config());
  EXPECT_FALSE(report.estimated);

  std::uint64_t planes = 0, blocks = 0;
  for (const StreamRecord& stream : archive.index().streams)
    for (std::size_t s = 0; s < stream.segment_count; s++) {
      const SegmentRecord& segment = archive.index().segments[stream.first_segment + s];
      for (std::uint32_t b = 0; b < segment.block_count; b++) {
        const BlockRecord& record = archive.index().blocks[segment.first_block + b];
        std::vector<std::byte> bytes(record.size);
        archive.read(record.offset, bytes);
        const int count = stream.codec == CodecId::kUniform ? 3 : unit_bytes(stream.dtype);
        archive::BlockView view;
        ASSERT_EQ(view.parse(bytes, {stream.codec, record.units, count}, cpu::active_kernels().crc32c), "");
        for (int p = 0; p < count; p++) planes += view.plane(p).bytes.size();
        blocks += record.size;
      }
    }
  EXPECT_EQ(report.overhead_bytes, report.bytes_out - planes);
  std::uint64_t of_tensors = 0;
  for (const TensorReport& tensor : report.tensors) of_tensors += tensor.bytes_out;
  EXPECT_EQ(of_tensors, blocks);
}

TEST(Compress, ErrorsAreThoseOfTheRestoredFile) {
  const TempFolder temp;
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF32, DType::kF64}) {
    SCOPED_TRACE(name_of(dtype));
    const std::string name(name_of(dtype));
    auto values = draw_weights(1'200'000, 7, 0.3);
    values[5] = std::numeric_limits<double>::infinity();
    values[1'100'000] = std::nan("");
    values[17] = 1000;  // an exception
    const MemoryNetwork network({{"w", dtype, {300, 4000}, weight_bytes(dtype, values)}});
    const Report report = compress(network, uniform_config(0.5), temp / (name + ".weft"), {});
    (void)decompress(Archive::open(temp / (name + ".weft")), temp / name, {}, {});
    const std::string restored = temp.read(name).substr(8 + network.files()[0].header.size());
    const auto before = values_of(dtype, network.data_of(0)), after = values_of(dtype, restored);
    const auto unit = static_cast<std::size_t>(unit_bytes(dtype));
    double error = 0, squares = 0, largest = 0;
    for (std::size_t i = 0; i < before.size(); i++) {
      if (!std::isfinite(before[i])) {
        EXPECT_EQ(restored.substr(i * unit, unit), network.data_of(0).substr(i * unit, unit));
        continue;
      }
      error += (after[i] - before[i]) * (after[i] - before[i]);
      squares += before[i] * before[i];
      largest = std::max(largest, std::fabs(after[i] - before[i]));
    }
    const TensorReport& tensor = report.tensors[0];
    EXPECT_EQ(tensor.codec, "uniform");
    EXPECT_NEAR(tensor.sum_squared_error / error, 1, 1e-9);
    EXPECT_NEAR(tensor.sum_squares / squares, 1, 1e-9);
    EXPECT_EQ(tensor.max_abs_error, largest);
    ASSERT_TRUE(tensor.step.has_value());
    EXPECT_GT(error, 0);
    EXPECT_LT(std::sqrt(error / 1.2e6), 0.45 * *tensor.step);
    EXPECT_EQ(after[17], before[17]);
  }
}

TEST(Compress, ChannelsAreQuantizedByTheirOwnSize) {
  const TempFolder temp;
  std::vector<double> values;
  for (std::uint64_t c = 0; c < 16; c++) {
    const auto row = draw_weights(3000, c, std::exp2(static_cast<double>(c)) * 1e-3);
    values.insert(values.end(), row.begin(), row.end());
  }
  const MemoryNetwork network({{"w", DType::kF32, {16, 3000}, weight_bytes(DType::kF32, values)}});
  (void)compress(network, uniform_config(0.5, true), temp / "w", {});
  (void)decompress(Archive::open(temp / "w"), temp / "out", {}, {});
  const auto after = values_of(DType::kF32, temp.read("out").substr(8 + network.files()[0].header.size()));
  for (std::size_t c = 0; c < 16; c++) {
    double error = 0;
    for (std::size_t i = c * 3000; i < (c + 1) * 3000; i++) error += (after[i] - values[i]) * (after[i] - values[i]);
    const double relative = std::sqrt(error / 3000) / (std::exp2(static_cast<double>(c)) * 1e-3);
    EXPECT_GT(relative, 0.09) << c;
    EXPECT_LT(relative, 0.20) << c;
  }
}

TEST(Compress, NotesSayWhyACodecWasNotUsed) {
  const TempFolder temp;
  const MemoryNetwork network({{"ids", DType::kI32, {4}, std::string(16, '\3')},
                               {"tiny", DType::kF32, {1000}, weight_bytes(DType::kF32, draw_weights(1000, 1, 1e-41))}});
  const Report report = compress(network, uniform_config(0.5), temp / "w", {});
  EXPECT_EQ(report.tensors[0].codec, "lossless");
  EXPECT_EQ(report.tensors[0].note, "I32 values are not quantized");
  EXPECT_FALSE(report.tensors[0].step.has_value());
  EXPECT_EQ(report.tensors[1].codec, "lossless");
  EXPECT_NE(report.tensors[1].note, "");
  EXPECT_EQ(report.tensors[1].max_abs_error, 0);
}

TEST(Compress, EqualTablesAreStoredOnce) {
  const TempFolder temp;
  const std::string bytes = weight_bytes(DType::kBF16, draw_weights(20000, 1));
  std::vector<MemoryTensor> tensors;
  for (int i = 0; i < 10; i++) tensors.push_back({"t" + std::to_string(i), DType::kBF16, {20000}, bytes});
  (void)compress(MemoryNetwork(std::move(tensors)), Config{}, temp / "w", {});
  const Archive archive = Archive::open(temp / "w");
  EXPECT_EQ(archive.index().streams.size(), 10u);
  EXPECT_LE(archive.index().tables.size(), 2u);
  EXPECT_GE(archive.index().tables.size(), 1u);
}

TEST(Compress, AMemoryLimitThatIsTooSmallIsRefused) {
  const TempFolder temp;
  RunOptions options;
  options.memory_limit = 1 << 20;
  expect_error(ErrorKind::kMemory, {"memory limit of 1.0 MiB"},
               [&] { (void)compress(large_network(), Config{}, temp / "w", options); });
  EXPECT_EQ(temp.names(), Names{});
  options.memory_limit = 40 << 20;
  options.threads = 7;
  EXPECT_LT(compress(large_network(), Config{}, temp / "w", options).threads, 7u);
}

TEST(Compress, CancellingLeavesNothing) {
  const TempFolder temp;
  const MemoryNetwork network = large_network();
  for (const std::uint32_t threads : {1u, 2u, 3u}) {  // fewer than segments: some have not begun
    std::atomic<bool> cancel{false};
    RunOptions options = with_threads(threads);
    options.cancel = &cancel;
    options.progress = [&](const Progress&) { cancel = true; };
    expect_error(ErrorKind::kInterrupted, {}, [&] { (void)compress(network, Config{}, temp / "w", options); });
    EXPECT_EQ(temp.names(), Names{});
  }
}

TEST(Compress, ProgressRisesToTheTotal) {
  const TempFolder temp;
  const MemoryNetwork network = large_network();
  std::uint64_t data = 0;
  for (const auto& tensor : network.tensors()) data += tensor.bytes;
  RunOptions options = with_threads(3);
  options.overwrite = true;
  std::vector<Progress> seen;
  options.progress = [&](const Progress& progress) { seen.push_back(progress); };
  const auto check = [&] {
    ASSERT_FALSE(seen.empty());
    for (std::size_t i = 0; i < seen.size(); i++) {
      EXPECT_EQ(seen[i].total_bytes, data);
      EXPECT_GT(seen[i].done_bytes, i == 0 ? 0 : seen[i - 1].done_bytes);
    }
    EXPECT_EQ(seen.back().done_bytes, data);
    seen.clear();
  };
  (void)compress(network, mixed_config(), temp / "w", options);
  check();
  (void)decompress(Archive::open(temp / "w"), temp / "out", {}, options);
  check();
}

TEST(Compress, AnExistingOutputIsRefusedAndKept) {
  const TempFolder temp;
  temp.write("w", "precious");
  const MemoryNetwork network({{"a", DType::kU8, {3}, "abc"}});
  expect_error(ErrorKind::kUsage, {}, [&] { (void)compress(network, Config{}, temp / "w", {}); });
  EXPECT_EQ(temp.read("w"), "precious");
  RunOptions options;
  options.overwrite = true;
  (void)compress(network, Config{}, temp / "w", options);
  EXPECT_EQ(Archive::open(temp / "w").index().tensors[0].name, "a");
  EXPECT_EQ(temp.names(), Names{"w"});
}

// A network whose disk fails.
class FailingNetwork final : public Network {
 public:
  explicit FailingNetwork(const MemoryNetwork& good) : good_(good) {
    files_ = good.files();
    tensors_ = good.tensors();
  }
  void read_tensor(std::size_t tensor, std::uint64_t offset, std::span<std::byte> out) const override {
    if (offset > 2'000'000) throw Error(ErrorKind::kIo, "the disk is gone");
    good_.read_tensor(tensor, offset, out);
  }
  void read_file(std::size_t file, std::uint64_t offset, std::span<std::byte> out) const override {
    good_.read_file(file, offset, out);
  }

 private:
  const MemoryNetwork& good_;
};

TEST(Compress, AReadErrorComesThroughAndLeavesNothing) {
  const TempFolder temp;
  const MemoryNetwork good = large_network();
  for (const Config& config : {Config{}, mixed_config()})
    for (const std::uint32_t threads : {1u, 7u})
      expect_error(ErrorKind::kIo, {"the disk is gone"},
                   [&] { (void)compress(FailingNetwork(good), config, temp / "w", with_threads(threads)); });
  EXPECT_EQ(temp.names(), Names{});
}

}  // namespace
}  // namespace weft
