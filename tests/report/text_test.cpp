#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include "weft/report.hpp"

namespace weft {
namespace {

Report sample() {
  Report report;
  report.command = "compress";
  report.input = "resnet.safetensors";
  report.output = "resnet.weft";
  report.device = "cpu (avx2)";
  report.threads = 2;
  report.tensors = {
      {"layer1.bias", "F32", {64}, "lossless", "", std::nullopt, std::nullopt, 64, 256, 230, 0, 12.5, 0},
      {"layer1.weight", "F32", {64, 1024}, "uniform", "", 0.0125, std::nullopt, 65536, 262144, 24576, 1, 100, 0.00625},
      {"layer2.weight",
       "F32",
       {64, 4096},
       "uniform",
       "",
       0.0125,
       std::nullopt,
       262144,
       1048576,
       98304,
       4,
       400,
       0.00625},
      {"model.a_very_long_name_of_a_module.with.many.parts.weight",
       "F32",
       {2},
       "lossless",
       "too small",
       std::nullopt,
       std::nullopt,
       2,
       8,
       8,
       0,
       0,
       0}};
  report.stages = {{"read", 0.125, 1311000}, {"encode", 0.5, 1310984}, {"write", 0, 123456}};
  report.warnings = {"notes.txt was left out"};
  report.bytes_in = 1311500;
  report.bytes_out = 124000;
  report.overhead_bytes = 882;
  report.wall_seconds = 0.314;
  report.peak_host_bytes = 123u << 20;
  return report;
}

TEST(ReportText, IsATable) {
  EXPECT_EQ(to_text(sample(), false),
            R"(codec     dtype  tensors  weights  original  compressed   ratio  bits/weight      SQNR
--------------------------------------------------------------------------------------
uniform   F32          2  327,680   1.31 MB      123 kB  10.67x        3.000  20.00 dB
lossless  F32          2       66     264 B       238 B   1.11x       28.848     exact
the rest                              516 B       882 B
--------------------------------------------------------------------------------------
total                  4  327,746   1.31 MB      124 kB  10.58x        3.027  20.11 dB

overhead     882 bytes (0.71 % of the archive): index, names, tables, heads and alignment of blocks
note: 1 tensor was coded otherwise than may be expected; -v says why
warning: notes.txt was left out
)");
}

TEST(ReportText, SaysWhatTheRunTookWhenVerbose) {
  const std::string text = to_text(sample(), true);
  EXPECT_EQ(text.substr(text.find("stage ")), R"(stage   seconds    bytes  GB/s per thread
-----------------------------------------
read      0.125  1.31 MB            0.010
encode    0.500  1.31 MB            0.003
write     0.000   123 kB                -
(seconds are summed over threads)

overhead     882 bytes (0.71 % of the archive): index, names, tables, heads and alignment of blocks
time         0.31 s
peak memory  123 MiB
units        kB, MB, GB: powers of 1000; KiB, MiB, GiB: powers of 1024
warning: notes.txt was left out
)");
}

TEST(ReportText, FitsATerminal) {
  const auto widest = [](const std::string& text) {
    std::istringstream lines(text.substr(0, text.find("\nnote: ")));
    std::size_t columns = 0;
    for (std::string line; std::getline(lines, line);) columns = std::max(columns, line.size());
    return columns;
  };
  const std::string wide = to_text(sample(), true, 120), narrow = to_text(sample(), true, 80);
  EXPECT_EQ(widest(wide), 120u) << wide;
  EXPECT_NE(wide.find("\nmodel.a_ve...ts.weight  F32    lossless        2       8 B         8 B"), std::string::npos)
      << wide;
  EXPECT_LE(widest(narrow), 80u) << narrow;
  EXPECT_NE(narrow.find("  compressed  bits/weight      SQNR\n"), std::string::npos) << narrow;
}

TEST(ReportText, ListsTensorsWhenVerbose) {
  const std::string text = to_text(sample(), true);
  EXPECT_EQ(text.substr(0, text.find("\n\ncodec")), R"(compress  resnet.safetensors -> resnet.weft
cpu (avx2), 2 threads

tensor                                            dtype  codec     weights  original  compressed   ratio  bits/weight      SQNR  max error  step
--------------------------------------------------------------------------------------------------------------------------------------------------
layer1.bias                                       F32    lossless       64     256 B       230 B   1.11x       28.750     exact          0  -
layer1.weight                                     F32    uniform    65,536    262 kB     24.6 kB  10.67x        3.000  20.00 dB    0.00625  0.0125
layer2.weight                                     F32    uniform   262,144   1.05 MB     98.3 kB  10.67x        3.000  20.00 dB    0.00625  0.0125
model.a_very_long_name_...with.many.parts.weight  F32    lossless        2       8 B         8 B   1.00x       32.000     exact          0  -
note: model.a_very_long_name_of_a_module.with.many.parts.weight: too small)");
}

TEST(ReportText, SaysWhatWasPruned) {
  Report report = sample();
  EXPECT_EQ(to_text(report, true).find("pruned"), std::string::npos);
  report.tensors[0].prune = PruneReport{report.tensors[0].elements / 2, 1234};
  EXPECT_NE(to_text(report, false).find("pruned       1,234 weights; 50.00 % of the weights of 1 tensor are zero\n"),
            std::string::npos);
  EXPECT_NE(to_text(report, true).find("1,234 weights; 50.00 % are zero"), std::string::npos);
}

TEST(ReportText, NamesTheDeviceMemory) {
  Report report = sample();
  report.peak_device_bytes = 3u << 30;
  EXPECT_NE(to_text(report, true).find("123 MiB host, 3.00 GiB device\n"), std::string::npos);
}

TEST(ReportText, SaysThatADryRunIsAnEstimate) {
  Report report = sample();
  report.estimated = true;
  EXPECT_NE(to_text(report, false).find("estimated from a sample; nothing was written"), std::string::npos);
}

TEST(ReportText, ClaimsNoErrorsThatWereNotMeasured) {
  Report report = sample();
  report.errors_measured = false;
  const std::string text = to_text(report, false);
  EXPECT_EQ(text.find("exact"), std::string::npos);
  EXPECT_EQ(text.find(" dB"), std::string::npos);
}

TEST(ReportText, SurvivesEmptyAndStrangeReports) {
  EXPECT_NE(to_text(Report{}, true).find("total"), std::string::npos);
  Report report = sample();
  report.tensors[1].name = "\x1b[2Jevil\n\xFF";
  report.tensors[1].sum_squared_error = std::numeric_limits<double>::quiet_NaN();
  report.tensors[1].max_abs_error = std::numeric_limits<double>::infinity();
  report.wall_seconds = std::numeric_limits<double>::infinity();
  report.stages[0].seconds = std::numeric_limits<double>::quiet_NaN();
  report.bytes_in = report.bytes_out = 0;
  const std::string text = to_text(report, true);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find("nan"), std::string::npos) << text;
  EXPECT_EQ(text.find("inf"), std::string::npos) << text;
  EXPECT_NE(text.find("\\u{1b}[2Jevil\\n\\xff"), std::string::npos);
}

TEST(ReportText, HasNoSpacesAtLineEnds) {
  std::istringstream lines(to_text(sample(), true));
  for (std::string line; std::getline(lines, line);) EXPECT_FALSE(line.ends_with(' ')) << line;
}

}  // namespace
}  // namespace weft
