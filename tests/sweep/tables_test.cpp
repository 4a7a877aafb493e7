#include "sweep/tables.hpp"

#include <gtest/gtest.h>

namespace weft::sweep {
namespace {

Curve scaled(double factor) {
  Curve curve{{1.5, 8}, {2.5, 14}, {3.5, 20}};
  for (RatePoint& point : curve) point.bits_per_weight *= factor;
  return curve;
}

TEST(BdTable, HasARowForEachNetworkOfTheBaseAndTheMean) {
  const Curves base{{"a", scaled(1)}, {"b", scaled(1)}, {"only here", scaled(1)}};
  const std::vector<std::pair<std::string, Curves>> settings{
      {"base", base},
      {"small", {{"a", scaled(0.9)}, {"b", scaled(0.8)}, {"foreign", scaled(1)}}},
      {"poor", {{"a", {{1, 1}}}}}};
  const BdTable table = bd_table("base", base, settings);
  EXPECT_EQ(to_text(table),
            "BD-rate against base (mean difference of bits at equal SQNR; negative: smaller)\n"
            "network     small  poor\n"
            "-----------------------\n"
            "a        -10.00 %     -\n"
            "b        -20.00 %     -\n"
            "-----------------------\n"
            "mean     -15.00 %     -\n");
  EXPECT_EQ(to_markdown(table),
            "BD-rate against base (mean difference of bits at equal SQNR; negative: smaller)\n\n"
            "| network | small | poor |\n|---|---:|---:|\n| a | -10.00 % | - |\n| b | -20.00 % | - |\n"
            "| mean | -15.00 % | - |\n");
  const auto json = to_json(table);
  EXPECT_EQ(json["against"], "base");
  EXPECT_NEAR(json["settings"]["small"]["networks"]["b"].get<double>(), -20, 1e-9);
  EXPECT_NEAR(json["settings"]["small"]["mean"].get<double>(), -15, 1e-9);
  EXPECT_TRUE(json["settings"]["poor"]["networks"]["b"].is_null());
  EXPECT_TRUE(json["settings"]["poor"]["mean"].is_null());
}

}  // namespace
}  // namespace weft::sweep
