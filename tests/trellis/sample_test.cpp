#include "trellis/sample.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "trellis/choose.hpp"

namespace weft::trellis {
namespace {

constexpr std::array<std::uint64_t, 3> kNoView{1, 1, 1};

std::vector<float> counted(std::size_t n) {
  std::vector<float> values(n);
  std::iota(values.begin(), values.end(), 0.0f);
  return values;
}

Sample take(std::span<const float> values, const std::array<std::uint64_t, 3>& view, const SampleRun& run,
            std::size_t wanted) {
  Sample sample;
  sample.values.assign(7, -1.0f);  // of the one before
  sample.begins.assign(7, 1);
  take_sample(values, view, run, wanted, sample);
  return sample;
}

TEST(Sample, RunsAreWhereTheySayAndOnlyTheLastIsShort) {
  for (const std::size_t n : {1u, 5u, 64u, 65u, 640u, 1000u, 4095u, 20000u})
    for (const std::size_t wanted : {0u, 1u, 64u, 300u, 999u, 100000u}) {
      const std::vector<float> values = counted(n);
      const Sample sample = take(values, kNoView, {64}, wanted);
      ASSERT_FALSE(sample.begins.empty());
      ASSERT_LE(sample.values.size(), n);
      EXPECT_DOUBLE_EQ(sample.weight() * static_cast<double>(sample.values.size()), static_cast<double>(n));
      if (wanted >= n) {
        EXPECT_EQ(sample.values, values);
      }
      for (std::size_t i = 0; i < sample.begins.size(); i++) {
        const auto run = sample.run_of(i);
        EXPECT_TRUE(run.size() == 64 || i + 1 == sample.begins.size()) << n << " " << wanted;
        for (std::size_t e = 0; e < run.size(); e++) ASSERT_EQ(run[e], static_cast<float>(sample.begins[i] + e));
      }
    }
}

TEST(Sample, WhatComesBeforeIsTakenAlong) {
  std::vector<float> values = counted(1000);
  for (float& value : values) value += 1;  // no zero is a weight
  for (const std::size_t wanted : {100u, 1000u}) {
    const Sample sample = take(values, kNoView, {60, 4}, wanted);
    std::size_t counted = 0;
    for (std::size_t i = 0; i < sample.begins.size(); i++) {
      const auto run = sample.run_of(i);
      counted += run.size();
      ASSERT_EQ(run[0], static_cast<float>(sample.begins[i] + 1));
      for (std::size_t back = 1; back <= 4; back++)
        ASSERT_EQ(*(run.data() - back), back <= sample.begins[i] ? run[0] - static_cast<float>(back) : 0) << i;
    }
    EXPECT_DOUBLE_EQ(sample.weight() * static_cast<double>(counted), 1000);
  }
}

TEST(Sample, MeetsAllPhasesOfAPeriodicTensor) {
  const Sample sample = take(counted(1u << 18), kNoView, {128}, 1u << 14);
  std::set<std::uint64_t> phases;
  for (const std::uint64_t begin : sample.begins) phases.insert(begin / 128 % 8);
  EXPECT_EQ(phases.size(), 8u);
}

TEST(Sample, AViewIsSampledInItsOwnOrder) {
  const std::array<std::uint64_t, 3> box{7, 5, 11};
  const std::vector<float> values = counted(7 * 5 * 11);
  std::vector<float> reversed(values.size());
  to_view(box, values.data(), reversed.data());
  const Sample sample = take(values, box, {16}, 100);
  for (std::size_t i = 0; i < sample.begins.size(); i++)
    for (std::size_t e = 0; e < sample.run_of(i).size(); e++)
      ASSERT_EQ(sample.run_of(i)[e], reversed[sample.begins[i] + e]);
}

}  // namespace
}  // namespace weft::trellis
