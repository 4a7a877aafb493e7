#include "weft/core/crc32c.hpp"

#include <random>
#include <vector>

#include "core/models.hpp"

namespace weft {
namespace {

class Crc32cTest : public test::ModelTest {};
WEFT_FOR_ALL_MODELS(Crc32cTest);

std::uint32_t bitwise(const std::uint8_t* data, std::size_t n) {
  std::uint32_t crc = ~0u;
  for (std::size_t i = 0; i < n; i++) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (core::kCrcPolynomial & (0u - (crc & 1)));
  }
  return ~crc;
}

TEST_P(Crc32cTest, CheckValue) {
  EXPECT_EQ(GetParam()->crc32c(reinterpret_cast<const std::uint8_t*>("123456789"), 9), 0xE3069283u);
}

TEST_P(Crc32cTest, AgreesWithTheDefinitionAtEveryLengthAndPlace) {
  std::mt19937 random(1);
  std::vector<std::uint8_t> data(30000);
  for (auto& byte : data) byte = static_cast<std::uint8_t>(random());
  std::vector<std::size_t> lengths;
  for (std::size_t n = 0; n < 400; n++) lengths.push_back(n);
  for (const std::size_t n : {3071u, 3072u, 3073u, 6143u, 6144u, 6145u, 9000u, 19990u}) lengths.push_back(n);
  for (const std::uint32_t chunks : {1u, 2u, 3u})  // around whole chunks, rows and words
    for (const int more : {-129, -4, -1, 0, 1, 4, 127, 128, 132, 2000})
      lengths.push_back(static_cast<std::size_t>(static_cast<int>(chunks * core::kCrcChunk) + more));
  for (const std::size_t n : lengths) {
    const std::vector<std::uint8_t> exact(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(n));
    EXPECT_EQ(GetParam()->crc32c(exact.data(), n), bitwise(exact.data(), n)) << n;
    const std::size_t place = n % 10;
    EXPECT_EQ(GetParam()->crc32c(data.data() + place, n), bitwise(data.data() + place, n)) << n << " at " << place;
  }
}

}  // namespace
}  // namespace weft
