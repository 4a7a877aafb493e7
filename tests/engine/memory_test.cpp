// Peak memory: a network far larger than the limit passes through a process that stays small.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <functional>

#include "formats/safetensors.hpp"
#include "support/sanitizer.hpp"
#include "support/temp_folder.hpp"
#include "weft/engine.hpp"
#include "weft/error.hpp"

namespace weft {
namespace {

using testing::TempFolder;

// Tensors of BF16 weights that are computed when they are read.
class ComputedNetwork final : public Network {
 public:
  ComputedNetwork(std::size_t tensors, std::uint64_t rows) {
    for (std::size_t t = 0; t < tensors; t++)
      tensors_.push_back({"layer." + std::to_string(t), DType::kBF16, {rows, 1024}, rows * 1024, rows * 2048});
    FileInfo file;
    file.kind = FileInfo::Kind::kSafetensors;
    file.name = "m.safetensors";
    file.tensor_count = tensors;
    file.header = formats::canonical_header(tensors_, {}, false);
    file.bytes = 8 + file.header.size() + tensors * rows * 2048;
    files_.push_back(file);
  }
  void read_tensor(std::size_t tensor, std::uint64_t offset, std::span<std::byte> out) const override {
    for (std::size_t i = 0; i + 1 < out.size(); i += 2) {
      const std::uint64_t hash = (offset + i + tensor) * 0x9E3779B97F4A7C15u;
      const auto unit = static_cast<std::uint16_t>((hash >> 63) << 15 | (120 + __builtin_ctzll(hash >> 20 | 256)) << 7 |
                                                   (hash >> 48 & 127));
      std::memcpy(out.data() + i, &unit, sizeof unit);
    }
  }
  void read_file(std::size_t, std::uint64_t, std::span<std::byte>) const override {
    throw Error(ErrorKind::kInternal, "there are no assets");
  }
};

// The peak resident set of a child that runs `action`, in bytes; 0 when it failed.
std::uint64_t peak_of(const std::function<void()>& action) {
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      action();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "in the child: %s\n", error.what());
      ::_exit(1);
    }
    ::_exit(0);
  }
  int status = -1;
  rusage usage{};
  if (::wait4(child, &status, 0, &usage) != child || status != 0) return 0;
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

TEST(Memory, StaysFarBelowTheSizeOfTheNetwork) {
  if (testing::kSanitized) GTEST_SKIP() << "a sanitizer's own memory is counted too";
  const TempFolder temp = TempFolder::in_memory();
  const ComputedNetwork network(18, 8'000);  // 16 MB each
  const std::uint64_t largest = network.tensors()[0].bytes;
  const std::uint64_t bound = largest + largest / 2 + (256u << 20);
  ASSERT_GT(network.files()[0].bytes, bound);
  RunOptions options;
  options.threads = 4;
  Config lossy;
  lossy.rules.push_back({});
  lossy.rules[0].spec.codec = CodecId::kUniform;
  lossy.rules[0].spec.relative_step = 0.5;
  const std::uint64_t lossy_peak = peak_of([&] { (void)compress(network, lossy, temp / "lossy", options); });
  EXPECT_GT(lossy_peak, 0u);
  EXPECT_LT(lossy_peak, bound);
  const std::uint64_t compressing = peak_of([&] { (void)compress(network, Config{}, temp / "w", options); });
  EXPECT_GT(compressing, 0u);
  EXPECT_LT(compressing, bound);
  const std::uint64_t decompressing =
      peak_of([&] { (void)decompress(Archive::open(temp / "w"), temp / "out", {}, options); });
  EXPECT_GT(decompressing, 0u);
  EXPECT_LT(decompressing, bound);
  EXPECT_EQ(std::filesystem::file_size(temp / "out"), network.files()[0].bytes);
  std::printf("peak MiB: %llu uniform, %llu lossless, %llu back; allowed %llu\n",
              static_cast<unsigned long long>(lossy_peak >> 20), static_cast<unsigned long long>(compressing >> 20),
              static_cast<unsigned long long>(decompressing >> 20), static_cast<unsigned long long>(bound >> 20));
}

}  // namespace
}  // namespace weft
