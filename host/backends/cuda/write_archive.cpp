#include "backends/cuda/write_archive.hpp"

#include "archive/archive_writer.hpp"
#include "archive/index.hpp"
#include "engine/table_book.hpp"
#include "formats/safetensors.hpp"
#include "io/file.hpp"
#include "weft/error.hpp"

namespace weft::cuda {
namespace {

// Adds the tensor with its stream, whose blocks have their sizes; places in the file follow later.
void add_tensor(Index& index, engine::TableBook& book, const NamedTensorToWrite& named) {
  const TensorToWrite& tensor = *named.tensor;
  index.tensors.push_back(tensor.info);
  index.tensors.back().name = named.name;
  index.places.push_back({index.streams.size(), 0, tensor.stream.units});
  StreamRecord& stream = index.streams.emplace_back(tensor.stream);
  stream.members = {index.tensors.size() - 1};
  archive::lay_out_stream(index, stream);
  for (std::size_t s = 0; s < stream.segment_count; s++)
    book.record(index.segments[stream.first_segment + s], tensor.segments[s]);
}

}  // namespace

TensorInfo describe_tensor(DType dtype, std::vector<std::uint64_t> shape) {
  TensorInfo info{"tensor", dtype, std::move(shape), 1, 0};
  for (const std::uint64_t dimension : info.shape)
    if (__builtin_mul_overflow(info.elements, dimension, &info.elements))
      throw Error(ErrorKind::kInput, "a tensor has more than 2^64 elements");
  std::uint64_t bits = 0;
  if (__builtin_mul_overflow(info.elements, static_cast<std::uint64_t>(bits_of(dtype)), &bits) || bits % 8 != 0)
    throw Error(ErrorKind::kInput, "a tensor is too large, or does not end at a byte");
  info.bytes = bits / 8;
  return info;
}

void write_tensors(std::span<const NamedTensorToWrite> tensors, const std::filesystem::path& path, bool overwrite) {
  Index index;
  engine::TableBook book(index);
  std::uint64_t data_bytes = 0;
  for (const NamedTensorToWrite& named : tensors) {
    add_tensor(index, book, named);
    data_bytes += named.tensor->info.bytes;
  }
  FileInfo& file = index.files.emplace_back();
  file.kind = FileInfo::Kind::kSafetensors;
  file.name = path.stem().string() + ".safetensors";
  if (!archive::file_name_fault(file.name).empty()) file.name = "model.safetensors";
  file.tensor_count = index.tensors.size();
  file.header = formats::canonical_header(index.tensors, {}, false);
  file.bytes = 8 + file.header.size() + data_bytes;
  index.asset_streams.push_back(0);
  (void)formats::parse_safetensors_header(file.header, data_bytes, path.string());  // says what is wrong with names

  io::AtomicFile out(path, overwrite);
  archive::ArchiveWriter writer(out);
  for (std::size_t t = 0; t < tensors.size(); t++) {
    const StreamRecord& stream = index.streams[t];
    for (std::size_t s = 0; s < stream.segment_count; s++) {
      const auto& bytes = tensors[t].tensor->segments[s].bytes;
      const std::size_t first_block = index.segments[stream.first_segment + s].first_block;
      writer.write(writer.reserve(bytes.size(), stream.codec, index.blocks[first_block].units), bytes);
    }
  }
  std::uint64_t index_bytes = 0;
  writer.finish(index, index_bytes);
  out.commit();
}

}  // namespace weft::cuda
