#include "archive/numbers.hpp"

#include <algorithm>

namespace weft::archive {
namespace {

// What so many numbers are padded to.
std::uint64_t least_bytes(std::uint64_t numbers) {
  return numbers <= kFewNumbers ? 0 : (numbers - kFewNumbers + kNumbersPerByte - 1) / kNumbersPerByte;
}

}  // namespace

std::vector<std::byte> NumberWriter::finish() {
  std::vector<std::byte> bytes = coder_.finish();
  bytes.resize(std::max<std::uint64_t>(bytes.size(), least_bytes(count_)));
  return bytes;
}

NumberReader::NumberReader(std::span<const std::byte> numbers, Failure fail)
    : numbers_(numbers), fail_(fail), coder_(numbers), most_(numbers.size() * kNumbersPerByte + kFewNumbers) {}

std::string_view NumberReader::get_text() {
  const std::size_t end = texts_.find(kTextEnd);
  require(end != std::string_view::npos, "a text is missing");
  const std::string_view text = texts_.substr(0, end);
  texts_.remove_prefix(end + 1);
  return text;
}

void NumberReader::finish() {
  require(texts_.empty(), "there are texts that nothing names");
  const std::size_t size = numbers_.size();
  const std::span rest = numbers_.last(size - static_cast<std::size_t>(std::min<std::uint64_t>(coder_.taken(), size)));
  const bool is_zero = std::all_of(rest.begin(), rest.end(), [](std::byte b) { return b == std::byte{0}; });
  require(rest.empty() || (is_zero && size == least_bytes(count_)), "there are bytes after the last number");
}

}  // namespace weft::archive
