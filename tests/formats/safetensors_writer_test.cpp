#include <gtest/gtest.h>

#include "formats/safetensors.hpp"
#include "support/make_safetensors.hpp"

namespace weft::formats {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// FORMAT.md 2.7, byte for byte.
TEST(CanonicalHeader, IsExact) {
  EXPECT_EQ(canonical_header({}, {}, false), "{}      ");
  EXPECT_EQ(canonical_header({}, {}, true), R"({"__metadata__":{}}     )");
  const std::vector<TensorInfo> tensors{{"a.weight", DType::kF32, {2, 3}, 6, 24},
                                        {"scalar", DType::kBF16, {}, 1, 2},
                                        {"empty", DType::kF8E4M3, {0, 5}, 0, 0},
                                        {"packed", DType::kF4, {4}, 4, 2}};
  const Pairs metadata{{"format", "pt"}, {"", "x"}};
  const std::string expected = R"({"__metadata__":{"format":"pt","":"x"},)"
                               R"("a.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                               R"("scalar":{"dtype":"BF16","shape":[],"data_offsets":[24,26]},)"
                               R"("empty":{"dtype":"F8_E4M3","shape":[0,5],"data_offsets":[26,26]},)"
                               R"("packed":{"dtype":"F4","shape":[4],"data_offsets":[26,28]}})";
  const std::string text = canonical_header(tensors, metadata, true);
  EXPECT_EQ(text.size() % 8, 0u);
  EXPECT_LT(text.size(), expected.size() + 8);
  EXPECT_EQ(text, expected + std::string(text.size() - expected.size(), ' '));
}

TEST(CanonicalHeader, EscapesOnlyWhatItMust) {
  std::string name;
  for (char c = 0; c <= '"'; c++) name += c;
  name += "/\\\x7f\xc3\xa9\xf0\x9f\xa7\xb5";
  const std::vector<TensorInfo> tensors{{name, DType::kU8, {1}, 1, 1}};
  const std::string text = canonical_header(tensors, {}, false);
  EXPECT_EQ(text.substr(0, text.find(":{")),
            R"({"\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000b\f\r\u000e\u000f)"
            R"(\u0010\u0011\u0012\u0013\u0014\u0015\u0016\u0017\u0018\u0019\u001a\u001b\u001c\u001d\u001e\u001f )"
            "!\\\"/\\\\\x7f\xc3\xa9\xf0\x9f\xa7\xb5\"");
  EXPECT_EQ(parse_safetensors_header(text, 1, "x").tensors, tensors);
}

TEST(CanonicalHeader, PadsToAMultipleOf8) {
  for (std::size_t length = 0; length < 16; length++) {
    const std::vector<TensorInfo> tensors{{std::string(length, 'n'), DType::kU8, {1}, 1, 1}};
    const std::string text = canonical_header(tensors, {}, false);
    EXPECT_EQ(text.size() % 8, 0u);
    EXPECT_LT(text.size() - (text.find_last_not_of(' ') + 1), 8u);
  }
}

TEST(CanonicalHeader, ParsesBack) {
  const std::string text = testing::make_safetensors_header(
      {{"z", "F64", {1, 2}, std::string(16, 'x')}, {"a", "U8", {0}, ""}, {"\"", "BOOL", {}, "b"}}, {{{"k\\", "\n"}}});
  const SafetensorsHeader header = parse_safetensors_header(text, 17, "x");
  const std::string canonical = canonical_header(header.tensors, header.metadata, header.has_metadata);
  EXPECT_EQ(canonical.substr(0, text.size()), text);
  const SafetensorsHeader again = parse_safetensors_header(canonical, 17, "x");
  EXPECT_EQ(again.tensors, header.tensors);
  EXPECT_EQ(again.metadata, header.metadata);
}

}  // namespace
}  // namespace weft::formats
