#include "config/suggest.hpp"

#include <gtest/gtest.h>

namespace weft::config {
namespace {

TEST(Suggest, CountsEdits) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("step", "step"), 0u);
  EXPECT_EQ(edit_distance("step", "setp"), 1u);   // a swap
  EXPECT_EQ(edit_distance("step", "stop"), 1u);   // a replacement
  EXPECT_EQ(edit_distance("step", "steps"), 1u);  // an insertion
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

TEST(Suggest, FindsTheNearest) {
  const std::vector<std::string_view> names{"step", "relative_step", "lambda", "min_rank"};
  EXPECT_EQ(nearest("lamda", names), "lambda");
  EXPECT_EQ(nearest("LAMBDA", names), "lambda");
  EXPECT_EQ(nearest("relative-step", names), "relative_step");
  EXPECT_EQ(nearest("relativestep", names), "relative_step");
  EXPECT_EQ(nearest("Min-Rnak", names), "min_rank");
  EXPECT_EQ(nearest("stpe", names), "step");
}

TEST(Suggest, KeepsQuietWhenNothingIsNear) {
  const std::vector<std::string_view> names{"step", "lambda", "x"};
  EXPECT_EQ(nearest("quality", names), "");
  EXPECT_EQ(nearest("", names), "");
  EXPECT_EQ(nearest("y", names), "");
  EXPECT_EQ(nearest(std::string(1 << 20, 's'), names), "");
  EXPECT_EQ(did_you_mean("quality", names), "");
  EXPECT_EQ(did_you_mean("stepp", names), "; did you mean \"step\"?");
}

TEST(Suggest, FindsTheNameThatAGlobMeant) {
  const std::vector<std::string_view> names{"h.0.attention.query.weight", "h.0.mlp.up.weight", "lm-head.weight"};
  EXPECT_EQ(nearest_to_glob("*atention*", names), names[0]);
  EXPECT_EQ(nearest_to_glob("H.*.mpl.*", names), names[1]);
  EXPECT_EQ(nearest_to_glob("h.[0-9].mlp.upp.weight", names), names[1]);
  EXPECT_EQ(nearest_to_glob("h.?.mlp.upp.weight", names), names[1]);
  EXPECT_EQ(nearest_to_glob("lm_head.weights", names), names[2]);
  for (const char* far : {"*conv*", "*", "", "?", "*x*", "encoder.*"})
    EXPECT_EQ(nearest_to_glob(far, names), "") << far;
  EXPECT_EQ(nearest_to_glob(std::string(1 << 20, 'h'), names), "");
}

}  // namespace
}  // namespace weft::config
