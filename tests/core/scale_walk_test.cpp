#include "weft/core/scale_walk.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include "backends/cpu/warp_portable.hpp"
#include "backends/cuda/device_scales.hpp"
#include "trellis/scales.hpp"

namespace weft {
namespace {

using core::kLanes;

// Lane by lane the classes of the lane's run; looked at eight at a time up to step `ahead`.
void expect_classes(const TrellisStream& stream, std::uint64_t first, std::uint32_t run, std::uint32_t ahead) {
  const cuda::DeviceScales device(stream);
  ASSERT_TRUE(device.fit());
  const auto codes = std::make_unique<std::byte[]>(device.bytes());  // and not a byte more
  const core::ScaleParameters scales = device.fill(codes.get(), reinterpret_cast<const std::uint8_t*>(codes.get()));
  std::vector<std::uint8_t> expected(std::size_t{run} * kLanes);
  trellis::scale_classes(stream, first, expected);
  core::ScaleWalk<cpu::PortableWarp> walk(scales, first, run);
  core::ScaleWalk<cpu::PortableWarp, 3> eightfold(scales, first, run);
  for (std::uint32_t t = 0; t < run; t++) {
    if (t < ahead && t % 8 == 0) walk.look_ahead(), eightfold.look_ahead();
    const auto classes = t < ahead ? walk.coming(t % 8) : walk.next();
    const auto offsets = t < ahead ? eightfold.coming(t % 8) : eightfold.next();
    for (std::size_t lane = 0; lane < kLanes; lane++) {
      ASSERT_EQ(classes.lane[lane], expected[lane * run + t]) << "lane " << lane << ", step " << t;
      ASSERT_EQ(offsets.lane[lane], 8 * classes.lane[lane]);
    }
  }
}

TEST(ScaleWalk, ClassesAreThoseOfTheirPlaces) {
  std::mt19937_64 random(3);
  for (int trial = 0; trial < 300; trial++) {
    SCOPED_TRACE(trial);
    TrellisStream stream;
    stream.base_class = static_cast<std::int16_t>(static_cast<int>(random() % 40) - 4);
    for (auto factors = random() % 4; factors > 0; factors--) {  // the last of three changes with every weight
      ScaleFactor factor;
      const std::uint64_t inners[] = {1, 1, 1 + random() % 9, 1 + random() % 600, 1 + random() % (1ull << 40)};
      factor.inner = factors == 3 ? 1 : inners[random() % 5];
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
    stream.base_class = static_cast<std::int16_t>(-320 * sign);
    expect_classes(stream, 0, 9, 0);
  }
}

// Codes far from all classes are cut off, on either side; what no byte can say is not for a device.
TEST(ScaleWalk, WideCodesFitWhereTheOthersLeadNoWayBack) {
  TrellisStream stream;
  stream.base_class = 20;
  stream.factors = {{100, {-9, 7, 0, 3}}, {1, {-128, 127, 5, 0, -3, -11}}};
  expect_classes(stream, 3, 70, 64);
  stream.factors = {{1, {-4, 9}}, {30, {-128, 127, 0}}, {7, {0, 1, -1}}};
  expect_classes(stream, 1, 70, 40);
  stream.factors = {{100, {-128, 127}}, {1, {-128, 127}}};
  EXPECT_FALSE(cuda::DeviceScales(stream).fit());
  stream.factors.assign(3, {2, {0}});
  EXPECT_FALSE(cuda::DeviceScales(stream).fit());
}

}  // namespace
}  // namespace weft
