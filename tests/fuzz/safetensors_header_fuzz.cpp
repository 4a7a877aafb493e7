// The input is a safetensors file without its tensors: the header's text, preceded by the size of the data that it is
// to describe.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "formats/safetensors.hpp"
#include "weft/error.hpp"

namespace {

using weft::formats::SafetensorsHeader;

void require(bool ok) {
  if (!ok) std::abort();
}

// What the parser accepts must survive the canonical form.
void check_round_trip(const SafetensorsHeader& header, std::uint64_t data_bytes) {
  const std::string text = weft::formats::canonical_header(header.tensors, header.metadata, header.has_metadata);
  require(text.size() % 8 == 0);
  const SafetensorsHeader again = weft::formats::parse_safetensors_header(text, data_bytes, "canonical");
  require(again.tensors == header.tensors);
  require(again.metadata == header.metadata && again.has_metadata == header.has_metadata);
  require(text == weft::formats::canonical_header(again.tensors, again.metadata, again.has_metadata));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::uint64_t data_bytes = 0;
  if (size < sizeof data_bytes) return 0;
  std::memcpy(&data_bytes, data, sizeof data_bytes);
  const std::string_view text(reinterpret_cast<const char*>(data) + sizeof data_bytes, size - sizeof data_bytes);
  SafetensorsHeader header;
  try {
    header = weft::formats::parse_safetensors_header(text, data_bytes, "input");
  } catch (const weft::Error& error) {
    require(error.kind() == weft::ErrorKind::kInput);
    return 0;
  }
  check_round_trip(header, data_bytes);
  return 0;
}
