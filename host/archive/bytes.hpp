// Little-endian integers and varints (FORMAT.md, "Conventions"), written and read with every bound checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace weft::archive {

template <class T>
[[nodiscard]] T load_le(const std::byte* p) noexcept {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}

template <class T>
void store_le(std::byte* p, T value) noexcept {
  std::memcpy(p, &value, sizeof(T));
}

class ByteWriter {
 public:
  template <class T>
  void put(T value) {
    const auto* p = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), p, p + sizeof(T));
  }
  void put_u8(std::uint64_t value) { bytes_.push_back(static_cast<std::byte>(value)); }
  void put_varint(std::uint64_t value) {
    for (; value >= 128; value >>= 7) put_u8(value | 128);
    put_u8(value);
  }
  void put_signed_varint(std::int64_t value) {
    put_varint(static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63));
  }
  void put_bytes(std::string_view s) {
    const auto* p = reinterpret_cast<const std::byte*>(s.data());
    bytes_.insert(bytes_.end(), p, p + s.size());
  }
  void put_string(std::string_view s) {
    put_varint(s.size());
    put_bytes(s);
  }
  [[nodiscard]] std::vector<std::byte>& bytes() noexcept { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

// Reading past the end or an overlong varint calls the failure function, which throws.
class ByteReader {
 public:
  using Failure = void (*)(const char* what);
  ByteReader(std::span<const std::byte> bytes, Failure fail) : rest_(bytes), fail_(fail) {}

  [[nodiscard]] std::size_t left() const noexcept { return rest_.size(); }

  std::span<const std::byte> take(std::uint64_t n) {
    if (n > rest_.size()) fail_("a field runs past the end of its section");
    const auto taken = rest_.first(static_cast<std::size_t>(n));
    rest_ = rest_.subspan(static_cast<std::size_t>(n));
    return taken;
  }
  template <class T>
  T get() {
    return load_le<T>(take(sizeof(T)).data());
  }
  std::uint8_t get_u8() { return get<std::uint8_t>(); }
  std::uint64_t get_varint() {
    std::uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const std::uint64_t byte = get_u8();
      if (shift == 63 && byte > 1) fail_("a varint does not fit 64 bits");
      value |= (byte & 127) << shift;
      if ((byte & 128) == 0) {
        if (byte == 0 && shift > 0) fail_("a varint is longer than it needs to be");
        return value;
      }
    }
  }
  std::int64_t get_signed_varint() {
    const std::uint64_t u = get_varint();
    return static_cast<std::int64_t>(u >> 1 ^ (~(u & 1) + 1));
  }
  // A count of items that take at least so many bytes each.
  std::size_t get_count(std::size_t least_bytes = 1) {
    const std::uint64_t n = get_varint();
    if (n > left() / least_bytes) fail_("a count is larger than the bytes that are left");
    return static_cast<std::size_t>(n);
  }
  std::string_view get_string() {
    const auto bytes = take(get_varint());
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  void expect_end(const char* what) { require(rest_.empty(), what); }
  void require(bool ok, const char* what) {
    if (!ok) fail_(what);
  }

 private:
  std::span<const std::byte> rest_;
  Failure fail_;
};

}  // namespace weft::archive
