#include "archive/codebook_index.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "backends/codebook_groups.hpp"
#include "backends/cpu/kernels.hpp"

namespace weft::archive {
namespace {

Codebook read_codebook(NumberReader& in) {
  Codebook book;
  const auto dtype = dtype_from_wire(in.get(Field::kValueType));
  in.require(dtype && is_centroid_type(*dtype), "a codebook has values of a type that it cannot have");
  book.dtype = *dtype;
  const std::uint64_t dimension_log2 = in.get(Field::kDimensionLog2);
  in.require(dimension_log2 <= kMaxDimensionLog2, "a codebook has an invalid dimension");
  book.dimension = static_cast<std::uint8_t>(1 << dimension_log2);
  const std::uint64_t count = in.get(Field::kEntries);
  in.require(count >= 1 && count <= (book.dimension == 1 ? kMaxScalarEntries : kMaxVectorEntries),
             "a codebook has no entries or too many");
  const std::uint64_t values = count * book.dimension;
  const auto unit_size = static_cast<std::size_t>(unit_bytes(book.dtype));
  in.require(values * unit_size <= in.bytes_left(), "a codebook has more entries than bytes for them");
  std::vector<std::byte> bytes(values * unit_size);
  for (std::size_t i = 0; i < values; i++) {
    const auto bits = static_cast<std::uint32_t>(in.get_direct(8 * static_cast<int>(unit_size)));
    std::memcpy(bytes.data() + i * unit_size, &bits, unit_size);
  }
  book.values.resize(values);
  cpu::active_kernels().to_float(book.dtype, bytes.data(), values, book.values.data());
  for (std::size_t i = 0; i < values; i++) {
    in.require(std::isfinite(book.values[i]), "an entry of a codebook is not finite");
    in.require(book.dimension > 1 || i == 0 || book.values[i - 1] < book.values[i],
               "the entries of a codebook do not ascend");
  }
  return book;
}

}  // namespace

void adopt_codebooks(std::span<const Codebook> codebooks, CodebookStream& stream) {
  stream.index_bytes = 1;
  for (const std::uint32_t number : stream.books) {
    stream.dimension = codebooks[number].dimension;
    if (codebooks[number].entries() > 256) stream.index_bytes = 2;
  }
}

void put_codebooks(NumberWriter& out, const std::vector<Codebook>& codebooks) {
  out.put(Field::kCodebooks, codebooks.size());
  for (const Codebook& book : codebooks) {
    out.put(Field::kValueType, static_cast<std::uint64_t>(book.dtype));
    out.put(Field::kDimensionLog2, static_cast<std::uint64_t>(std::bit_width(book.dimension)) - 1);
    out.put(Field::kEntries, book.entries());
    const auto unit_size = static_cast<std::size_t>(unit_bytes(book.dtype));
    std::vector<std::byte> bytes(book.values.size() * unit_size);
    cpu::active_kernels().from_float(book.dtype, book.values.data(), book.values.size(), bytes.data());
    for (std::size_t i = 0; i < book.values.size(); i++) {
      std::uint64_t bits = 0;  // of any type that a caller may name
      std::memcpy(&bits, bytes.data() + i * unit_size, unit_size);
      out.put_direct(bits, 8 * static_cast<int>(unit_size));
    }
  }
}

void put_codebook_stream(NumberWriter& out, const CodebookStream& stream) {
  out.put(Field::kGroup, stream.group);
  if (stream.group > 0) {
    out.put(Field::kGroupInner, stream.inner);
    out.put(Field::kGroupChannels, stream.channels);
  }
  std::int64_t before = 0;
  for (const std::uint32_t number : stream.books) {
    out.put_signed(Field::kBook, number - before);
    before = number;
  }
}

void read_codebooks(NumberReader& in, std::vector<Codebook>& codebooks) {
  const std::size_t count = in.get_count(Field::kCodebooks);
  for (std::size_t i = 0; i < count; i++) codebooks.push_back(read_codebook(in));
}

void read_codebook_stream(NumberReader& in, std::span<const Codebook> codebooks, StreamRecord& stream) {
  in.require(stream.members.size() == 1 && is_quantizable(stream.dtype),
             "a codebook stream needs one tensor of floats");
  CodebookStream& codebook = stream.codebook;
  codebook.group = in.get(Field::kGroup);
  if (codebook.group > 0) {
    codebook.inner = in.get(Field::kGroupInner);
    codebook.channels = in.get(Field::kGroupChannels);
    std::uint64_t period = 0;
    in.require(codebook.inner > 0 && codebook.channels > codebook.group &&
                   !__builtin_mul_overflow(codebook.inner, codebook.channels, &period) && stream.units % period == 0,
               "groups of channels do not fit their tensor");
    in.require_numbers(group_count(codebook), "groups of channels are more than what is left of the index can say");
  }
  std::int64_t before = 0;
  for (std::uint64_t i = 0; i < group_count(codebook); i++) {
    before = in.get_next(Field::kBook, before, 0, static_cast<std::int64_t>(codebooks.size()) - 1,
                         "a stream names a codebook that does not exist");
    codebook.books.push_back(static_cast<std::uint32_t>(before));
    in.require(codebooks[codebook.books.back()].dimension == codebooks[codebook.books.front()].dimension,
               "codebooks of different dimensions share a stream");
  }
  adopt_codebooks(codebooks, codebook);
}

}  // namespace weft::archive
