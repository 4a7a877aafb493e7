// Sizes, counts and times as people write and read them: kB, MB, GB are powers of 1000, KiB, MiB, GiB powers of 1024, and so
// are K, M, G where they are read, as by the tools of GNU.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weft::text {

// A whole size as a regular expression (ECMAScript): "512MiB", "1.5 GB", "40m", "4096B". A bare number has no unit and is
// none. JSON schema knows no flag for upper and lower case.
inline constexpr char kSizePattern[] = "([0-9]{1,15}(\\.[0-9]{1,9})?) ?([Bb]|[KkMmGgTt]([Ii]?[Bb])?)";
inline constexpr char kSizeExample[] =
    "a size such as \"512M\" or \"1.5GB\" (K, M, G, T or KiB, MiB, GiB, TiB: powers of 1024; KB, MB, GB, TB: of 1000)";

// Nothing when it is no size or is 2^63 bytes and more.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);

[[nodiscard]] std::string decimal_bytes(std::uint64_t bytes);  // "1.07 MB"
[[nodiscard]] std::string binary_bytes(std::uint64_t bytes);   // "1.02 MiB"
[[nodiscard]] std::string grouped(std::uint64_t count);        // "267,264"
[[nodiscard]] std::string duration(double seconds);            // "0.31 s", "3 min 12 s", "2 h 05 min"

}  // namespace weft::text
