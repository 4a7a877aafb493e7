// Values in ascending order, as clustering of scalars asks for them: exact sums over any interval, places, distances.
//
// * A value is sorted by a key: sign bit turned, magnitude added or subtracted. Keys ascend as the values do, and
//   both zeros are one key.
// * Sums are integers: a value counts in units of a power of two (what is smaller is cut off), so their order is
//   nobody's business. Only those of every 64th place are kept; the rest is added up when it is asked for.
// * Squared distances are doubles, added in an order that suits a warp and is the same everywhere: pieces of fixed
//   size, each in 32 lanes. Products and sums are rounded one by one.
#pragma once

#include "weft/core/dequantize.hpp"
#include "weft/core/vector_memory.hpp"

namespace weft::core {

__extension__ using Int128 = __int128;

inline constexpr std::uint32_t kKeyOfZero = 0x80000000u;

WEFT_HD std::uint32_t key_of(float value) {
  const std::uint32_t bits = bits_of_float(value), magnitude = bits & 0x7fffffffu;
  return bits >> 31 ? kKeyOfZero - magnitude : kKeyOfZero + magnitude;
}
WEFT_HD float value_of_key(std::uint32_t key) {
  return float_of_bits(key < kKeyOfZero ? 0x80000000u | (kKeyOfZero - key) : key - kKeyOfZero);
}

struct Sums {
  std::int64_t weight = 0;  // in weight units; without weights, the number of values
  Int128 moment = 0;        // weight x value, in their units

  friend WEFT_HD Sums operator-(const Sums& a, const Sums& b) { return {a.weight - b.weight, a.moment - b.moment}; }
};

// Of the values before a place.
struct Prefix {
  Int128 moment = 0;
  std::int64_t weight = 0;
  std::uint64_t runs = 0;  // of equal values, that begin there

  [[nodiscard]] WEFT_HD Sums sums() const { return {weight, moment}; }
  friend WEFT_HD Prefix operator+(const Prefix& a, const Prefix& b) {
    return {a.moment + b.moment, a.weight + b.weight, a.runs + b.runs};
  }
};

inline constexpr std::uint64_t kPrefixStride = 64;

struct SortedKeys {
  const std::uint32_t* keys = nullptr;     // they and weights begin at multiples of 16 bytes
  const std::uint32_t* weights = nullptr;  // in weight units; null: each is 1
  const Prefix* prefix = nullptr;          // n / kPrefixStride + 1 of them
  std::uint64_t n = 0;
  double units_per_value = 1;  // a power of two that brings values below 2^56
};

WEFT_HD std::uint64_t prefix_count(std::uint64_t n) { return n / kPrefixStride + 1; }

// Adds up to kPrefixStride values, one by one.
class PrefixAdder {
 public:
  // The first value is the one with index `begin`.
  WEFT_HD PrefixAdder(const SortedKeys& sorted, std::uint64_t begin)
      : units_per_value_(sorted.units_per_value),
        before_(begin > 0 ? sorted.keys[begin - 1] : ~0u),  // no value has this key
        is_weighted_(sorted.weights != nullptr) {}

  WEFT_HD void add(std::uint32_t key, std::uint32_t weight) {
    const auto units = static_cast<std::int64_t>(static_cast<double>(value_of_key(key)) * units_per_value_);
    runs_ += key != before_ ? 1 : 0;
    before_ = key;
    weight_ += weight;
    if (is_weighted_) {
      moment_ += Int128{weight} * units;
    } else {
      plain_ += units;
    }
  }
  [[nodiscard]] WEFT_HD Prefix all() const { return {is_weighted_ ? moment_ : Int128{plain_}, weight_, runs_}; }

 private:
  double units_per_value_;
  std::uint32_t before_;
  bool is_weighted_;
  Int128 moment_ = 0;
  std::int64_t plain_ = 0, weight_ = 0;  // 64 values below 2^56
  std::uint32_t runs_ = 0;
};

WEFT_HD Prefix sum_of_stride(const SortedKeys& sorted, std::uint64_t stride) {
  PrefixAdder adder(sorted, stride * kPrefixStride);
  Words4 weights{{1, 1, 1, 1}};
  WEFT_UNROLL(4)
  for (std::uint64_t i = stride * kPrefixStride; i < (stride + 1) * kPrefixStride; i += 4) {
    const auto keys = load_aligned<Words4>(reinterpret_cast<const std::uint8_t*>(sorted.keys + i));
    if (sorted.weights != nullptr)
      weights = load_aligned<Words4>(reinterpret_cast<const std::uint8_t*>(sorted.weights + i));
    for (int k = 0; k < 4; k++) adder.add(keys.word[k], weights.word[k]);
  }
  return adder.all();
}

WEFT_HD Prefix sum_before(const SortedKeys& sorted, std::uint64_t place) {
  const std::uint64_t stride = place / kPrefixStride;
  PrefixAdder adder(sorted, stride * kPrefixStride);
  for (std::uint64_t i = stride * kPrefixStride; i < place; i++)
    adder.add(sorted.keys[i], sorted.weights != nullptr ? sorted.weights[i] : 1);
  return sorted.prefix[stride] + adder.all();
}

WEFT_HD std::uint64_t count_up_to(const SortedKeys& sorted, std::uint32_t key) {
  std::uint64_t low = 0, high = sorted.n;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (sorted.keys[middle] <= key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

enum class PlaceKind : std::uint32_t {
  kUpToKey,  // after the values whose key is at most this
  kIndex,    // before this value
  kRunEnd,   // after the values that equal this one
};

struct PlaceQuestion {
  std::uint64_t index = 0;  // below n; of kIndex also n
  std::uint32_t key = 0;
  PlaceKind kind = PlaceKind::kIndex;
};

struct Place {
  Prefix before;
  std::uint64_t index = 0;
  std::uint32_t key = 0;  // of the value there; at the end, of the last one
};

// There is at least one value.
WEFT_HD Place find_place(const SortedKeys& sorted, const PlaceQuestion& question) {
  const std::uint64_t index = question.kind == PlaceKind::kIndex     ? question.index
                              : question.kind == PlaceKind::kUpToKey ? count_up_to(sorted, question.key)
                                                                     : count_up_to(sorted, sorted.keys[question.index]);
  return {sum_before(sorted, index), index, sorted.keys[index < sorted.n ? index : sorted.n - 1]};
}

// Where runs of equal values begin, those from number `first` on.
struct RunList {
  std::uint64_t first = 0, capacity = 0;
  std::uint64_t* begins = nullptr;
};

// Of the runs that begin in one stride; the last stride may be a part of one.
WEFT_HD void list_runs(const SortedKeys& sorted, const RunList& list, std::uint64_t stride) {
  std::uint64_t number = sorted.prefix[stride].runs;
  const std::uint64_t begin = stride * kPrefixStride,
                      end = begin + kPrefixStride < sorted.n ? begin + kPrefixStride : sorted.n;
  if (end == begin + kPrefixStride && sorted.prefix[stride + 1].runs == number) return;
  for (std::uint64_t i = begin; i < end; i++) {
    if (i > 0 && sorted.keys[i] == sorted.keys[i - 1]) continue;
    if (number >= list.first && number - list.first < list.capacity) list.begins[number - list.first] = i;
    number++;
  }
}

inline constexpr std::uint64_t kSquaresPiece = std::uint64_t{1} << 14;
inline constexpr std::uint32_t kSquaresLanes = 32;

WEFT_HD std::uint64_t squares_pieces(std::uint64_t n) { return (n + kSquaresPiece - 1) / kSquaresPiece; }

// Values from edges[j] to edges[j + 1] belong to centroids[j].
struct SquaresJob {
  const std::uint64_t* edges = nullptr;  // clusters + 1 of them, from 0 to n
  const double* centroids = nullptr;
  std::uint32_t clusters = 0;
  double* pieces = nullptr;  // squares_pieces(n) answers
};

WEFT_HD double weighted_square(const SortedKeys& sorted, std::uint64_t i, double centroid) {
  const double distance = static_cast<double>(value_of_key(sorted.keys[i])) - centroid;
  const double weight = sorted.weights != nullptr ? static_cast<double>(sorted.weights[i]) : 1.0;
  return weight * (distance * distance);
}

// The last cluster that begins at `place` or before.
WEFT_HD std::uint32_t cluster_at(const SquaresJob& job, std::uint64_t place) {
  std::uint32_t low = 0, high = job.clusters;
  while (high - low > 1) {
    const std::uint32_t middle = low + (high - low) / 2;
    if (job.edges[middle] <= place) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

// The weighted squared distances of every 32nd value of a piece, from the lane's on.
WEFT_HD double squares_of_lane(const SortedKeys& sorted, const SquaresJob& job, std::uint64_t piece,
                               std::uint32_t lane) {
  const std::uint64_t begin = piece * kSquaresPiece,
                      end = begin + kSquaresPiece < sorted.n ? begin + kSquaresPiece : sorted.n;
  std::uint32_t cluster = cluster_at(job, begin);
  std::uint64_t edge = job.edges[cluster + 1];
  double centroid = job.centroids[cluster], sum = 0;
  for (std::uint64_t i = begin + lane; i < end; i += kSquaresLanes) {
    while (i >= edge) {
      cluster++;
      edge = job.edges[cluster + 1];
      centroid = job.centroids[cluster];
    }
    sum += weighted_square(sorted, i, centroid);
  }
  return sum;
}

// A piece's sum, from those of its lanes.
WEFT_HD double fold_lanes(const double* lanes) {
  double sum = 0;
  for (std::uint32_t lane = 0; lane < kSquaresLanes; lane++) sum += lanes[lane];
  return sum;
}

}  // namespace weft::core
