// The index as texts and numbers (FORMAT.md 2.1, 2.2): NumberWriter and NumberReader name what is next, in the same order.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "archive/estimate.hpp"

namespace weft::archive {

// What a number means: numbers of a field are alike, those of a field and the same k even more.
enum class Field : std::uint8_t {
  kTextBytes,
  kTextCoding,
  kLayout,
  kFiles,
  kFileKind,
  kAssetStream,
  kTensors,
  kHeader,
  kPairs,
  kType,
  kRank,
  kKnown,
  kDimension,
  kJoin,
  kStream,
  kTables,
  kPairsOf,
  kFirstSymbol,
  kSymbols,
  kFrequency,
  kShapes,
  kFirstTriangle,
  kTriangles,
  kWeight,
  kCodebooks,
  kValueType,
  kDimensionLog2,
  kEntries,
  kStreams,
  kCodec,
  kBlock,
  kSegment,
  kUnits,
  kSameStep,
  kStepExponent,
  kStepZeros,
  kLowBits,
  kChannels,
  kInner,
  kScale,
  kGroup,
  kGroupInner,
  kGroupChannels,
  kBook,
  kStates,
  kKeepsZero,
  kPredicts,
  kHasOffset,
  kHasView,
  kOffset,
  kShape,
  kBaseClass,
  kHasShifts,
  kShift,
  kPeriod,
  kTapShift,
  kTap,
  kSides,
  kSide,
  kFactors,
  kAxes,
  kFactorInner,
  kFactorCount,
  kClassFactors,
  kByClass,
  kClassTable,
  kTable,
  kCorrection,
  kSize,
  kCount
};

// Numbers that a byte may stand for, and that there may be besides. A number of many decisions counts as several: so a small
// index does not take a reader long.
inline constexpr std::uint64_t kNumbersPerByte = 32, kFewNumbers = 1024;
[[nodiscard]] constexpr std::uint64_t numbers_in(std::uint64_t decisions) noexcept { return 1 + decisions / 8; }

class Contexts {
 public:
  [[nodiscard]] Context& of(Field field, std::uint64_t k) {
    std::vector<Context>& contexts = contexts_[static_cast<std::size_t>(field)];
    if (contexts.size() <= k) contexts.resize(k + 1);
    return contexts[k];
  }

 private:
  std::array<std::vector<Context>, static_cast<std::size_t>(Field::kCount)> contexts_;
};

class NumberWriter {
 public:
  void put(Field field, std::uint64_t value, std::uint64_t k = 0) {
    count_ += numbers_in(static_cast<std::uint64_t>(std::bit_width(value)));
    (void)contexts_.of(field, k).code(coder_, value);
  }
  void put_signed(Field field, std::int64_t value, std::uint64_t k = 0) {
    put(field, static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63), k);
  }
  void put_flag(Field field, bool value) { put(field, value ? 1 : 0); }
  void put_direct(std::uint64_t bits, int count) { (void)code_direct(coder_, bits, count); }
  // For what has a model of its own.
  template <class Model>
  void put_by(Model& model, int value) {
    count_ += numbers_in(static_cast<std::uint64_t>(std::abs(value)));
    (void)model.code(coder_, value);
  }
  [[nodiscard]] std::vector<std::byte> finish();

 private:
  Contexts contexts_;
  DecisionEncoder coder_;
  std::uint64_t count_ = 0;
};

// A call that finds something wrong calls the failure function, which throws.
class NumberReader {
 public:
  using Failure = void (*)(const char* what);
  NumberReader(std::span<const std::byte> numbers, Failure fail);

  std::uint64_t get(Field field, std::uint64_t k = 0) {
    const std::uint64_t value = contexts_.of(field, k).code(coder_, 0);
    count(numbers_in(static_cast<std::uint64_t>(std::bit_width(value))));
    return value;
  }
  std::int64_t get_signed(Field field, std::uint64_t k = 0) {
    const std::uint64_t u = get(field, k);
    return static_cast<std::int64_t>(u >> 1 ^ (~(u & 1) + 1));
  }
  // `before` plus a signed number, which must be from `low` to `high`.
  std::int64_t get_next(Field field, std::int64_t before, std::int64_t low, std::int64_t high, const char* what,
                        std::uint64_t k = 0) {
    std::int64_t value = 0;
    require(!__builtin_add_overflow(before, get_signed(field, k), &value) && value >= low && value <= high, what);
    return value;
  }
  bool get_flag(Field field) {
    const std::uint64_t value = get(field);
    require(value <= 1, "a flag is neither 0 nor 1");
    return value == 1;
  }
  std::uint64_t get_direct(int count) { return code_direct(coder_, 0, count); }
  template <class Model>
  int get_by(Model& model) {
    const int value = model.code(coder_, 0);
    count(numbers_in(static_cast<std::uint64_t>(std::abs(value))));
    return value;
  }
  // A count of items that have a number each.
  std::size_t get_count(Field field) {
    const std::uint64_t n = get(field);
    require_numbers(n, "a count is larger than what is left of the index");
    return static_cast<std::size_t>(n);
  }
  // That so many numbers may still come.
  void require_numbers(std::uint64_t n, const char* what) { require(n <= most_ - count_, what); }
  // For direct bits, which are no fewer than the bytes that they take.
  [[nodiscard]] std::uint64_t bytes_left() const {
    return numbers_.size() + 4 - std::min<std::uint64_t>(coder_.taken(), numbers_.size() + 4);
  }
  // Texts are no more than this.
  [[nodiscard]] std::uint64_t texts_left() const { return texts_.size(); }
  // The next text. Needs set_texts().
  std::string_view get_text();
  void set_texts(std::string_view texts) { texts_ = texts; }

  // That nothing is left.
  void finish();
  void require(bool ok, const char* what) {
    if (!ok) fail_(what);
  }

 private:
  void count(std::uint64_t numbers) {
    require_numbers(numbers, "it has more numbers than its bytes can stand for");
    count_ += numbers;
  }

  std::span<const std::byte> numbers_;
  Failure fail_;
  Contexts contexts_;
  DecisionDecoder coder_;
  std::uint64_t count_ = 0, most_;
  std::string_view texts_;
};

inline constexpr char kTextEnd = '\xFF';

}  // namespace weft::archive
