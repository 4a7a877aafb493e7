#include "weft/core/scale_walk.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "backends/cpu/warp_portable.hpp"
#include "trellis/scales.hpp"

namespace weft {
namespace {

using core::kLanes;

// Codes as a device has them.
std::vector<std::uint32_t> words_of(const ScaleFactor& factor) {
  std::vector<std::uint32_t> words((factor.codes.size() + 3) / 4);
  for (std::size_t i = 0; i < factor.codes.size(); i++)
    words[i / 4] |= static_cast<std::uint32_t>(factor.codes[i] + 128) << (8 * (i % 4));
  return words;
}

// Lane by lane the classes of the lane's run.
void expect_classes(const TrellisStream& stream, std::uint64_t first, std::uint32_t run) {
  std::vector<std::vector<std::uint32_t>> words;
  core::ScaleParameters scales{};
  scales.base = stream.base_class;
  scales.factor_count = static_cast<std::uint32_t>(stream.factors.size());
  for (std::size_t f = 0; f < stream.factors.size(); f++) {
    const ScaleFactor& factor = stream.factors[f];
    words.push_back(words_of(factor));
    scales.factors[f] = {words.back().data(), factor.inner, static_cast<std::uint32_t>(factor.codes.size())};
  }
  std::vector<std::uint8_t> expected(std::size_t{run} * kLanes);
  trellis::scale_classes(stream, first, expected);
  core::ScaleWalk<cpu::PortableWarp> walk(scales, first, run);
  for (std::uint32_t t = 0; t < run; t++) {
    const auto classes = walk.next();
    for (std::size_t lane = 0; lane < kLanes; lane++)
      ASSERT_EQ(classes.lane[lane], expected[lane * run + t]) << "lane " << lane << ", step " << t;
  }
}

TEST(ScaleWalk, ClassesAreThoseOfTheirPlaces) {
  std::mt19937_64 random(3);
  for (int trial = 0; trial < 300; trial++) {
    SCOPED_TRACE(trial);
    TrellisStream stream;
    stream.base_class = static_cast<std::int16_t>(static_cast<int>(random() % 40) - 4);
    for (auto factors = random() % 4; factors > 0; factors--) {
      ScaleFactor factor;
      const std::uint64_t inners[] = {1, 1, 1 + random() % 9, 1 + random() % 600, 1 + random() % (1ull << 40)};
      factor.inner = inners[random() % 5];
      factor.codes.resize(1 + random() % (random() % 2 == 0 ? 9 : 3000));
      for (auto& code : factor.codes) code = static_cast<std::int8_t>(static_cast<int>(random() % 13) - 6);
      stream.factors.push_back(std::move(factor));
    }
    expect_classes(stream, random() % 3 == 0 ? 0 : random() % (random() % 2 == 0 ? 5000 : 1ull << 45),
                   1 + static_cast<std::uint32_t>(random() % 300));
  }
}

TEST(ScaleWalk, ExtremeCodesAreClamped) {
  for (const int sign : {-1, 1}) {
    TrellisStream stream;
    stream.base_class = static_cast<std::int16_t>(1024 * sign);
    stream.factors.assign(3, {1, {static_cast<std::int8_t>(sign < 0 ? -128 : 127), 0, 1}});
    expect_classes(stream, 1, 5);
    stream.base_class = static_cast<std::int16_t>(-300 * sign);
    expect_classes(stream, 0, 9);
  }
}

}  // namespace
}  // namespace weft
