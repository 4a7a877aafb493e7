#include <fmt/format.h>

#include <iterator>

#include "formats/safetensors.hpp"

namespace weft::formats {
namespace {

// Not json::quote: the archive format fixes every byte, and that library also escapes the character 127.
void append_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
      case '\\':
        out += '\\';
        out += c;
        break;
      case '\b':
        out += "\\b";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\r':
        out += "\\r";
        break;
      default:
        if (static_cast<unsigned char>(c) < 32)
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
        else
          out += c;
    }
  }
  out += '"';
}

}  // namespace

std::string canonical_header(std::span<const TensorInfo> tensors,
                             std::span<const std::pair<std::string, std::string>> metadata, bool has_metadata) {
  std::string out = "{";
  if (has_metadata) {
    out += "\"__metadata__\":{";
    bool first = true;
    for (const auto& [key, value] : metadata) {
      if (!first) out += ',';
      first = false;
      append_string(out, key);
      out += ':';
      append_string(out, value);
    }
    out += '}';
  }
  std::uint64_t offset = 0;
  for (const TensorInfo& tensor : tensors) {
    if (out.size() > 1) out += ',';
    append_string(out, tensor.name);
    fmt::format_to(std::back_inserter(out), R"(:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                   name_of(tensor.dtype), fmt::join(tensor.shape, ","), offset, offset + tensor.bytes);
    offset += tensor.bytes;
  }
  out += '}';
  out.resize((out.size() + 7) / 8 * 8, ' ');
  return out;
}

}  // namespace weft::formats
