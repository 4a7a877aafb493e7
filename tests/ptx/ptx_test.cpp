// The interpreter on PTX that is written here: what instructions say, and what a GPU would stop at.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "ptx/arithmetic.hpp"
#include "ptx/thread_block.hpp"

namespace weft::ptx {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

// A kernel that gives each of its threads a word of an array: register %r9.
std::string module(const std::string& body) {
  return R"(
.version 9.0
.target sm_90
.address_size 64
.const .align 4 .b8 squares[16] = {0, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 9, 0, 0, 0};
.extern .shared .align 16 .b8 dynamic[];
.visible .entry test_kernel(
  .param .u64 .ptr .align 1 test_kernel_param_0,
  .param .u32 test_kernel_param_1
)
{
  .reg .pred %p<4>;
  .reg .b32 %r<20>;
  .reg .b64 %rd<10>;
  .shared .align 4 .b8 near[128];
  ld.param.u64 %rd1, [test_kernel_param_0];
  ld.param.u32 %r1, [test_kernel_param_1];
  cvta.to.global.u64 %rd2, %rd1;
  mov.u32 %r2, %tid.x;
  mul.wide.u32 %rd3, %r2, 4;
  add.s64 %rd4, %rd2, %rd3;
)" + body +
         R"(
  st.global.u32 [%rd4], %r9;
  ret;
}
)";
}

std::vector<std::uint32_t> results_of(const std::string& body, std::uint32_t threads = 32, std::uint32_t argument = 0,
                                      std::size_t dynamic_bytes = 0) {
  Program program;
  program.add(module(body));
  alignas(16) std::vector<std::uint32_t> out(threads);
  struct {
    std::uint32_t* out;
    std::uint32_t argument;
  } const parameters{out.data(), argument};
  ThreadBlock(*program.find("test_kernel"),
              {3, 5, threads, dynamic_bytes, reinterpret_cast<const std::byte*>(&parameters)})
      .run();
  return out;
}

std::string fault_of(const std::string& body, std::uint32_t threads = 32, std::size_t dynamic_bytes = 0) {
  try {
    (void)results_of(body, threads, 0, dynamic_bytes);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

std::vector<std::uint32_t> counted(std::uint32_t n, std::uint32_t first = 0) {
  std::vector<std::uint32_t> numbers(n);
  std::iota(numbers.begin(), numbers.end(), first);
  return numbers;
}

TEST(Ptx, ThreadsKnowWhereTheyAre) {
  EXPECT_EQ(results_of("add.s32 %r9, %r2, %r1;", 70, 1000), counted(70, 1000));
  EXPECT_THAT(results_of("mov.u32 %r9, %ctaid.x;"), Each(3u));
  EXPECT_THAT(results_of("mov.u32 %r9, %nctaid.x;"), Each(5u));
  EXPECT_EQ(results_of("mov.u32 %r9, %lanemask_lt;")[5], 31u);
}

TEST(Ptx, LanesThatPartMeetAgain) {
  const auto odd_and_even = results_of(R"(
  and.b32 %r3, %r2, 1;
  setp.eq.s32 %p1, %r3, 0;
  @%p1 bra $even;
  mov.u32 %r9, 7;
  bra.uni $end;
$even:
  mov.u32 %r9, 8;
$end:
  vote.sync.ballot.b32 %r4, %p1, -1;
  add.s32 %r9, %r9, %r4;)");
  for (std::uint32_t i = 0; i < 32; i++) EXPECT_EQ(odd_and_even[i], 0x55555555u + (i % 2 == 0 ? 8 : 7));
}

TEST(Ptx, ALoopEndsForEachLaneByItself) {
  const auto sums = results_of(R"(
  mov.u32 %r9, 0;
  mov.u32 %r3, 0;
$more:
  add.s32 %r9, %r9, %r3;
  add.s32 %r3, %r3, 1;
  setp.le.u32 %p1, %r3, %r2;
  @%p1 bra $more;)");
  for (std::uint32_t i = 0; i < 32; i++) EXPECT_EQ(sums[i], i * (i + 1) / 2);
}

TEST(Ptx, WarpsExchange) {
  EXPECT_EQ(results_of("shfl.sync.down.b32 %r9|%p1, %r2, 1, 31, -1;")[4], 5u);
  EXPECT_EQ(results_of("shfl.sync.down.b32 %r9|%p1, %r2, 1, 31, -1;")[31], 31u);
  EXPECT_EQ(results_of("shfl.sync.up.b32 %r9|%p1, %r2, 3, 0, -1;")[10], 7u);
  EXPECT_THAT(results_of("shfl.sync.idx.b32 %r9|%p1, %r2, 6, 31, -1;"), Each(6u));
  EXPECT_THAT(results_of("redux.sync.add.u32 %r9, %r2, -1;"), Each(496u));
  EXPECT_THAT(results_of("redux.sync.or.b32 %r9, %r2, -1;"), Each(31u));
}

TEST(Ptx, BitsAreTakenAndCombined) {
  const auto by_lane = [](const char* body, std::size_t lane) { return results_of(body)[lane]; };
  EXPECT_EQ(by_lane("bfe.s32 %r9, %r2, 0, 3;", 6), static_cast<std::uint32_t>(-2));
  EXPECT_EQ(by_lane("bfe.u32 %r9, %r2, 1, 2;", 6), 3u);
  EXPECT_EQ(by_lane("lop3.b32 %r9, %r2, 16, 0, 0xCF;", 5), ~5u | 16u);
  EXPECT_EQ(by_lane("mov.u32 %r3, 12; lop3.b32 %r9, %r2, %r3, 1, 0x96;", 10), 10u ^ 12u ^ 1u);
}

TEST(Ptx, ThreadBlocksMeet) {
  // Each thread leaves its number for the one 32 threads on.
  const auto others = results_of(R"(
  mov.u32 %r3, dynamic;
  shl.b32 %r4, %r2, 2;
  add.s32 %r5, %r3, %r4;
  st.shared.u32 [%r5], %r2;
  bar.sync 0;
  xor.b32 %r6, %r4, 128;
  add.s32 %r7, %r3, %r6;
  ld.shared.u32 %r9, [%r7];)",
                                 64, 0, 256);
  for (std::uint32_t i = 0; i < 64; i++) EXPECT_EQ(others[i], i ^ 32);
  EXPECT_THAT(results_of(R"(
  setp.lt.u32 %p1, %r2, 40;
  bar.red.and.pred %p2, 0, %p1;
  selp.u32 %r9, 1, 2, %p2;)",
                         64),
              Each(2u));
}

TEST(Ptx, VariablesAndVectors) {
  EXPECT_THAT(results_of(R"(
  mov.u64 %rd5, squares;
  ld.const.u32 %r9, [%rd5+8];)"),
              Each(4u));
  EXPECT_EQ(results_of(R"(
  mov.u32 %r3, near;
  mov.u32 %r4, 77;
  st.shared.v2.u32 [%r3+8], {%r4, %r2};
  bar.warp.sync -1;
  ld.shared.v4.u32 {%r5, %r6, %r7, %r9}, [%r3];)")[0],
            31u);  // of the last lane that stored
  EXPECT_EQ(results_of("mov.b64 %rd5, {%r2, %r1}; shr.u64 %rd6, %rd5, 32; cvt.u32.u64 %r9, %rd6;", 32, 9)[3], 9u);
}

TEST(Ptx, AsynchronousCopiesFillUpWithZeros) {
  const auto copied = results_of(R"(
  mov.u32 %r3, dynamic;
  mov.u64 %rd5, squares;
  cp.async.cg.shared.global [%r3], [%rd5], 16, 8;
  cp.async.commit_group;
  cp.async.wait_group 0;
  ld.shared.v4.u32 {%r4, %r5, %r6, %r7}, [%r3];
  shl.b32 %r5, %r5, 8;
  add.s32 %r9, %r5, %r6;)",
                                 32, 0, 16);
  EXPECT_THAT(copied, Each(256u));
}

TEST(Ptx, SaysWhatAGpuWouldStopAt) {
  EXPECT_THAT(fault_of("mov.u32 %r3, near; ld.shared.v2.u32 {%r9, %r4}, [%r3+4];"), HasSubstr("not aligned"));
  EXPECT_THAT(fault_of("add.s64 %rd4, %rd4, 2; mov.u32 %r9, 1;"), HasSubstr("not aligned"));
  EXPECT_THAT(fault_of("mov.u32 %r3, near; ld.shared.u32 %r9, [%r3+128];"), HasSubstr("outside of the shared memory"));
  EXPECT_EQ(fault_of("mov.u32 %r3, near; ld.shared.u32 %r9, [%r3+128];", 32, 4), "");
  EXPECT_THAT(fault_of("mov.u32 %r3, 0; ld.shared.u32 %r9, [%r3];"), HasSubstr("outside of the shared memory"));
  EXPECT_THAT(fault_of("bar.warp.sync 1; mov.u32 %r9, 1;"), HasSubstr("its own mask"));
  EXPECT_THAT(fault_of("setp.lt.u32 %p1, %r2, 5; @%p1 bar.warp.sync -1; bar.sync 0; mov.u32 %r9, 1;"),
              HasSubstr("not coming"));
  EXPECT_THAT(fault_of("setp.lt.u32 %p1, %r2, 5; @%p1 exit; shfl.sync.idx.b32 %r9|%p2, %r2, 0, 31, -1;"),
              HasSubstr("not there"));
}

TEST(Ptx, UnknownInstructionsAndNamesAreRefused) {
  for (const char* body :
       {"tanh.approx.f32 %r9, %r1;", "mov.u32 %r9, %clock;", "bra $nowhere;", "add.s32 %r9, %r1, %q;"}) {
    Program program;
    EXPECT_THROW(program.add(module(body)), std::runtime_error) << body;
  }
}

TEST(PtxArithmetic, Integers) {
  const Type s32{'s', 32}, u32{'u', 32}, s64{'s', 64}, u64{'u', 64};
  EXPECT_EQ(binary(Math::kSub, u32, 1, 2), 0xFFFFFFFFu);
  EXPECT_EQ(binary(Math::kShiftRight, s32, 0x80000000u, 40), 0xFFFFFFFFu);
  EXPECT_EQ(binary(Math::kShiftRight, u32, 0x80000000u, 31), 1u);
  EXPECT_EQ(binary(Math::kShiftLeft, u32, 1, 32), 0u);
  EXPECT_EQ(binary(Math::kMultiplyWide, s32, 0xFFFFFFFFu, 5), static_cast<std::uint64_t>(-5));
  EXPECT_EQ(binary(Math::kMultiplyHigh, u64, UINT64_MAX, 3), 2u);
  EXPECT_EQ(binary(Math::kMultiplyHigh, s64, UINT64_MAX, 3), UINT64_MAX);
  EXPECT_EQ(binary(Math::kMin, s32, 0xFFFFFFFFu, 5), 0xFFFFFFFFu);
  EXPECT_EQ(binary(Math::kMin, u32, 0xFFFFFFFFu, 5), 5u);
  EXPECT_EQ(unary(Math::kReverse, u32, 1), 0x80000000u);
  EXPECT_EQ(unary(Math::kLeadingZeros, u32, 1), 31u);
  EXPECT_EQ(insert_bits(u32, 0xF, 0xAAAAAAAA, 4, 2), 0xAAAAAABAu);
  EXPECT_EQ(extract_bits(u32, 0xABCD1234, 8, 8), 0x12u);
  EXPECT_EQ(extract_bits(s32, 0xABCD1234, 16, 8), 0xFFFFFFCDu);
  EXPECT_EQ(extract_bits(s32, 0xABCD1234, 28, 8), 0xFFFFFFFAu);  // the bits above are the sign
  EXPECT_EQ(extract_bits(u32, 0xABCD1234, 28, 8), 0xAu);
  EXPECT_EQ(extract_bits(s32, 0xABCD1234, 40, 8), 0xFFFFFFFFu);
  EXPECT_EQ(extract_bits(s32, 0xABCD1234, 4, 256), 0u);
  EXPECT_EQ(extract_bits(s64, UINT64_MAX << 40, 40, 64), UINT64_MAX);
  EXPECT_EQ(extract_bits(u64, UINT64_MAX, 0, 64), UINT64_MAX);
  // By the values that the table's bits are numbered by.
  const std::uint32_t a = 0xF0F0F0F0, b = 0xCCCCCCCC, c = 0xAAAAAAAA;
  for (std::uint32_t table = 0; table < 256; table++) EXPECT_EQ(logic(a, b, c, table), table * 0x01010101u);
  EXPECT_EQ(permute(0x33221100, 0x77665544, 0x7310), 0x77331100u);
  EXPECT_EQ(permute(0x80, 0, 0x8888), 0xFFFFFFFFu);
}

TEST(PtxArithmetic, FloatsBecomeIntegersWithinTheirRange) {
  const auto to = [](char kind, int bits, const char* how, float value) {
    Instruction one;
    one.type = {kind, bits};
    one.from = {'f', 32};
    one.modifiers = {how};
    return convert(one, std::bit_cast<std::uint32_t>(value));
  };
  EXPECT_EQ(to('s', 32, "rzi", -2.7f), static_cast<std::uint32_t>(-2));
  EXPECT_EQ(to('s', 32, "rni", 2.5f), 2u);
  EXPECT_EQ(to('s', 32, "rpi", 2.1f), 3u);
  EXPECT_EQ(to('s', 32, "rzi", 3e9f), 0x7FFFFFFFu);
  EXPECT_EQ(to('u', 32, "rzi", -1.0f), 0u);
  EXPECT_EQ(to('s', 32, "rzi", NAN), 0u);
  EXPECT_EQ(to('s', 16, "rzi", 40000.0f), 0x7FFFu);
}

TEST(PtxArithmetic, ComparisonsKnowNan) {
  const Type f32{'f', 32};
  const std::uint64_t nan = std::bit_cast<std::uint32_t>(NAN), one = std::bit_cast<std::uint32_t>(1.0f);
  for (const char* how : {"eq", "ne", "lt", "le", "gt", "ge", "num"}) EXPECT_FALSE(compare(how, f32, nan, one)) << how;
  for (const char* how : {"equ", "neu", "ltu", "geu", "nan"}) EXPECT_TRUE(compare(how, f32, nan, one)) << how;
  EXPECT_TRUE(compare("lt", {'s', 32}, 0xFFFFFFFFu, 0));
  EXPECT_FALSE(compare("lt", {'u', 32}, 0xFFFFFFFFu, 0));
}

}  // namespace
}  // namespace weft::ptx
