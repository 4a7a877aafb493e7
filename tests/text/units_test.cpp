#include "text/units.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace weft::text {
namespace {

TEST(Units, ParsesSizes) {
  EXPECT_EQ(parse_size("0B"), 0u);
  EXPECT_EQ(parse_size("4096B"), 4096u);
  EXPECT_EQ(parse_size("512MiB"), 512u << 20);
  EXPECT_EQ(parse_size("1GB"), 1000000000u);
  EXPECT_EQ(parse_size("1.5 GiB"), 3u << 29);
  EXPECT_EQ(parse_size("0.7GB"), 700000000u);
  EXPECT_EQ(parse_size("1kB"), 1000u);
  EXPECT_EQ(parse_size("3KiB"), 3072u);
  EXPECT_EQ(parse_size("2TB"), 2000000000000u);
  EXPECT_EQ(parse_size("2TiB"), std::uint64_t{2} << 40);
}

TEST(Units, ParsesSizesAsOtherToolsDo) {
  EXPECT_EQ(parse_size("512M"), 512u << 20);
  EXPECT_EQ(parse_size("512k"), 512u << 10);
  EXPECT_EQ(parse_size("0.5G"), 1u << 29);
  EXPECT_EQ(parse_size("2 t"), std::uint64_t{2} << 40);
  EXPECT_EQ(parse_size("512mib"), 512u << 20);
  EXPECT_EQ(parse_size("3KB"), 3000u);
  EXPECT_EQ(parse_size("3kb"), 3000u);
  EXPECT_EQ(parse_size("1mb"), 1000000u);
  EXPECT_EQ(parse_size("7b"), 7u);
}

TEST(Units, RefusesWhatIsNoSize) {
  for (const char* text : {"",
                           "1",
                           "MiB",
                           "1P",
                           "1Mi",
                           "1MiBB",
                           "1iB",
                           "1MB ",
                           " 1MB",
                           "-1MB",
                           "+1MB",
                           "1e3MB",
                           "1,5GB",
                           "1.GB",
                           ".5GB",
                           "1  GB",
                           "0x1B",
                           "nanB",
                           "1MiB\n",
                           "1111111111111111B",
                           "9000000000TB"})
    EXPECT_FALSE(parse_size(text)) << text;
  EXPECT_FALSE(parse_size(std::string(100000, '1')));
}

TEST(Units, WritesBytes) {
  EXPECT_EQ(decimal_bytes(0), "0 B");
  EXPECT_EQ(decimal_bytes(999), "999 B");
  EXPECT_EQ(decimal_bytes(1000), "1.00 kB");
  EXPECT_EQ(decimal_bytes(9994), "9.99 kB");
  EXPECT_EQ(decimal_bytes(9996), "10.0 kB");
  EXPECT_EQ(decimal_bytes(99960), "100 kB");
  EXPECT_EQ(decimal_bytes(999499), "999 kB");
  EXPECT_EQ(decimal_bytes(999500), "1.00 MB");
  EXPECT_EQ(decimal_bytes(UINT64_MAX), "18.4 EB");
  EXPECT_EQ(binary_bytes(1023), "1023 B");
  EXPECT_EQ(binary_bytes(1024), "1.00 KiB");
  EXPECT_EQ(binary_bytes(123u << 20), "123 MiB");
  EXPECT_EQ(binary_bytes(UINT64_MAX), "16.0 EiB");
}

TEST(Units, WritesCountsAndTimes) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(UINT64_MAX), "18,446,744,073,709,551,615");
  EXPECT_EQ(duration(0.314), "0.31 s");
  EXPECT_EQ(duration(12.34), "12.3 s");
  EXPECT_EQ(duration(59.96), "1 min 00 s");
  EXPECT_EQ(duration(192), "3 min 12 s");
  EXPECT_EQ(duration(7500), "2 h 05 min");
  EXPECT_EQ(duration(std::nan("")), "-");
  EXPECT_EQ(duration(-1), "-");
  EXPECT_EQ(duration(INFINITY), "-");
}

}  // namespace
}  // namespace weft::text
