#include "weft/dtype.hpp"

#include <gtest/gtest.h>

namespace weft {
namespace {

struct Expected {
  std::string_view name;
  int bits, unit;
};

// FORMAT.md, "Element types", in the order of the stored numbers.
constexpr Expected kExpected[] = {
    {"BOOL", 8, 1},    {"U8", 8, 1},      {"I8", 8, 1},          {"U16", 16, 2},        {"I16", 16, 2},
    {"U32", 32, 4},    {"I32", 32, 4},    {"U64", 64, 8},        {"I64", 64, 8},        {"F16", 16, 2},
    {"BF16", 16, 2},   {"F32", 32, 4},    {"F64", 64, 8},        {"C64", 64, 4},        {"F8_E4M3", 8, 1},
    {"F8_E5M2", 8, 1}, {"F8_E8M0", 8, 1}, {"F8_E4M3FNUZ", 8, 1}, {"F8_E5M2FNUZ", 8, 1}, {"F6_E2M3", 6, 1},
    {"F6_E3M2", 6, 1}, {"F4", 4, 1},
};

TEST(DType, MatchesTheFormat) {
  ASSERT_EQ(std::size(kExpected), kDTypeCount);
  for (int i = 0; i < kDTypeCount; i++) {
    const auto dtype = dtype_from_wire(static_cast<std::uint64_t>(i));
    ASSERT_TRUE(dtype.has_value());
    EXPECT_EQ(static_cast<int>(*dtype), i);
    EXPECT_EQ(name_of(*dtype), kExpected[i].name);
    EXPECT_EQ(bits_of(*dtype), kExpected[i].bits) << kExpected[i].name;
    EXPECT_EQ(unit_bytes(*dtype), kExpected[i].unit) << kExpected[i].name;
    EXPECT_EQ(dtype_from_name(kExpected[i].name), dtype);
  }
}

TEST(DType, QuantizesTheFloatsOf16BitsAndMore) {
  for (int i = 0; i < kDTypeCount; i++) {
    const DType dtype = *dtype_from_wire(static_cast<std::uint64_t>(i));
    const bool expected = dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF32 || dtype == DType::kF64;
    EXPECT_EQ(is_quantizable(dtype), expected) << name_of(dtype);
  }
}

TEST(DType, RefusesWhatIsNotInTheList) {
  EXPECT_FALSE(dtype_from_wire(kDTypeCount));
  EXPECT_FALSE(dtype_from_wire(UINT64_MAX));
  for (const auto* name : {"", "f32", "F32 ", "F128", "F8", "C128", "BOO"}) EXPECT_FALSE(dtype_from_name(name)) << name;
}

}  // namespace
}  // namespace weft
