#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "config/presets.hpp"
#include "support/temp_folder.hpp"
#include "weft/config.hpp"
#include "weft/error.hpp"

namespace weft {
namespace {

std::string refusal(const std::string& name) {
  try {
    (void)load_config(name);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kConfig);
    return error.what();
  }
}

TEST(LoadConfig, KnowsThePresets) {
  for (const char* name : {"lossless", "near-lossless", "balanced", "small", "lut4", "deep-compression"}) {
    const Config config = load_config(name);
    ASSERT_FALSE(config.rules.empty()) << name;
    EXPECT_EQ(spec_for(config, "model.norm.weight", DType::kF32, 1 << 20, 2).codec, CodecId::kLossless) << name;
    EXPECT_EQ(spec_for(config, "fc.bias", DType::kF32, 1 << 20, 2).codec, CodecId::kLossless) << name;
    EXPECT_EQ(spec_for(config, "fc.weight", DType::kF32, 1023, 2).codec, CodecId::kLossless) << name;
    EXPECT_EQ(spec_for(config, "fc.weight", DType::kF32, 1 << 20, 1).codec, CodecId::kLossless) << name;
  }
  EXPECT_EQ(config::presets().size(), 6u);
}

TEST(LoadConfig, PresetsGrowCoarser) {
  const auto weight = [](const char* preset) {
    return spec_for(load_config(preset), "model.layers.0.mlp.up_proj.weight", DType::kBF16, 1 << 20, 2);
  };
  EXPECT_EQ(weight("lossless").codec, CodecId::kLossless);
  EXPECT_EQ(weight("near-lossless").relative_step, 0.03);
  EXPECT_EQ(weight("balanced").relative_step, 0.34);
  EXPECT_EQ(weight("small").relative_step, 0.68);
  EXPECT_EQ(weight("near-lossless").codec, CodecId::kUniform);
  for (const char* preset : {"balanced", "small"}) EXPECT_EQ(weight(preset).codec, CodecId::kTrellis);
}

TEST(LoadConfig, AppliesOverridesToPresets) {
  EXPECT_EQ(load_config("lossless", {"threads=5"}).threads, 5u);
  try {
    (void)load_config("lossless", {"rules.0.lambda=1"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("--set rules.0.lambda=1: /rules/0/lambda"));
  }
}

TEST(LoadConfig, ListsPresetsForUnknownNames) {
  EXPECT_EQ(refusal("balance"),
            "there is no preset \"balance\"; did you mean \"balanced\"? (presets: lossless, near-lossless, balanced, "
            "small, lut4, deep-compression; a config file is a path with a '/' in it or with the ending .json)");
  EXPECT_TRUE(refusal("quick").starts_with("there is no preset \"quick\" (presets: lossless,"));
  EXPECT_NE(refusal(""), "");
}

TEST(LoadConfig, ReadsFiles) {
  const weft::testing::TempFolder folder;
  const auto path = folder.write("c.json", "{\"threads\": 9}");
  EXPECT_EQ(load_config(path.string()).threads, 9u);
  folder.write("plain", "{\"threads\": 8}");
  EXPECT_EQ(load_config((folder / "plain").string()).threads, 8u);
  folder.write("c.json", "{\"threads\": 99999}");
  EXPECT_TRUE(refusal(path.string()).starts_with(path.string() + ": /threads: expected")) << refusal(path.string());
}

TEST(LoadConfig, PathsInAFileAreFromItsFolder) {
  const weft::testing::TempFolder folder;
  folder.write("c.json", R"({"rules": [{"codec": "codebook", "importance": "a.safetensors"},
                                       {"codec": "codebook", "importance": "/b.safetensors"}]})");
  const std::string path = (folder / "c.json").string();
  EXPECT_EQ(load_config(path).rules[0].spec.importance_file, (folder / "a.safetensors").string());
  EXPECT_EQ(load_config(path).rules[1].spec.importance_file, "/b.safetensors");
  EXPECT_EQ(load_config(path, {"rules.0.importance=x.safetensors"}).rules[0].spec.importance_file, "x.safetensors");
  EXPECT_EQ(load_config("lut4", {"rules.1.importance=x.safetensors"}).rules[1].spec.importance_file, "x.safetensors");
}

TEST(LoadConfig, RefusesFilesThatAreNone) {
  const weft::testing::TempFolder folder;
  EXPECT_NE(refusal((folder / "none.json").string()).find("none.json"), std::string::npos);
  EXPECT_NE(refusal(folder.path().string()), "");
  folder.write("large.json", "{\"threads\": 1}" + std::string((4u << 20) - 13, ' '));
  EXPECT_NE(refusal((folder / "large.json").string()).find("large.json"), std::string::npos);
  folder.write("fits.json", "{\"threads\": 1}" + std::string((4u << 20) - 14, ' '));
  EXPECT_EQ(refusal((folder / "fits.json").string()), "");
}

}  // namespace
}  // namespace weft
