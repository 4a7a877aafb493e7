// The parser is a SAX handler: the grammar of a header is four levels deep, so every value that does not belong where it
// stands is refused as soon as it is seen, and no tree is built.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "archive/index.hpp"
#include "formats/safetensors.hpp"
#include "json/strict_json.hpp"
#include "weft/error.hpp"

namespace weft::formats {
namespace {

using json::quote_brief;

constexpr std::string_view kMetadataKey = "__metadata__";

struct Entry {
  TensorInfo info;
  std::uint64_t begin = 0, end = 0;
};

class HeaderReader final : public nlohmann::json::json_sax_t {
 public:
  HeaderReader(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  std::vector<Entry> entries;
  SafetensorsHeader header;  // its tensors are filled in from the entries later

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorKind::kInput, fmt::format("{}: {}", where_, what));
  }

  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("a boolean"); }
  bool number_integer(number_integer_t) override { unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t& text) override {
    unexpected(fmt::format("the number {}", text.substr(0, 40)));
  }
  bool binary(binary_t&) override { unexpected("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ == Place::kShape) {
      if (entries.back().info.shape.size() == archive::kMaxRank)
        fail_tensor(
            fmt::format("its shape has more than {} dimensions, the most that weft handles", archive::kMaxRank));
      entries.back().info.shape.push_back(value);
    } else if (place_ == Place::kOffsets && offsets_ < 2) {
      (offsets_++ == 0 ? entries.back().begin : entries.back().end) = value;
    } else {
      unexpected("a number");
    }
    return true;
  }

  bool string(string_t& value) override {
    if (place_ == Place::kMetadata) {
      header.metadata.back().second = std::move(value);
    } else if (place_ == Place::kEntry && field_ == Field::kDType) {
      const auto dtype = dtype_from_name(value);
      if (!dtype) fail_tensor(fmt::format("its dtype {} is none that weft knows", quote_brief(value)));
      entries.back().info.dtype = *dtype;
    } else {
      unexpected("a string");
    }
    return true;
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::kStart) {
      place_ = Place::kTop;
    } else if (place_ == Place::kTop && in_metadata_) {
      place_ = Place::kMetadata;
    } else if (place_ == Place::kTop) {
      place_ = Place::kEntry;
    } else {
      unexpected("an object");
    }
    return true;
  }

  bool key(string_t& name) override {
    switch (place_) {
      case Place::kTop:
        in_metadata_ = name == kMetadataKey;
        if (!in_metadata_) {
          start_entry(std::move(name));
        } else if (std::exchange(header.has_metadata, true)) {
          fail("__metadata__ occurs twice in the header");
        }
        break;
      case Place::kMetadata:
        header.metadata.emplace_back(std::move(name), std::string());
        break;
      default:
        start_field(name);
    }
    return true;
  }

  bool end_object() override {
    if (place_ == Place::kEntry) finish_entry();
    place_ = place_ == Place::kTop ? Place::kStart : Place::kTop;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::kEntry || field_ == Field::kDType) unexpected("a list");
    place_ = field_ == Field::kShape ? Place::kShape : Place::kOffsets;
    return true;
  }

  bool end_array() override {
    if (place_ == Place::kOffsets && offsets_ != 2) fail_tensor("its data_offsets are not two numbers");
    place_ = Place::kEntry;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    fail("the header is not valid JSON: " + json::syntax_message(text_, position, error));
  }

 private:
  // The innermost open object or list.
  enum class Place { kStart, kTop, kMetadata, kEntry, kShape, kOffsets };
  enum class Field { kDType = 1, kShape = 2, kOffsets = 4 };

  [[noreturn]] void fail_tensor(const std::string& what) const {
    fail(fmt::format("tensor {}: {}", quote_brief(entries.back().info.name), what));
  }

  [[noreturn]] void unexpected(const std::string& found) const {
    switch (place_) {
      case Place::kStart:
        fail(fmt::format("the header is {}, not an object", found));
      case Place::kTop:
        if (in_metadata_) fail(fmt::format("__metadata__ is {}, not an object", found));
        fail_tensor(fmt::format("its entry in the header is {}, not an object", found));
      case Place::kMetadata:
        fail(fmt::format("__metadata__: the value of {} is {}, not a string", quote_brief(header.metadata.back().first),
                         found));
      case Place::kEntry:
        if (field_ == Field::kDType) fail_tensor(fmt::format("its dtype is {}, not a string", found));
        fail_tensor(fmt::format("its {} is {}, not a list", field_ == Field::kShape ? "shape" : "data_offsets", found));
      case Place::kShape:
        fail_tensor(fmt::format("its shape holds {}; expected integers from 0 to 2^64 - 1", found));
      case Place::kOffsets:
        break;
    }
    fail_tensor(fmt::format("its data_offsets hold {}; expected two integers from 0 to 2^64 - 1",
                            offsets_ == 2 ? "more than two values" : found));
  }

  void start_entry(std::string name) {
    entries.emplace_back();
    entries.back().info.name = std::move(name);
    seen_ = offsets_ = 0;
  }

  void start_field(const std::string& name) {
    if (name == "dtype") {
      field_ = Field::kDType;
    } else if (name == "shape") {
      field_ = Field::kShape;
    } else if (name == "data_offsets") {
      field_ = Field::kOffsets;
    } else {
      fail_tensor(fmt::format("unknown key {} in its entry; expected dtype, shape, data_offsets", quote_brief(name)));
    }
    const int bit = static_cast<int>(field_);
    if ((seen_ & bit) != 0) fail_tensor(fmt::format("{} occurs twice in its entry", name));
    seen_ |= bit;
  }

  void finish_entry() {
    if (seen_ != 7)
      fail_tensor(fmt::format("its entry has no {}", (seen_ & 1) == 0   ? "dtype"
                                                     : (seen_ & 2) == 0 ? "shape"
                                                                        : "data_offsets"));
    Entry& entry = entries.back();
    TensorInfo& info = entry.info;
    const auto bits_each = static_cast<std::uint64_t>(bits_of(info.dtype));
    std::uint64_t bits = 0;
    bool too_large = false;
    for (const std::uint64_t dimension : info.shape)
      too_large |= __builtin_mul_overflow(info.elements, dimension, &info.elements);
    too_large |= __builtin_mul_overflow(info.elements, bits_each, &bits);
    if (too_large) fail_tensor(fmt::format("its shape [{}] is too large", fmt::join(info.shape, ", ")));
    if (bits % 8 != 0)
      fail_tensor(
          fmt::format("{} elements of {} are {} bits, not whole bytes", info.elements, name_of(info.dtype), bits));
    info.bytes = bits / 8;
    if (entry.begin > entry.end)
      fail_tensor(fmt::format("its data_offsets [{}, {}] run backwards", entry.begin, entry.end));
    if (entry.end - entry.begin != info.bytes)
      fail_tensor(fmt::format("its data_offsets [{}, {}] span {} bytes, but shape [{}] of {} takes {}", entry.begin,
                              entry.end, entry.end - entry.begin, fmt::join(info.shape, ", "), name_of(info.dtype),
                              info.bytes));
  }

  std::string_view text_;
  const std::string& where_;
  Place place_ = Place::kStart;
  bool in_metadata_ = false;  // at kTop: what the last key announced
  Field field_ = Field::kDType;
  int seen_ = 0;  // fields of the entry, as bits
  int offsets_ = 0;
};

// Sorting rather than hashing: a header cannot be made that takes quadratic time.
std::optional<std::string_view> find_duplicate(std::vector<std::string_view> names) {
  std::sort(names.begin(), names.end());
  const auto found = std::adjacent_find(names.begin(), names.end());
  if (found == names.end()) return std::nullopt;
  return *found;
}

void check_names(const HeaderReader& reader) {
  std::vector<std::string_view> names;
  names.reserve(reader.entries.size());
  for (const Entry& entry : reader.entries) names.push_back(entry.info.name);
  if (const auto twice = find_duplicate(std::move(names)))
    reader.fail(fmt::format("tensor {} occurs twice in the header", quote_brief(*twice)));
  names.clear();
  for (const auto& pair : reader.header.metadata) names.push_back(pair.first);
  if (const auto twice = find_duplicate(std::move(names)))
    reader.fail(fmt::format("__metadata__: the key {} occurs twice", quote_brief(*twice)));
}

// Entries are in the order of their data.
void check_coverage(const HeaderReader& reader, std::uint64_t data_bytes) {
  std::uint64_t covered = 0;
  const Entry* before = nullptr;
  for (const Entry& entry : reader.entries) {
    if (entry.begin > covered)
      reader.fail(fmt::format("bytes {} to {} of the data, before tensor {}, belong to no tensor", covered, entry.begin,
                              quote_brief(entry.info.name)));
    if (entry.begin < covered)
      reader.fail(fmt::format("tensor {} begins at byte {} of the data, inside tensor {}, which ends at byte {}",
                              quote_brief(entry.info.name), entry.begin, quote_brief(before->info.name), covered));
    covered = entry.end;
    before = &entry;
  }
  if (covered != data_bytes)
    reader.fail(fmt::format("the header describes {} bytes of data, but the file has {}: {}", covered, data_bytes,
                            covered > data_bytes ? "it is truncated" : "the rest belongs to no tensor"));
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view text, std::uint64_t data_bytes, const std::string& where) {
  HeaderReader reader(text, where);
  if (text.size() > kMaxHeaderBytes)
    reader.fail(fmt::format("the header has {} bytes; the format allows {}", text.size(), kMaxHeaderBytes));
  if (!text.starts_with('{')) reader.fail("the header does not begin with '{'");
  if (const auto last = text.find_last_not_of(' '); text[last] != '}')
    reader.fail("the header does not end with '}' and spaces");
  try {
    json::parse_sax(text, reader);
  } catch (const json::JsonError& error) {
    reader.fail(fmt::format("the header is not valid JSON: {}", error.what()));
  }
  check_names(reader);
  std::stable_sort(reader.entries.begin(), reader.entries.end(), [](const Entry& a, const Entry& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  check_coverage(reader, data_bytes);
  SafetensorsHeader header = std::move(reader.header);
  header.tensors.reserve(reader.entries.size());
  for (Entry& entry : reader.entries) header.tensors.push_back(std::move(entry.info));
  return header;
}

}  // namespace weft::formats
