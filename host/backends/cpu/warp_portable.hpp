// The portable model of a warp: 32 elements and plain loops. It is the definition that the other models are tested
// against.
#pragma once

#include <cstring>

#include "weft/core/kernel_warp.hpp"
#include "weft/core/vector_memory.hpp"

namespace weft::cpu {

struct PortableWarp {
  static constexpr std::uint32_t kWidth = core::kLanes;
  struct U32 {
    std::uint32_t lane[core::kLanes];
  };
  struct Mask {
    std::uint32_t lane[core::kLanes];  // all ones or zero
  };

  template <class F>
  static WEFT_HD U32 each(F f) {
    U32 r;
    for (int i = 0; i < core::kLanes; i++) r.lane[i] = f(i);
    return r;
  }
  template <class F>
  static WEFT_HD Mask each_mask(F f) {
    Mask r;
    for (int i = 0; i < core::kLanes; i++) r.lane[i] = f(i) ? ~0u : 0u;
    return r;
  }

  static U32 splat(std::uint32_t u) {
    return each([=](int) { return u; });
  }
  static Mask first_lanes(std::uint32_t n) {
    return each_mask([=](int i) { return static_cast<std::uint32_t>(i) < n; });
  }
  static U32 load_bytes(const std::uint8_t* p) {
    return each([=](int i) { return std::uint32_t{p[i]}; });
  }
  static U32 load_bytes(const std::uint8_t* p, const Mask& m) {
    return each([&](int i) { return m.lane[i] != 0 ? std::uint32_t{p[i]} : 0u; });
  }
  static void store_bytes(std::uint8_t* p, const U32& x) {
    for (int i = 0; i < core::kLanes; i++) p[i] = static_cast<std::uint8_t>(x.lane[i]);
  }
  static void store_bytes(std::uint8_t* p, const U32& x, const Mask& m) {
    for (int i = 0; i < core::kLanes; i++)
      if (m.lane[i] != 0) p[i] = static_cast<std::uint8_t>(x.lane[i]);
  }
  static U32 gather(const std::uint32_t* table, const U32& index) {
    return each([&](int i) { return table[index.lane[i]]; });
  }
  static U32 gather(const std::uint32_t* table, const U32& index, std::uint32_t mask) {
    return each([&](int i) { return table[index.lane[i] & mask]; });
  }
  static U32 select(const Mask& m, const U32& a, const U32& b) {
    return each([&](int i) { return (a.lane[i] & m.lane[i]) | (b.lane[i] & ~m.lane[i]); });
  }
  static Mask less(const U32& a, const U32& b) {
    return each_mask([&](int i) { return a.lane[i] < b.lane[i]; });
  }
  static Mask both(const Mask& a, const Mask& b) {
    return each_mask([&](int i) { return (a.lane[i] & b.lane[i]) != 0; });
  }
  static std::uint32_t count(const Mask& m) {
    std::uint32_t n = 0;
    for (int i = 0; i < core::kLanes; i++) n += m.lane[i] & 1;
    return n;
  }
  static bool all_equal(const U32& x, std::uint32_t u, const Mask& m) {
    for (int i = 0; i < core::kLanes; i++)
      if (m.lane[i] != 0 && x.lane[i] != u) return false;
    return true;
  }
  static U32 expand_load(const std::uint16_t* p, const Mask& m) { return expand_load_exact(p, m); }
  static U32 expand_load_exact(const std::uint16_t* p, const Mask& m) {
    return each([&](int i) { return m.lane[i] != 0 ? std::uint32_t{*p++} : 0u; });
  }
  static std::uint32_t compress_store(std::uint16_t* end, const U32& x, const Mask& m) {
    std::uint16_t* p = end - count(m);
    for (int i = 0; i < core::kLanes; i++)
      if (m.lane[i] != 0) *p++ = static_cast<std::uint16_t>(x.lane[i]);
    return count(m);
  }
  static U32 load_words(const std::uint8_t* p) {
    return each([&](int i) {
      std::uint32_t word = 0;
      std::memcpy(&word, p + 4 * i, 4);
      return word;
    });
  }
  static U32 load_aligned_words(const std::uint8_t* p) { return load_words(p); }
  static U32 load_table(const std::uint32_t* p) {
    return each([&](int i) { return p[i]; });
  }
  static std::uint32_t xor_lanes(const U32& x) {
    std::uint32_t r = 0;
    for (int i = 0; i < core::kLanes; i++) r ^= x.lane[i];
    return r;
  }
  static U32 mul_high(const U32& a, const U32& b) {
    return each([&](int i) { return static_cast<std::uint32_t>((std::uint64_t{a.lane[i]} * b.lane[i]) >> 32); });
  }
  static U32 shift_right(const U32& x, const U32& n) {
    return each([&](int i) { return x.lane[i] >> (n.lane[i] & 31); });
  }
  static std::uint32_t ballot(const Mask& m) {
    std::uint32_t bits = 0;
    for (int i = 0; i < core::kLanes; i++) bits |= (m.lane[i] & 1) << i;
    return bits;
  }
  static U32 lane_numbers() {
    return each([](int i) { return static_cast<std::uint32_t>(i); });
  }
  static void store_table(std::uint32_t* p, const U32& x) { std::memcpy(p, x.lane, sizeof x.lane); }
  static void store_halves(std::uint16_t* p, const U32& x) {
    for (int i = 0; i < core::kLanes; i++) p[i] = static_cast<std::uint16_t>(x.lane[i]);
  }

  static void sync() {}
  template <class F, class... Values>
  static WEFT_HD void for_each_lane(F f, Values&... values) {
    for (std::uint32_t i = 0; i < core::kLanes; i++) f(i, values.lane[i]...);
  }
  template <class F>
  static WEFT_HD U32 each_lane_value(F f) {
    return each([&](int i) { return f(static_cast<std::uint32_t>(i)); });
  }
  static U32 from_lane(const U32& x, const U32& number) {
    return each([&](int i) { return x.lane[number.lane[i] & (core::kLanes - 1)]; });
  }
  static U32 least(const U32& a, const U32& b, Mask& is_second) {
    is_second = less(b, a);
    return select(is_second, b, a);
  }
  static U32 shift_left(const U32& x, const U32& n) {
    return each([&](int i) { return x.lane[i] << (n.lane[i] & 31); });
  }
  static bool any(const Mask& m) { return count(m) != 0; }
  static std::uint32_t or_lanes(const U32& x) {
    std::uint32_t r = 0;
    for (int i = 0; i < core::kLanes; i++) r |= x.lane[i];
    return r;
  }
  static std::uint32_t sum_lanes(const U32& x) {
    std::uint32_t r = 0;
    for (int i = 0; i < core::kLanes; i++) r += x.lane[i];
    return r;
  }
  template <class T>
  struct PerLane {
    T value[core::kLanes];
    T& operator[](std::uint32_t lane) { return value[lane]; }
    const T& operator[](std::uint32_t lane) const { return value[lane]; }
  };
  static void prefetch(const std::uint8_t*) {}
  using Near = std::uint8_t*;
  static Near near(std::uint8_t* p) { return p; }
  static Near kept_near(std::uint8_t* p) { return p; }
  static core::NearPair load_pair(const std::uint8_t* table, std::uint32_t offset) {
    core::NearPair pair{};
    std::memcpy(&pair, table + offset, sizeof pair);
    return pair;
  }
  static core::NearPair load_pair(const std::uint8_t* table, std::uint32_t bytes, std::uint32_t factors) {
    return load_pair(table, core::dot_all_unsigned(bytes, factors, 0));
  }
  static std::uint32_t compress_store_near(Near end, const U32& x, const Mask& m) {
    return compress_store(reinterpret_cast<std::uint16_t*>(end), x, m);
  }
  static constexpr std::size_t kWordBytes = 0;
  class WordStream {
   public:
    WordStream(const std::uint16_t* words, std::uint32_t count, std::uint8_t*) : words_(words), count_(count) {}
    void ready() {}
    std::uint32_t next() {
      const std::uint32_t at = taken_++;
      return at < count_ ? words_[at] : 0;
    }
    [[nodiscard]] std::int32_t left() const { return static_cast<std::int32_t>(count_ - taken_); }

   private:
    const std::uint16_t* words_;
    std::uint32_t count_, taken_ = 0;
  };
  static void take_words(WordStream& stream, U32& x) { take_words(stream, x, first_lanes(kWidth)); }
  static void take_words(WordStream& stream, U32& x, const Mask& active) {
    for (int i = 0; i < core::kLanes; i++)
      if (active.lane[i] != 0 && x.lane[i] < core::kStateLow) x.lane[i] = x.lane[i] << core::kWordBits | stream.next();
  }
  static void add(std::uint32_t* at, std::uint32_t value) { *at += value; }
  static void add(std::uint64_t* at, std::uint64_t value) { *at += value; }
};

using PortableU32 = PortableWarp::U32;
inline PortableU32 operator+(const PortableU32& a, const PortableU32& b) {
  return PortableWarp::each([&](int i) { return a.lane[i] + b.lane[i]; });
}
inline PortableU32 operator-(const PortableU32& a, const PortableU32& b) {
  return PortableWarp::each([&](int i) { return a.lane[i] - b.lane[i]; });
}
inline PortableU32 operator*(const PortableU32& a, const PortableU32& b) {
  return PortableWarp::each([&](int i) { return a.lane[i] * b.lane[i]; });
}
inline PortableU32 operator&(const PortableU32& a, const PortableU32& b) {
  return PortableWarp::each([&](int i) { return a.lane[i] & b.lane[i]; });
}
inline PortableU32 operator|(const PortableU32& a, const PortableU32& b) {
  return PortableWarp::each([&](int i) { return a.lane[i] | b.lane[i]; });
}
inline PortableU32 operator^(const PortableU32& a, const PortableU32& b) {
  return PortableWarp::each([&](int i) { return a.lane[i] ^ b.lane[i]; });
}
inline PortableU32 operator<<(const PortableU32& a, int n) {
  return PortableWarp::each([&](int i) { return a.lane[i] << n; });
}
inline PortableU32 operator>>(const PortableU32& a, int n) {
  return PortableWarp::each([&](int i) { return a.lane[i] >> n; });
}

static_assert(core::KernelWarp<PortableWarp>);

}  // namespace weft::cpu
