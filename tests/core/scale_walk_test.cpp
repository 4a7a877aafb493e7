#include "weft/core/scale_walk.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include "backends/cpu/warp_portable.hpp"
#include "trellis/scales.hpp"

namespace weft {
namespace {

using core::kLanes;

// Codes as a device has them, and not a byte more.
std::unique_ptr<std::uint8_t[]> device_codes(const ScaleFactor& factor) {
  auto codes = std::make_unique<std::uint8_t[]>((factor.codes.size() + 3) / 4 * 4);
  std::transform(factor.codes.begin(), factor.codes.end(), codes.get(),
                 [](std::int8_t code) { return static_cast<std::uint8_t>(code + 128); });
  return codes;
}

// Lane by lane the classes of the lane's run; looked at eight at a time up to step `ahead`.
void expect_classes(const TrellisStream& stream, std::uint64_t first, std::uint32_t run, std::uint32_t ahead) {
  std::vector<std::unique_ptr<std::uint8_t[]>> codes;
  core::ScaleParameters scales{};
  scales.base = stream.base_class;
  scales.factor_count = static_cast<std::uint32_t>(stream.factors.size());
  for (std::size_t f = 0; f < stream.factors.size(); f++) {
    const ScaleFactor& factor = stream.factors[f];
    codes.push_back(device_codes(factor));
    scales.factors[f] = {codes.back().get(), factor.inner, static_cast<std::uint32_t>(factor.codes.size())};
  }
  std::vector<std::uint8_t> expected(std::size_t{run} * kLanes);
  trellis::scale_classes(stream, first, expected);
  core::ScaleWalk<cpu::PortableWarp> walk(scales, first, run);
  for (std::uint32_t t = 0; t < run; t++) {
    if (t < ahead && t % 8 == 0) walk.look_ahead();
    const auto classes = t < ahead ? walk.coming(t % 8) : walk.next();
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
    const auto run = 1 + static_cast<std::uint32_t>(random() % 300);
    expect_classes(stream, random() % 3 == 0 ? 0 : random() % (random() % 2 == 0 ? 5000 : 1ull << 45), run,
                   static_cast<std::uint32_t>(random() % (run / 8 + 1)) * 8);
  }
}

TEST(ScaleWalk, ExtremeCodesAreClamped) {
  for (const int sign : {-1, 1}) {
    TrellisStream stream;
    stream.base_class = static_cast<std::int16_t>(1024 * sign);
    stream.factors.assign(3, {1, {static_cast<std::int8_t>(sign < 0 ? -128 : 127), 0, 1}});
    expect_classes(stream, 1, 12, 8);
    stream.base_class = static_cast<std::int16_t>(-300 * sign);
    expect_classes(stream, 0, 9, 0);
  }
}

}  // namespace
}  // namespace weft
