// What the index's writer and reader remember, so that a number says only what is new (FORMAT.md 2.4, 2.6).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "archive/numbers.hpp"
#include "archive/scale_codes.hpp"
#include "weft/archive.hpp"

namespace weft::archive {

inline constexpr int kFirstType = static_cast<int>(DType::kF32), kFirstScale = 128;

// How a safetensors file's header is stored.
enum HeaderKind : std::uint64_t { kNoMetadata, kMetadata, kVerbatim };

// Numbers of a field that are alike (FORMAT.md: the k of its contexts).
[[nodiscard]] constexpr std::uint64_t kind_of_rank(std::size_t rank) noexcept { return std::min<std::size_t>(rank, 4); }
[[nodiscard]] constexpr std::uint64_t kind_of_join(std::size_t rank) noexcept { return std::min<std::size_t>(rank, 2); }
[[nodiscard]] constexpr std::uint64_t kind_of_dimension(std::size_t i, std::size_t rank) noexcept {
  return 5 * std::min<std::size_t>(i, 3) + kind_of_rank(rank);
}
[[nodiscard]] constexpr std::uint64_t kind_of_frequency(std::uint64_t before) noexcept {
  return std::min(static_cast<std::uint64_t>(std::bit_width(before)), std::uint64_t{13});
}

// The last eight different dimensions.
class LastDimensions {
 public:
  // From 1 on; 0 if it is not among them.
  [[nodiscard]] std::size_t find(std::uint64_t dimension) const {
    const auto end = last_.begin() + static_cast<std::ptrdiff_t>(count_), at = std::find(last_.begin(), end, dimension);
    return at == end ? 0 : static_cast<std::size_t>(at - last_.begin()) + 1;
  }
  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] std::uint64_t operator[](std::size_t place) const { return last_[place - 1]; }
  void use(std::uint64_t dimension) {
    std::size_t place = find(dimension);
    if (place == 0) place = count_ = std::min(count_ + 1, last_.size());
    const auto at = last_.begin() + static_cast<std::ptrdiff_t>(place);
    std::move_backward(last_.begin(), at - 1, at);
    last_[0] = dimension;
  }

 private:
  std::array<std::uint64_t, 8> last_{};
  std::size_t count_ = 0;
};

// How a tensor is joined to a stream.
enum Join : std::uint64_t { kNewStream, kLastJoined, kNamedStream };
class Joins {
 public:
  [[nodiscard]] std::size_t next() const { return next_; }
  [[nodiscard]] std::optional<std::size_t> last() const { return last_; }
  [[nodiscard]] Join of(std::size_t stream) const {
    return stream == next_ ? kNewStream : last_ == stream ? kLastJoined : kNamedStream;
  }
  void use(std::size_t stream, Join join) {
    next_ = std::max(next_, stream + 1);
    if (join != kNewStream) last_ = stream;
  }

 private:
  std::size_t next_ = 0;
  std::optional<std::size_t> last_;
};

// What block sizes lead to expect of the next block.
class ExpectedSizes {
 public:
  [[nodiscard]] std::int64_t of(CodecId codec, std::uint32_t units) const {
    const auto last = last_.find(codec);
    if (last == last_.end() || last->second.units == 0) return 0;
    return static_cast<std::int64_t>(std::uint64_t{last->second.size} * units / last->second.units);
  }
  void use(CodecId codec, const BlockRecord& block) { last_[codec] = {block.size, block.units}; }

 private:
  struct Block {
    std::uint32_t size = 0, units = 0;
  };
  std::map<CodecId, Block> last_;
};

// The parameters of the last stream before, and what they are at first.
struct LastStream {
  int block_log2 = 16, segment_log2 = 20;
  std::optional<float> step;
  int states_log2 = 3;                                        // of a trellis stream
  int base_class = 16;                                        // of a stream with scales
  std::int64_t class_table = 0;                               // of a segment with tables by class
  std::map<std::size_t, decltype(TrellisStream::taps)> taps;  // by period
  std::map<std::size_t, std::vector<std::int8_t>> codes;      // of a factor, by their number
  ScaleCodeModel scale_codes;
  ExpectedSizes sizes;
};

// A step: an exponent and a mantissa without its last zeros.
void put_step(NumberWriter& out, float step, LastStream& last);
[[nodiscard]] float get_step(NumberReader& in, LastStream& last);

}  // namespace weft::archive
