#include "sweep/sweep_file.hpp"

#include <gtest/gtest.h>

#include "support/expect_error.hpp"
#include "support/temp_folder.hpp"

namespace weft::sweep {
namespace {

using weft::testing::expect_error;
using weft::testing::TempFolder;

class ReadSweep : public ::testing::Test {
 protected:
  ReadSweep() {
    folder.write("nets/b.safetensors", "");
    folder.write("nets/a.safetensors", "");
    folder.write("nets/ckpt/model.safetensors", "");
    folder.write("base.json", R"({"version": 1, "rules": [{"codec": "uniform"}, {"codec": "lossless"}]})");
  }
  SweepFile read(const std::string& text, const SweepOverrides& overrides = {}) const {
    return read_sweep(folder.write("sweep.json", text), overrides);
  }
  void refuse(const std::string& text, const std::vector<std::string>& words) const {
    expect_error(ErrorKind::kConfig, words, [&] { (void)read(text); });
  }
  TempFolder folder;
};

TEST_F(ReadSweep, MultipliesSettingsAndGrid) {
  const SweepFile sweep = read(R"({
    "version": 1, "networks": ["nets/*.safetensors", "nets/ckpt/"], "config": "./base.json",
    "grid": {"rules.0.relative_step": [0.5, 1], "rules.0.lambda": [0, 0.1, 0.2]},
    "settings": {"plain": {}, "channels": {"rules.0.per_channel": true, "block_elements": 1024}},
    "baseline": "plain", "reference": "nnc.json"})");
  ASSERT_EQ(sweep.networks.size(), 3u);
  EXPECT_EQ(sweep.networks[0].first, "a");
  EXPECT_EQ(sweep.networks[1].first, "b");
  EXPECT_EQ(sweep.networks[2].first, "ckpt");
  EXPECT_EQ(sweep.reference, folder / "nnc.json");
  EXPECT_EQ(sweep.baseline, "plain");
  ASSERT_EQ(sweep.settings.size(), 2u);
  EXPECT_EQ(sweep.settings[0].name, "channels");
  ASSERT_EQ(sweep.settings[0].points.size(), 6u);
  const GridPoint& point = sweep.settings[0].points[3];
  EXPECT_EQ(point.values.dump(), R"({"lambda":0.1,"relative_step":1})");
  EXPECT_EQ(point.config.block_log2, 10);
  EXPECT_EQ(point.config.rules[0].spec.relative_step, 1.0);
  EXPECT_EQ(point.config.rules[0].spec.lambda, 0.1);
  EXPECT_TRUE(point.config.rules[0].spec.per_channel);
  EXPECT_FALSE(sweep.settings[1].points[3].config.rules[0].spec.per_channel);
}

TEST_F(ReadSweep, HasDefaultsAndTakesTheCommandLinesNetworks) {
  SweepOverrides overrides;
  overrides.networks = {(folder / "nets" / "b*").string()};
  overrides.reference = "r.json";
  const SweepFile sweep = read(
      R"({"grid": {"rules.1.lambda": [0], "rules.1.relative_step": [1, 2], "rules.2.relative_step": [1]}})", overrides);
  ASSERT_EQ(sweep.networks.size(), 1u);
  EXPECT_EQ(sweep.networks[0].first, "b");
  EXPECT_EQ(sweep.reference, "r.json");
  EXPECT_EQ(sweep.baseline, "weft");
  ASSERT_EQ(sweep.settings.size(), 1u);
  // Keys that end alike are told apart.
  EXPECT_EQ(sweep.settings[0].points[1].values.dump(),
            R"({"lambda":0,"rules.1.relative_step":2,"rules.2.relative_step":1})");
}

TEST_F(ReadSweep, ConfigsMayBeInlineAndPointsMayBeTargets) {
  const SweepFile sweep = read(R"({"networks": ["nets/a*"], "config": {"rules": [{"codec": "uniform"}]},
                                   "grid": {"target.bits_per_weight": [2, 3]}})");
  EXPECT_EQ(sweep.settings[0].points[1].config.target.value().bits_per_weight, 3.0);
  EXPECT_EQ(sweep.settings[0].points[1].values.dump(), R"({"bits_per_weight":3})");
}

TEST_F(ReadSweep, SaysWhatIsWrongBeforeAnyWork) {
  const std::string networks = R"("networks": ["nets/*.safetensors"], )";
  refuse("{", {"sweep.json", "not valid JSON"});
  refuse(R"({"network": []})", {"/network", "unknown key", "networks"});
  refuse("{}", {"/networks", "expected a list"});
  refuse(R"({"networks": ["nets/x*"]})", {"/networks/0", "there is no network \"", "nets/x*"});
  refuse(R"({"networks": [3]})", {"/networks/0", "expected a string"});
  folder.write("other/a.safetensors", "");
  refuse(R"({"networks": ["nets/*.safetensors", "other/*"]})", {"two networks are called a"});
  refuse("{" + networks + R"("config": "none.json"})", {"none.json"});
  refuse("{" + networks + R"("config": "smal"})", {"there is no preset", "small"});
  refuse("{" + networks + R"("config": "base.json"})", {"has no step"});
  refuse("{" + networks + R"("grid": {"rules.0.lambda": 3}})", {"/grid/rules.0.lambda", "expected a list"});
  refuse("{" + networks + R"("grid": []})", {"/grid", "expected an object"});
  refuse("{" + networks + R"("settings": {"x": {"rules.1.lamda": 0}}})", {"/settings/x", "did you mean \"lambda\""});
  refuse("{" + networks + R"("settings": {"x": 3}})", {"/settings/x", "expected an object"});
  refuse("{" + networks + R"("settings": {}})", {"/settings", "named settings"});
  for (const char* name : {"a/b", "..", "points", "bd", "", "x y"})
    refuse("{" + networks + R"("settings": {")" + name + R"(": {}}})", {"/settings/", "name of a setting"});
  refuse("{" + networks + R"("settings": {"x": {}}, "baseline": "y"})", {"/baseline", "no setting \"y\""});
  std::string many = "0";
  for (int i = 0; i < 200; i++) many += ", 0";
  refuse("{" + networks + R"("grid": {"rules.1.lambda": [)" + many + R"(], "rules.2.lambda": [)" + many + "]}}",
         {"/grid", "more than 10000 points"});
  expect_error(ErrorKind::kConfig, {"cannot use the sweep"}, [&] { (void)read_sweep(folder / "none.json"); });
}

}  // namespace
}  // namespace weft::sweep
