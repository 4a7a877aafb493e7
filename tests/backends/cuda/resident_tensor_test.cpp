// Rows of tensors from resident blocks, on a device.
#include "backends/cuda/resident_tensor.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "backends/cuda/memory.hpp"
#include "support/devices.hpp"
#include "support/expect_error.hpp"
#include "support/memory_network.hpp"
#include "support/sanitizer.hpp"
#include "support/temp_folder.hpp"
#include "support/weights.hpp"
#include "weft/engine.hpp"

namespace weft {
namespace {

using testing::MemoryNetwork;

constexpr unsigned kDraws = 5 / testing::kEvery;  // of rows of a tensor

// Weights whose columns differ in width.
std::vector<double> columns_first(std::uint64_t rows, std::uint64_t columns) {
  std::vector<double> values = testing::draw_weights(rows * columns, 6);
  for (std::size_t i = 0; i < values.size(); i++) values[i] *= std::exp2(static_cast<double>(i % columns % 5));
  return values;
}

class ResidentRows : public ::testing::Test {
 protected:
  testing::TempFolder temp_;
  std::shared_ptr<cuda::Device> device_ = testing::a_device();
  std::unique_ptr<cuda::Queue> queue_ = device_->make_queue();

  // The rows as a caller gets them, at an odd address where that is asked for.
  std::string decode(const Archive& archive, std::size_t tensor, std::uint64_t first, std::uint64_t rows,
                     std::size_t offset = 0) {
    cuda::ResidentRows resident(archive, tensor, first, rows);
    cuda::Heap heap(device_, UINT64_MAX);
    cuda::DeviceBuffer memory(heap), out(heap);
    EXPECT_TRUE(memory.reserve(resident.resident_bytes() + 1));
    EXPECT_TRUE(out.reserve(resident.output_bytes() + offset + 1));
    resident.upload(*queue_, memory.data());
    std::string result(resident.output_bytes(), '?');
    for (int again = 0; again < 2; again++) {
      resident.decode(*queue_, out.data() + offset);
      resident.check(*queue_);
      queue_->to_host(result.data(), out.data() + offset, result.size());
      queue_->wait();
    }
    return result;
  }

  // All rows of all tensors, and some of them.
  void expect_rows_of_decompress(const Archive& archive) {
    (void)decompress(archive, temp_ / "w.safetensors", {}, {});
    const auto restored = open_network(temp_ / "w.safetensors");
    std::mt19937_64 random(4);
    for (std::size_t t = 0; t < restored->tensors().size(); t++) {
      const std::uint64_t rows = restored->tensors()[t].shape[0];
      std::string data(restored->tensors()[t].bytes, '\0');
      restored->read_tensor(t, 0, std::as_writable_bytes(std::span(data)));
      EXPECT_TRUE(decode(archive, t, 0, rows) == data) << t;
      for (unsigned i = 0; i < kDraws; i++) {
        const std::uint64_t first = random() % rows, count = random() % (rows - first + 1), row = data.size() / rows;
        ASSERT_TRUE(decode(archive, t, first, count, random() % 20) == data.substr(first * row, count * row))
            << t << ": " << count << " from " << first;
      }
    }
  }
};

TEST_F(ResidentRows, AreThoseOfTheNetwork) {
  std::string repeated;
  while (repeated.size() < 400000) repeated += "no order-0 coder sees that this text repeats; ";
  const std::string bf16 = testing::weight_bytes(DType::kBF16, testing::draw_weights(300 * 700, 1));
  const std::string f32 = testing::weight_bytes(DType::kF32, testing::draw_weights(90 * 64 * 9, 2));
  const MemoryNetwork network({{"bf16", DType::kBF16, {300, 700}, bf16},
                               {"f32", DType::kF32, {90, 64, 3, 3}, f32},
                               {"small", DType::kF32, {6, 50}, f32.substr(0, 1200)},
                               {"empty", DType::kF32, {0, 5}, ""},
                               {"scalar", DType::kI64, {}, "12345678"},
                               {"repeats", DType::kF32, {100, 1000}, repeated.substr(0, 400000)}});
  Config config;
  config.block_log2 = 12;
  (void)compress(network, config, temp_ / "w.weft", {});
  const Archive archive = Archive::open(temp_ / "w.weft");
  std::mt19937_64 random(4);
  for (std::size_t t = 0; t < network.tensors().size(); t++) {
    const auto& shape = network.tensors()[t].shape;
    const std::uint64_t rows = shape.empty() ? 1 : shape[0];
    const std::string& data = network.data_of(t);
    EXPECT_TRUE(decode(archive, t, 0, rows) == data) << t;
    for (unsigned i = 0; i < kDraws && rows > 1; i++) {
      const std::uint64_t first = random() % rows, count = random() % (rows - first + 1), row = data.size() / rows;
      ASSERT_TRUE(decode(archive, t, first, count, random() % 20) == data.substr(first * row, count * row))
          << t << ": " << count << " from " << first;
    }
  }
}

TEST_F(ResidentRows, OfAUniformTensorAreThoseOfDecompress) {
  MemoryNetwork network(
      {{"w", DType::kBF16, {64, 1000}, testing::weight_bytes(DType::kBF16, testing::draw_weights(64000, 3))}});
  Config config;
  config.block_log2 = 12;
  config.rules.resize(1);
  config.rules[0].spec.codec = CodecId::kUniform;
  config.rules[0].spec.relative_step = 0.3;
  config.rules[0].spec.per_channel = true;
  (void)compress(network, config, temp_ / "w.weft", {});
  const Archive archive = Archive::open(temp_ / "w.weft");
  (void)decompress(archive, temp_ / "w.safetensors", {}, {});
  const std::string file = temp_.read("w.safetensors"), whole = file.substr(file.size() - 128000);
  EXPECT_TRUE(decode(archive, 0, 0, 64) == whole);
  EXPECT_TRUE(decode(archive, 0, 5, 40, 2) == whole.substr(5 * 2000, 40 * 2000));
}

// With and without another order, with prediction and without, in blocks that a row does not end with.
TEST_F(ResidentRows, OfTrellisTensorsAreThoseOfDecompress) {
  std::vector<double> smooth = testing::draw_weights(3 * 3 * 64 * 96, 7);
  for (std::size_t i = 1; i < smooth.size(); i++) smooth[i] = 0.8 * smooth[i - 1] + 0.2 * smooth[i];
  std::vector<double> along_rows(smooth.size());  // smooth where the data is not: a view pays
  for (std::size_t i = 0; i < smooth.size(); i++) along_rows[i % 96 * 576 + i / 96] = smooth[i];
  const MemoryNetwork network(
      {{"plain", DType::kBF16, {64, 1000}, testing::weight_bytes(DType::kBF16, testing::draw_weights(64000, 3))},
       {"columns", DType::kF16, {300, 77}, testing::weight_bytes(DType::kF16, columns_first(300, 77))},
       {"smooth", DType::kF32, {64, 96, 3, 3}, testing::weight_bytes(DType::kF32, smooth)},
       {"reversed", DType::kF32, {96, 576}, testing::weight_bytes(DType::kF32, along_rows)}});
  Config config;
  config.block_log2 = 12;
  config.rules.resize(1);
  config.rules[0].spec.codec = CodecId::kTrellis;
  config.rules[0].spec.relative_step = 0.4;
  (void)compress(network, config, temp_ / "w.weft", {});
  const Archive archive = Archive::open(temp_ / "w.weft");
  const auto has = [&](auto what) {
    return std::any_of(archive.index().streams.begin(), archive.index().streams.end(), what);
  };
  EXPECT_TRUE(has([](const StreamRecord& stream) { return stream.trellis.predicts; }));
  EXPECT_TRUE(has([](const StreamRecord& stream) { return stream.trellis.view[0] > 1; }));
  expect_rows_of_decompress(archive);
}

// Scales of columns and of rows; indices of one byte and of two, which are looked up in a second step.
TEST_F(ResidentRows, OfTensorsCodedByClassAreThoseOfDecompress) {
  const MemoryNetwork network(
      {{"lossless", DType::kBF16, {230, 90}, testing::weight_bytes(DType::kBF16, columns_first(230, 90))},
       {"codebook", DType::kF16, {300, 77}, testing::weight_bytes(DType::kF16, columns_first(300, 77))},
       {"wide", DType::kF32, {77, 300}, testing::weight_bytes(DType::kF32, columns_first(77, 300))}});
  Config config;
  config.block_log2 = 12;
  config.rules.resize(3);
  for (std::size_t r = 0; r < 3; r++) {
    config.rules[r].match = {network.tensors()[r].name};
    config.rules[r].spec.symbol_model = "auto";
    config.rules[r].spec.codec = r == 0 ? CodecId::kLossless : CodecId::kCodebook;
    config.rules[r].spec.clusters = r == 2 ? 700 : 32;
  }
  (void)compress(network, config, temp_ / "w.weft", {});
  const Archive archive = Archive::open(temp_ / "w.weft");
  for (const SegmentRecord& segment : archive.index().segments) EXPECT_FALSE(segment.class_tables.empty());
  expect_rows_of_decompress(archive);
}

TEST_F(ResidentRows, RefuseRowsThatAreNotThere) {
  const MemoryNetwork network({{"w", DType::kU8, {10, 3}, std::string(30, 'x')}});
  (void)compress(network, {}, temp_ / "w.weft", {});
  const Archive archive = Archive::open(temp_ / "w.weft");
  testing::expect_error(ErrorKind::kUsage, {"tensor w", "10 rows"}, [&] { (void)decode(archive, 0, 8, 3); });
  testing::expect_error(ErrorKind::kUsage, {"no tensor"}, [&] { (void)decode(archive, 1, 0, 1); });
  cuda::ResidentRows resident(archive, 0, 0, 10);
  cuda::Heap heap(device_, UINT64_MAX);
  cuda::DeviceBuffer memory(heap);
  EXPECT_TRUE(memory.reserve(resident.resident_bytes() + 16));
  testing::expect_error(ErrorKind::kUsage, {"multiple of 256"}, [&] { resident.upload(*queue_, memory.data() + 16); });
}

TEST_F(ResidentRows, OfADamagedBlockAreAnErrorThatNamesIt) {
  const MemoryNetwork network(
      {{"w", DType::kBF16, {100, 1000}, testing::weight_bytes(DType::kBF16, testing::draw_weights(100000, 5))}});
  Config config;
  config.block_log2 = 12;
  (void)compress(network, config, temp_ / "w.weft", {});
  const Index index = Archive::open(temp_ / "w.weft").index();
  std::string bytes = temp_.read("w.weft");
  bytes[index.blocks[7].offset + 1000] ^= 1;
  temp_.write("w.weft", bytes);
  const Archive archive = Archive::open(temp_ / "w.weft");
  EXPECT_EQ(decode(archive, 0, 0, 20).size(), 40000u);
  testing::expect_error(ErrorKind::kArchive, {"w.weft", "tensor w", "block 7", "its checksum is wrong"},
                        [&] { (void)decode(archive, 0, 0, 100); });
}

}  // namespace
}  // namespace weft
