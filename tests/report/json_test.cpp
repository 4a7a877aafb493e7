#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "weft/config.hpp"
#include "weft/report.hpp"
#include "weft/version.hpp"

namespace weft {
namespace {

using Json = nlohmann::ordered_json;

Report sample() {
  Report report;
  report.command = "compress";
  report.input = "in.safetensors";
  report.output = "out.weft";
  report.device = "cpu (avx2)";
  report.config_json = to_json(Config{});
  report.threads = 2;
  report.tensors = {{"a.weight", "F32", {25, 10}, "uniform", "", 0.5, std::nullopt, 250, 1000, 100, 2.5, 2500, 0.25},
                    {"a.bias", "F32", {10}, "lossless", "too small", std::nullopt, std::nullopt, 10, 40, 30, 0, 10, 0}};
  report.stages = {{"read", 0.5, 1000000000}, {"write", 0, 10}};
  report.warnings = {"x was left out"};
  report.bytes_in = 1100;
  report.bytes_out = 150;
  report.asset_bytes_out = 3;
  report.overhead_bytes = 20;
  report.wall_seconds = 1.25;
  report.peak_host_bytes = 1 << 20;
  report.peak_device_bytes = 7;
  return report;
}

std::vector<std::string> keys(const Json& object) {
  std::vector<std::string> names;
  for (const auto& item : object.items()) names.push_back(item.key());
  return names;
}

TEST(ReportJson, HasTheFields) {
  const Json root = Json::parse(to_json(sample()));
  EXPECT_EQ(keys(root),
            (std::vector<std::string>{"version", "command", "input", "output", "device", "threads", "estimated",
                                      "config", "totals", "overhead_bytes", "stages", "wall_seconds", "overlap",
                                      "peak_host_bytes", "peak_device_bytes", "warnings", "tensors"}));
  EXPECT_EQ(root["version"], version_string());
  EXPECT_EQ(root["command"], "compress");
  EXPECT_EQ(root["input"], "in.safetensors");
  EXPECT_EQ(root["output"], "out.weft");
  EXPECT_EQ(root["device"], "cpu (avx2)");
  EXPECT_EQ(root["threads"], 2);
  EXPECT_EQ(root["estimated"], false);
  EXPECT_EQ(root["config"], Json::parse(to_json(Config{})));
  EXPECT_EQ(root["overhead_bytes"], 20);
  EXPECT_EQ(root["wall_seconds"], 1.25);
  EXPECT_EQ(root["peak_host_bytes"], 1048576);
  EXPECT_EQ(root["peak_device_bytes"], 7);
  EXPECT_EQ(root["warnings"], Json::array({"x was left out"}));
  EXPECT_EQ(root["stages"].dump(), R"([{"name":"read","seconds":0.5,"bytes":1000000000,"gb_per_s":2.0},)"
                                   R"({"name":"write","seconds":0.0,"bytes":10,"gb_per_s":null}])");
}

TEST(ReportJson, HasTheTargetIfThereWasOne) {
  Report report = sample();
  report.target = TargetReport{"bits_per_weight", 3, 2.99, 0.25, std::nullopt, 5, 1};
  EXPECT_EQ(Json::parse(to_json(report))["target"].dump(),
            R"({"name":"bits_per_weight","wanted":3.0,"reached":2.99,"step":0.25,"relative_step":null,"iterations":5,)"
            R"("encodes":1})");
}

TEST(ReportJson, HasTheFiguresOfTensorsAndTotals) {
  const Json root = Json::parse(to_json(sample()));
  EXPECT_EQ(root["tensors"][0].dump(),
            R"({"name":"a.weight","dtype":"F32","shape":[25,10],"codec":"uniform","step":0.5,"note":null,)"
            R"("elements":250,"bytes_in":1000,"bytes_out":100,"ratio":10.0,"bits_per_weight":3.2,"mse":0.01,)"
            R"("sqnr_db":30.0,"max_abs_error":0.25})");
  EXPECT_EQ(root["tensors"][1].dump(),
            R"({"name":"a.bias","dtype":"F32","shape":[10],"codec":"lossless","step":null,"note":"too small",)"
            R"("elements":10,"bytes_in":40,"bytes_out":30,"ratio":1.3333333333333333,"bits_per_weight":24.0,"mse":0.0,)"
            R"("sqnr_db":null,"max_abs_error":0.0})");
  const Json& totals = root["totals"];
  EXPECT_EQ(keys(totals),
            (std::vector<std::string>{"tensors", "elements", "bytes_in", "bytes_out", "ratio", "bits_per_weight", "mse",
                                      "sqnr_db", "max_abs_error", "asset_bytes_out", "bytes_outside_blocks"}));
  EXPECT_EQ(totals["tensors"], 2);
  EXPECT_EQ(totals["asset_bytes_out"], 3);
  EXPECT_EQ(totals["bytes_outside_blocks"], 150 - 100 - 30 - 3);
  EXPECT_EQ(totals["elements"], 260);
  EXPECT_EQ(totals["bytes_in"], 1100);
  EXPECT_EQ(totals["bytes_out"], 150);
  EXPECT_DOUBLE_EQ(totals["ratio"].get<double>(), 1100.0 / 150);
  EXPECT_DOUBLE_EQ(totals["bits_per_weight"].get<double>(), 150 * 8.0 / 260);
  EXPECT_DOUBLE_EQ(totals["mse"].get<double>(), 2.5 / 260);
  EXPECT_NEAR(totals["sqnr_db"].get<double>(), 10 * std::log10(2510 / 2.5), 1e-12);
  EXPECT_EQ(totals["max_abs_error"], 0.25);
}

TEST(ReportJson, HasTheCodebookOfATensor) {
  Report report = sample();
  report.tensors[0].codebook = CodebookReport{16, "BF16", 4, 3, 1, 1.0, 2.5, 7, 1};
  report.tensors[1].codebook = CodebookReport{2, "F32", 1, 1, 2, 1.0, {}, {}, {}};
  const Json root = Json::parse(to_json(report));
  EXPECT_EQ(root["tensors"][0]["codebook"].dump(),
            R"({"clusters":16,"centroid_dtype":"BF16","dimension":4,"books":3,"tensors":1,)"
            R"("index_bits_per_weight":1.0,"inertia":2.5,"iterations":7,"dead":1})");
  EXPECT_EQ(root["tensors"][1]["codebook"].dump(),
            R"({"clusters":2,"centroid_dtype":"F32","dimension":1,"books":1,"tensors":2,)"
            R"("index_bits_per_weight":1.0,"inertia":null,"iterations":null,"dead":null})");
}

TEST(ReportJson, HasWhatWasPruned) {
  Report report = sample();
  EXPECT_FALSE(Json::parse(to_json(report))["totals"].contains("prune"));
  report.tensors[0].prune = PruneReport{200, 190};
  report.tensors[1].prune = PruneReport{5, 0};
  const Json root = Json::parse(to_json(report));
  EXPECT_EQ(root["tensors"][0]["prune"], (Json{{"pruned", 190}, {"zeros", 200}, {"sparsity", 0.8}}));
  EXPECT_EQ(root["totals"]["prune"],
            (Json{{"pruned", 190}, {"zeros", 205}, {"sparsity", 205.0 / 260}, {"tensors", 2}}));
}

TEST(ReportJson, WritesNullForWhatIsUndefined) {
  Report report;
  const Json empty = Json::parse(to_json(report));
  EXPECT_TRUE(empty["config"].is_null());
  for (const char* key : {"ratio", "bits_per_weight", "mse", "sqnr_db", "max_abs_error"})
    EXPECT_TRUE(empty["totals"][key].is_null()) << key;

  const double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  report = sample();
  report.tensors[0].sum_squared_error = infinity;
  report.tensors[0].max_abs_error = nan;
  report.tensors[0].step = infinity;
  report.wall_seconds = nan;
  report.stages[0].seconds = nan;
  const std::string text = to_json(report);
  const Json root = Json::parse(text);
  for (const char* key : {"mse", "sqnr_db", "max_abs_error"}) {
    EXPECT_TRUE(root["tensors"][0][key].is_null()) << key;
    EXPECT_TRUE(root["totals"][key].is_null()) << key;
  }
  EXPECT_TRUE(root["tensors"][0]["step"].is_null());
  EXPECT_TRUE(root["wall_seconds"].is_null());
  EXPECT_TRUE(root["stages"][0]["seconds"].is_null());
  EXPECT_TRUE(root["stages"][0]["gb_per_s"].is_null());
}

TEST(ReportJson, HasASqnrForSumsBeyondTheRangeOfTheirQuotient) {
  Report report = sample();
  report.tensors[0].sum_squares = 1e300;
  report.tensors[0].sum_squared_error = 1e-300;
  EXPECT_DOUBLE_EQ(Json::parse(to_json(report))["tensors"][0]["sqnr_db"].get<double>(), 6000);
}

TEST(ReportJson, ClaimsNoErrorsThatWereNotMeasured) {
  Report report = sample();
  report.errors_measured = false;
  const Json root = Json::parse(to_json(report));
  for (const char* key : {"mse", "sqnr_db", "max_abs_error"}) {
    EXPECT_TRUE(root["tensors"][1][key].is_null()) << key;
    EXPECT_TRUE(root["totals"][key].is_null()) << key;
  }
}

TEST(ReportJson, SurvivesNamesThatAreNoUtf8) {
  Report report = sample();
  report.input = "\xFF.safetensors";
  report.tensors[0].name = "a\xC3(";
  report.warnings = {"\xED\xA0\x80"};
  report.config_json = "no json \xFF";
  const Json root = Json::parse(to_json(report));
  EXPECT_EQ(root["input"], "\uFFFD.safetensors");
  EXPECT_EQ(root["tensors"][0]["name"], "a\uFFFD(");
  EXPECT_EQ(root["config"], "no json \uFFFD");
}

}  // namespace
}  // namespace weft
