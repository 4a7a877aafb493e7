#include "block_limit.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string_view>

#include "weft/error.hpp"

namespace weft::cuda {

std::uint32_t parse_block_limit(const char* text) {
  if (text == nullptr) return 0;
  constexpr std::uint32_t kMost = 65535;
  const std::string_view digits(text);
  std::uint32_t limit = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), limit);
  if (error != std::errc{} || end != digits.data() + digits.size() || limit == 0 || limit > kMost)
    throw Error(ErrorKind::kConfig, "WEFT_MAX_BLOCKS is '" + std::string(digits) +
                                        "', but has to be a number from 1 to 65535; or unset it");
  return limit;
}

std::uint32_t limit_blocks(std::uint32_t of_queue) {
  static const std::uint32_t limit = parse_block_limit(std::getenv("WEFT_MAX_BLOCKS"));
  if (limit == 0 || of_queue == 0) return std::max(limit, of_queue);
  return std::min(limit, of_queue);
}

}  // namespace weft::cuda
