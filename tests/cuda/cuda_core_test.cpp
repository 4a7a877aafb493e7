// The core as CUDA kernels against the portable model, byte for byte, on a GPU.
#include <gtest/gtest.h>

#include <cstring>

#include "backends/cpu/kernels.hpp"
#include "cuda/rans_cases.hpp"
#include "device_array.hpp"
#include "kernels/kernels.hpp"
#include "weft/core/byte_planes.hpp"
#include "weft/core/half.hpp"
#include "weft/core/quantize.hpp"

namespace weft::cuda {
namespace {

constexpr std::uint32_t kSizes[] = {1, 31, 32, 33, 1000, 4096, 65535, 262144};

class CudaCore : public testing::Test {
 protected:
  void SetUp() override {
    int devices = 0;
    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) GTEST_SKIP() << "no GPU";
  }
  std::mt19937_64 random_{11};

  std::vector<std::uint8_t> random_bytes(std::size_t n) {
    std::vector<std::uint8_t> r(n);
    for (auto& byte : r) byte = static_cast<std::uint8_t>(random_());
    return r;
  }
};

// Runs one job and returns it with the kernel's answer in it.
template <class Job>
Job run(cudaError_t (*launch)(Job*, std::uint32_t, cudaStream_t), const Job& job) {
  const DeviceArray<Job> jobs(std::vector<Job>{job});
  check(launch(jobs.data(), 1, nullptr));
  return jobs.values()[0];
}

TEST_F(CudaCore, TablesAreTheHosts) {
  for (const RansCase& rans : rans_cases()) {
    const auto counts = rans.counts();
    const auto expected = rans.tables();
    const DeviceArray<std::uint64_t> device_counts(std::vector(counts.begin(), counts.end()));
    const DeviceArray<std::uint16_t> frequencies(256);
    const DeviceArray<core::EncodeTable> encode(1);
    const DeviceArray<std::uint32_t> decode(core::kProbScale);
    const TableJob job =
        run(build_tables, TableJob{device_counts.data(), frequencies.data(), encode.data(), decode.data(), -1});
    std::array<std::uint16_t, 256> host{};
    EXPECT_EQ(job.distinct, core::normalise(counts.data(), host.data())) << rans.name;
    EXPECT_EQ(frequencies.values(), std::vector(host.begin(), host.end())) << rans.name;
    EXPECT_EQ(decode.values(), expected->decode) << rans.name;
    EXPECT_EQ(std::memcmp(encode.values().data(), &expected->encode, sizeof(core::EncodeTable)), 0) << rans.name;
  }
}

TEST_F(CudaCore, RansGivesTheSameWordsAndSymbols) {
  const cpu::Kernels& portable = cpu::portable_kernels();
  for (const RansCase& rans : rans_cases()) {
    const auto tables = rans.tables();
    const DeviceArray<core::EncodeTable> encode(std::vector<core::EncodeTable>{tables->encode});
    const DeviceArray<std::uint32_t> decode(tables->decode);
    for (const int lanes_log2 : {0, 3, core::kLanesLog2}) {
      for (const std::uint32_t n : kSizes) {
        if (lanes_log2 != core::kLanesLog2 && n > 5000) continue;
        SCOPED_TRACE(rans.name + ", lanes_log2 " + std::to_string(lanes_log2) + ", n " + std::to_string(n));
        const auto symbols = rans.symbols(n, n);
        std::vector<std::uint16_t> buffer(core::encode_bound_words(n));
        const std::uint32_t word_count =
            portable.rans_encode(symbols.data(), n, lanes_log2, tables->encode, buffer.data() + buffer.size());
        const std::vector<std::uint16_t> words(buffer.end() - word_count, buffer.end());

        const DeviceArray<std::uint8_t> device_symbols(symbols);
        const DeviceArray<std::uint16_t> device_buffer(buffer.size());
        const EncodeJob encoded = run(rans_encode, EncodeJob{device_symbols.data(), n, lanes_log2, encode.data(),
                                                             device_buffer.data() + buffer.size(), 0});
        ASSERT_EQ(encoded.word_count, word_count);
        const auto device_words = device_buffer.values();
        EXPECT_EQ(std::vector(device_words.end() - word_count, device_words.end()), words);

        for (const std::uint32_t missing : {0u, 1u}) {
          const DeviceArray<std::uint16_t> given(std::vector(words.begin(), words.end() - missing));
          std::vector<std::uint8_t> expected(n);
          const DeviceArray<std::uint8_t> out(expected);
          const core::Status status = portable.rans_decode(words.data(), word_count - missing, lanes_log2,
                                                           tables->decode.data(), n, expected.data());
          const DecodeJob decoded = run(rans_decode, DecodeJob{given.data(), word_count - missing, lanes_log2,
                                                               decode.data(), n, out.data(), core::Status::kOk});
          EXPECT_EQ(decoded.status, status);
          EXPECT_EQ(out.values(), expected);
        }
      }
    }
  }
}

TEST_F(CudaCore, ManyJobsInOneLaunch) {
  const RansCase rans = rans_cases()[2];
  const auto tables = rans.tables();
  const DeviceArray<std::uint32_t> decode(tables->decode);
  constexpr std::uint32_t kJobs = 333, kSymbols = 3000;
  const auto symbols = rans.symbols(kSymbols, 5);
  std::vector<std::uint16_t> buffer(core::encode_bound_words(kSymbols));
  const std::uint32_t word_count = cpu::portable_kernels().rans_encode(symbols.data(), kSymbols, core::kLanesLog2,
                                                                       tables->encode, buffer.data() + buffer.size());
  const DeviceArray<std::uint16_t> words(std::vector(buffer.end() - word_count, buffer.end()));
  const DeviceArray<std::uint8_t> out(std::size_t{kJobs} * kSymbols);
  std::vector<DecodeJob> jobs;
  for (std::uint32_t i = 0; i < kJobs; i++)
    jobs.push_back({words.data(), word_count, core::kLanesLog2, decode.data(), kSymbols,
                    out.data() + std::size_t{i} * kSymbols, core::Status::kTrailing});
  const DeviceArray<DecodeJob> device_jobs(jobs);
  check(rans_decode(device_jobs.data(), kJobs, nullptr));
  for (const DecodeJob& job : device_jobs.values()) ASSERT_EQ(job.status, core::Status::kOk);
  const auto decoded = out.values();
  for (std::uint32_t i = 0; i < kJobs; i++)
    ASSERT_EQ(std::memcmp(decoded.data() + std::size_t{i} * kSymbols, symbols.data(), kSymbols), 0) << i;
}

TEST_F(CudaCore, ChecksumsOfAnyStartAndSize) {
  const auto data = random_bytes(70000);
  const DeviceArray<std::uint8_t> device(data);
  for (const std::size_t n : {0, 1, 127, 128, 129, 4096, 65535, 69990})
    for (const std::size_t start : {0, 1, 2, 3})
      EXPECT_EQ(run(crc32c, ChecksumJob{device.data() + start, n, 0}).crc,
                cpu::portable_kernels().crc32c(data.data() + start, n))
          << n << " from " << start;
}

template <class Unit>
class CudaPlanes : public CudaCore {};
using Units = testing::Types<std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t>;
TYPED_TEST_SUITE(CudaPlanes, Units);

TYPED_TEST(CudaPlanes, SplitAndMerge) {
  constexpr int kBytes = sizeof(TypeParam);
  constexpr std::size_t kUnits = 10007;
  for (const bool rotate : {false, true}) {
    if (kBytes == 1 && rotate) continue;  // bytes are never rotated
    std::vector<TypeParam> units(kUnits);
    for (auto& unit : units) unit = static_cast<TypeParam>(this->random_());
    std::vector<std::uint8_t> expected(kBytes * kUnits);
    std::vector<std::uint8_t*> planes;
    for (int k = 0; k < kBytes; k++) planes.push_back(expected.data() + static_cast<std::size_t>(k) * kUnits);
    cpu::portable_kernels().split(reinterpret_cast<const std::byte*>(units.data()), kUnits, kBytes, rotate,
                                  planes.data());

    const DeviceArray<TypeParam> device_units(units), merged(kUnits);
    const DeviceArray<std::uint8_t> device_planes(expected.size());
    check(split_planes(device_units.data(), kUnits, rotate, device_planes.data(), nullptr));
    EXPECT_EQ(device_planes.values(), expected);
    check(merge_planes(device_planes.data(), kUnits, rotate, merged.data(), nullptr));
    EXPECT_EQ(merged.values(), units);
  }
}

TEST_F(CudaCore, QuantizesLikeTheHost) {
  constexpr std::int32_t kLowest = -128;
  std::vector<std::int32_t> upper(257), fixed(20000), expected;
  for (std::size_t k = 0; k < upper.size(); k++)
    upper[k] = ((static_cast<std::int32_t>(k) + kLowest) << core::kFixedBits) - 512 + static_cast<std::int32_t>(k % 7);
  const std::vector<std::int8_t> corrections{5, -3, 1};
  for (auto& value : fixed) value = static_cast<std::int32_t>(random_() % (250u << core::kFixedBits)) - (125 << 10);
  for (const std::int32_t value : fixed)
    expected.push_back(core::fine_level(core::level_by_threshold(value, upper.data(), kLowest), corrections.data()));
  const DeviceArray<std::int32_t> device_fixed(fixed), device_upper(upper), fine(fixed.size());
  const DeviceArray<std::int8_t> device_corrections(corrections);
  check(quantize(device_fixed.data(), fixed.size(), device_upper.data(), kLowest, device_corrections.data(),
                 fine.data(), nullptr));
  EXPECT_EQ(fine.values(), expected);
}

TEST_F(CudaCore, ConvertsHalfFloatsLikeTheHost) {
  std::vector<std::uint16_t> half(1u << 16);
  for (std::size_t i = 0; i < half.size(); i++) half[i] = static_cast<std::uint16_t>(i);
  std::vector<std::uint32_t> bits(1u << 18);
  for (auto& b : bits) b = static_cast<std::uint32_t>(random_());
  const DeviceArray<std::uint16_t> device_half(half), rounded(bits.size());
  const DeviceArray<std::uint32_t> device_bits(bits), widened(half.size());
  for (const Half type : {Half::kBF16, Half::kF16}) {
    std::vector<std::uint32_t> wide;
    for (const std::uint16_t h : half) wide.push_back(type == Half::kBF16 ? core::bf16_to_f32(h) : core::f16_to_f32(h));
    std::vector<std::uint16_t> narrow;
    for (const std::uint32_t b : bits)
      narrow.push_back(type == Half::kBF16 ? core::f32_to_bf16(b) : core::f32_to_f16(b));
    check(half_to_float(type, device_half.data(), half.size(), widened.data(), nullptr));
    EXPECT_EQ(widened.values(), wide);
    check(float_to_half(type, device_bits.data(), bits.size(), rounded.data(), nullptr));
    EXPECT_EQ(rounded.values(), narrow);
  }
}

}  // namespace
}  // namespace weft::cuda
