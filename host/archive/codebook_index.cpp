#include "archive/codebook_index.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "backends/codebook_groups.hpp"
#include "backends/cpu/kernels.hpp"

namespace weft::archive {
namespace {

constexpr std::size_t kFewestBytes = 5;  // of a codebook: type, dimension, count and an entry

Codebook read_codebook(ByteReader& in) {
  Codebook book;
  const auto dtype = dtype_from_wire(in.get_u8());
  in.require(dtype && is_centroid_type(*dtype), "a codebook has values of a type that it cannot have");
  book.dtype = *dtype;
  book.dimension = in.get_u8();
  in.require(std::has_single_bit(book.dimension) && book.dimension <= kMaxDimension,
             "a codebook has an invalid dimension");
  const std::uint64_t count = in.get_varint();
  in.require(count >= 1 && count <= (book.dimension == 1 ? kMaxScalarEntries : kMaxVectorEntries),
             "a codebook has no entries or too many");
  const std::uint64_t values = count * book.dimension;
  const auto bytes = in.take(values * static_cast<std::uint64_t>(unit_bytes(book.dtype)));
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

void put_codebooks(ByteWriter& out, const std::vector<Codebook>& codebooks) {
  out.put_varint(codebooks.size());
  for (const Codebook& book : codebooks) {
    out.put_u8(static_cast<std::uint8_t>(book.dtype));
    out.put_u8(book.dimension);
    out.put_varint(book.entries());
    std::vector<std::byte> bytes(book.values.size() * static_cast<std::size_t>(unit_bytes(book.dtype)));
    cpu::active_kernels().from_float(book.dtype, book.values.data(), book.values.size(), bytes.data());
    out.bytes().insert(out.bytes().end(), bytes.begin(), bytes.end());
  }
}

void put_codebook_stream(ByteWriter& out, const CodebookStream& stream) {
  out.put_varint(stream.group);
  if (stream.group > 0) {
    out.put_varint(stream.inner);
    out.put_varint(stream.channels);
  }
  for (const std::uint32_t number : stream.books) out.put_varint(number);
}

void read_codebooks(ByteReader& in, std::vector<Codebook>& codebooks) {
  const std::size_t count = in.get_count(kFewestBytes);
  codebooks.reserve(count);
  for (std::size_t i = 0; i < count; i++) codebooks.push_back(read_codebook(in));
}

void read_codebook_stream(ByteReader& in, std::span<const Codebook> codebooks, StreamRecord& stream) {
  in.require(stream.members.size() == 1 && is_quantizable(stream.dtype),
             "a codebook stream needs one tensor of floats");
  CodebookStream& codebook = stream.codebook;
  codebook.group = in.get_varint();
  if (codebook.group > 0) {
    codebook.inner = in.get_varint();
    codebook.channels = in.get_varint();
    std::uint64_t period = 0;
    in.require(codebook.inner > 0 && codebook.channels > codebook.group &&
                   !__builtin_mul_overflow(codebook.inner, codebook.channels, &period) && stream.units % period == 0,
               "groups of channels do not fit their tensor");
    in.require(group_count(codebook) <= in.left(), "groups of channels are more than the index has bytes");
  }
  for (std::uint64_t i = 0; i < group_count(codebook); i++) {
    const std::uint64_t number = in.get_varint();
    in.require(number < codebooks.size(), "a stream names a codebook that does not exist");
    codebook.books.push_back(static_cast<std::uint32_t>(number));
    in.require(codebooks[number].dimension == codebooks[codebook.books.front()].dimension,
               "codebooks of different dimensions share a stream");
  }
  adopt_codebooks(codebooks, codebook);
}

}  // namespace weft::archive
