#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "core/models.hpp"
#include "core/trellis_cases.hpp"
#include "trellis/shape.hpp"

namespace weft {
namespace {

using core::Status;
using test::TrellisBlock;

class TrellisTest : public test::ModelTest {};
WEFT_FOR_ALL_MODELS(TrellisTest);

const Shape& gauss() { return trellis::typical_shapes()[3]; }

TEST_P(TrellisTest, DecodesWhatItEncodes) {
  for (const auto& mode : test::trellis_modes())
    for (const std::uint32_t n : {1u, 2u, 31u, 33u, 64u, 700u, 2049u})
      for (const int lanes_log2 : {0, 2, 3, 4, 5}) {
        if (n > 700 && (lanes_log2 != 5 || mode.states_log2 > 5)) continue;
        SCOPED_TRACE(test::name_of(mode) + ", " + std::to_string(n) + " weights, lanes_log2 " +
                     std::to_string(lanes_log2));
        const TrellisStream stream = test::trellis_stream(mode, 15, n);
        const TrellisBlock block(*GetParam(), stream, gauss(), test::trellis_weights(stream, n, n), lanes_log2);
        std::vector<std::uint16_t> levels;
        ASSERT_EQ(block.decode(*GetParam(), block.words, levels), Status::kOk);
        ASSERT_EQ(levels, block.levels());
      }
}

TEST_P(TrellisTest, MakesTheBytesOfThePortableModel) {
  for (const auto& mode : test::trellis_modes())
    for (const auto& [n, lanes_log2] : {std::pair{5u, 1}, {97u, 3}, {700u, 2}, {700u, 4}, {1500u, 5}}) {
      if (n > 97 && mode.states_log2 > 6) continue;
      SCOPED_TRACE(test::name_of(mode) + ", " + std::to_string(n) + " weights, lanes_log2 " +
                   std::to_string(lanes_log2));
      const TrellisStream stream = test::trellis_stream(mode, 17, n + 1);
      const auto weights = test::trellis_weights(stream, n, n, 1.5f);
      const TrellisBlock expected(cpu::portable_kernels(), stream, gauss(), weights, lanes_log2);
      const TrellisBlock block(*GetParam(), stream, gauss(), weights, lanes_log2);
      ASSERT_EQ(block.in_order(block.weave, block.work.entries),
                expected.in_order(expected.weave, expected.work.entries));
      ASSERT_EQ(block.levels(), expected.levels());
      ASSERT_EQ(block.words, expected.words);
    }
}

TEST_P(TrellisTest, PinnedZerosStayZeros) {
  bool without_pins_differ = false;
  for (const auto& mode : test::trellis_modes()) {
    if (!mode.keeps_zero) continue;
    for (const double lambda : {0.0, 0.1, 10.0}) {
      SCOPED_TRACE(test::name_of(mode) + ", lambda " + std::to_string(lambda));
      TrellisStream stream = test::trellis_stream(mode, 12, 7);
      stream.lambda = lambda;
      stream.pins_zero = true;
      auto weights = test::trellis_weights(stream, 1200, 3, 2);
      for (std::size_t i = 0; i < weights.size(); i++)
        if (i % 3 != 0 || (i > 300 && i < 600)) weights[i] = 0;
      const TrellisBlock block(*GetParam(), stream, gauss(), weights, 3);
      const TrellisBlock expected(cpu::portable_kernels(), stream, gauss(), weights, 3);
      ASSERT_EQ(block.words, expected.words);
      const auto levels = block.levels();
      for (std::size_t i = 0; i < weights.size(); i++)
        ASSERT_TRUE(weights[i] != 0 || levels[i] == core::kLevelBias) << i;
      stream.pins_zero = false;
      const TrellisBlock free(*GetParam(), stream, gauss(), weights, 3);
      without_pins_differ = without_pins_differ || free.words != block.words;
    }
  }
  EXPECT_TRUE(without_pins_differ);
}

// All states at all steps, so a path that the search did not find is a failure; every index is tried, not four a weight.
class Exhaustive {
 public:
  Exhaustive(const TrellisBlock& block, const std::vector<float>& values) : block_(block) {
    cpu::for_woven(block.weave,
                   [&](std::uint32_t i, std::size_t at) { fixed_.push_back(values[i]), at_.push_back(at); });
  }

  // Cost of a path of a lane, and where it leads; indices as the search gives them.
  [[nodiscard]] std::uint64_t cost(std::size_t i, std::uint32_t state, int index, std::uint32_t& next) const {
    const bool zero = block_.mode.keeps_zero;
    const int q = static_cast<int>(state & 1);
    const int level = q == 0 ? 2 * index : !zero ? 2 * index + 1 : 2 * index - (index > 0) + (index < 0);
    const int symbol = q == 1 && !zero ? 128 - index : 128 + index;
    const int table = q == 0 ? 0 : zero ? 5 : 4;
    const std::size_t row =
        std::size_t{block_.work.woven_classes[at_[i]]} * core::kClassTables + static_cast<std::size_t>(table);
    const auto fixed = static_cast<std::int64_t>(std::nearbyint(fixed_[i] * 256));
    const std::int64_t miss = std::min<std::int64_t>(std::abs(fixed - 256 * level), (1 << 15) - 1);
    const core::Parity parity = core::parity_of(block_.mode.states_log2);
    next = (state >> 1) ^ (q != 0 ? parity.h0 : 0) ^ ((index & 1) != 0 ? parity.h1 : 0);
    return std::min<std::uint64_t>(static_cast<std::uint64_t>(miss * miss) >> 4, block_.input.far_cost) +
           block_.input.prices[row * 256 + static_cast<std::size_t>(symbol)];
  }

  // The cheapest continuation from weight i on, by trying everything.
  [[nodiscard]] std::uint64_t best(std::size_t i, std::size_t end, std::uint32_t state) const {
    if (i == end) return 0;
    const int reach = static_cast<int>(block_.input.reach[block_.work.woven_classes[at_[i]]]);
    std::uint64_t found = UINT64_MAX;
    for (int index = -reach; index <= reach; index++) {
      std::uint32_t next = 0;
      const std::uint64_t here = cost(i, state, index, next);
      found = std::min(found, here + best(i + 1, end, next));
    }
    return found;
  }

  [[nodiscard]] std::uint64_t taken(std::size_t begin, std::size_t end) const {
    std::uint64_t sum = 0;
    for (std::uint32_t state = 0, next = 0; begin < end; begin++, state = next) {
      sum += cost(begin, state, int{block_.work.path[at_[begin]]} - core::kIndexZero, next);
    }
    return sum;
  }

 private:
  const TrellisBlock& block_;
  std::vector<float> fixed_;
  std::vector<std::size_t> at_;
};

TEST_P(TrellisTest, FindsTheCheapestPath) {
  for (const int states_log2 : {0, 2, 3})
    for (const bool zero : {false, true})
      for (std::uint32_t seed = 0; seed < 6; seed++) {
        constexpr std::uint32_t kRun = 5, kCount = 8 * kRun;
        SCOPED_TRACE(test::name_of({states_log2, zero, false}) + ", seed " + std::to_string(seed));
        TrellisStream stream;
        stream.fine_step = 1;
        stream.states_log2 = static_cast<std::uint8_t>(states_log2);
        stream.keeps_zero = zero;
        stream.base_class = 11;
        stream.lambda = seed < 3 ? 0.1 : 0.02;
        const auto values = test::trellis_weights(stream, kCount, seed);
        const TrellisBlock block(*GetParam(), stream, gauss(), values, 3);
        const Exhaustive exhaustive(block, values);
        ASSERT_LE(block.input.reach[11], 4u);  // or the test takes long
        for (std::size_t lane = 0; lane < 8; lane++)
          EXPECT_EQ(exhaustive.taken(lane * kRun, (lane + 1) * kRun),
                    exhaustive.best(lane * kRun, (lane + 1) * kRun, 0));
      }
}

TEST_P(TrellisTest, MoreStatesAreNoWorse) {
  // The same weights at the same price: cost falls from 4 to 256 states, by some percent in all.
  std::vector<double> costs;
  for (int states_log2 = core::kMinStatesLog2; states_log2 <= core::kMaxStatesLog2; states_log2++) {
    TrellisStream stream;
    stream.states_log2 = static_cast<std::uint8_t>(states_log2);
    stream.base_class = 18;
    stream.lambda = 0.1;
    const auto values = test::trellis_weights(stream, 12000, 1);
    const TrellisBlock block(*GetParam(), stream, gauss(), values, 5);
    double cost = 0.4 * 16 * static_cast<double>(block.words.size());  // lambda is in squared cells, of two steps
    cpu::for_woven(block.weave, [&](std::uint32_t i, std::size_t at) {
      const double miss = static_cast<double>(values[i]) - (block.work.woven_levels[at] - 512.0);
      cost += miss * miss;
    });
    costs.push_back(cost);
  }
  for (std::size_t i = 1; i < costs.size(); i++) EXPECT_LT(costs[i], costs[i - 1] * 1.001) << i;
  EXPECT_LT(costs.back(), costs.front() * 0.987);
}

TEST_P(TrellisTest, CorruptWordsEndInAStatusOrOtherLevels) {
  for (const auto& mode : test::trellis_modes()) {
    if (mode.states_log2 != 3) continue;
    SCOPED_TRACE(test::name_of(mode));
    const TrellisStream stream = test::trellis_stream(mode, 15, 9);
    const TrellisBlock block(*GetParam(), stream, gauss(), test::trellis_weights(stream, 400, 3), 2);
    const auto good = block.levels();
    std::vector<std::uint16_t> levels, portable;
    for (std::size_t n = 0; n < block.words.size(); n++) {
      const std::vector<std::uint16_t> cut(block.words.begin(), block.words.begin() + static_cast<std::ptrdiff_t>(n));
      EXPECT_NE(block.decode(*GetParam(), cut, levels), Status::kOk) << n;
    }
    auto longer = block.words;
    longer.push_back(1);
    EXPECT_EQ(block.decode(*GetParam(), longer, levels), Status::kTrailing);
    std::size_t refused = 0;
    for (std::size_t bit = 0; bit < 16 * block.words.size(); bit += 3) {
      auto bad = block.words;
      bad[bit / 16] = static_cast<std::uint16_t>(bad[bit / 16] ^ 1u << bit % 16);
      const Status status = block.decode(*GetParam(), bad, levels);
      ASSERT_EQ(status, block.decode(cpu::portable_kernels(), bad, portable)) << bit;
      for (const std::uint16_t level : levels) ASSERT_LT(level, 2 * core::kLevelBias) << bit;
      if (status == Status::kOk)
        EXPECT_NE(levels, good) << bit;
      else
        refused++;
    }
    EXPECT_GT(refused, 5 * block.words.size());  // what passes is rare
  }
}

TEST(Trellis, DeviationsAndBinsAreThirdsOfAnOctave) {
  for (int c = 0; c < core::kScaleClasses; c++) EXPECT_EQ(core::kDeviation[c], std::lrint(4 * std::exp2(c / 3.0))) << c;
  for (std::uint32_t energy = 0, bin = 0; energy < core::kEnergyEntries; energy++) {
    const auto here = static_cast<std::uint32_t>(core::energy_bin(energy));
    EXPECT_TRUE(here == bin || here == bin + 1) << energy;
    bin = here;
    EXPECT_EQ(here == core::kEnergyBins - 1, energy >= 40) << energy;
  }
  for (int c = 0; c < core::kScaleClasses; c++)
    EXPECT_EQ(core::kErrorScale[c], std::lrint(4096 / std::sqrt(std::exp2(2 * c / 3.0) / 256 + 1 / 3.0))) << c;
}

TEST(Trellis, EveryStateHasTwoWaysInFromOneQuantizer) {
  for (int log2 = core::kMinStatesLog2; log2 <= core::kMaxStatesLog2; log2++) {
    const std::uint32_t states = 1u << log2;
    const core::Parity parity = core::parity_of(log2);
    std::vector<std::vector<std::uint32_t>> from(states);
    for (std::uint32_t s = 0; s < states; s++)
      for (const std::uint32_t odd : {0u, 1u})
        from[(s >> 1) ^ ((s & 1) != 0 ? parity.h0 : 0) ^ (odd != 0 ? parity.h1 : 0)].push_back(s);
    for (std::uint32_t n = 0; n < states; n++) {
      ASSERT_EQ(from[n].size(), 2u) << log2;
      EXPECT_EQ(from[n][0] & 1, from[n][1] & 1);
      EXPECT_THAT(from[n ^ parity.h1], ::testing::UnorderedElementsAreArray(from[n]));
    }
  }
}

TEST(Trellis, WeaveGivesEveryUnitOnePlace) {
  for (const std::uint32_t n : {1u, 5u, 32u, 33u, 1000u, 65535u, 65536u})
    for (int lanes_log2 = 0; lanes_log2 <= core::kLanesLog2; lanes_log2++) {
      const core::Weave weave(n, lanes_log2);
      std::uint64_t units = 0;
      for (std::uint32_t t = 0; t < weave.run; t++) {
        units += weave.active(t);
        for (std::uint32_t lane = 0; lane < weave.lanes; lane++)
          ASSERT_EQ(lane < weave.active(t), lane * weave.run + t < n) << n << " " << lanes_log2;
      }
      EXPECT_EQ(units, n);
    }
}

}  // namespace
}  // namespace weft
