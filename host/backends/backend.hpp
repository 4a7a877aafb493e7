// What a backend does: segments of units to blocks, and blocks back to units.
//
// A backend makes one coder per worker thread; a coder owns its scratch memory and is used by one thread at a time. The
// engine gives it whole segments, and several at once where batch_bytes() says so, so that a device has enough to do; a
// decoder can ask for any run of blocks of one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "weft/archive.hpp"
#include "weft/config.hpp"

namespace weft {

// What both directions know of a segment.
struct SegmentView {
  CodecId codec = CodecId::kRaw;
  DType dtype = DType::kU8;
  int block_log2 = 16;
  std::uint64_t first_unit = 0;  // in the stream, for channels
  std::uint64_t units = 0;
  const UniformStream* uniform = nullptr;         // codec kUniform
  const CodebookStream* codebook = nullptr;       // codec kCodebook
  std::span<const Codebook> codebooks;            // codec kCodebook: of the archive, which the stream numbers
  const TrellisStream* trellis = nullptr;         // codec kTrellis
  const Shape* shape = nullptr;                   // codec kTrellis: the one that the stream names
  const Scales* scales = nullptr;                 // codecs kLossless and kCodebook, of streams whose units have classes
  std::array<const FrequencyTable*, 8> tables{};  // per plane; null: none
  // Plane 0's tables, by class from the stream's lowest one on; none: all of its symbols have tables[0].
  std::vector<const FrequencyTable*> class_tables;
  std::array<std::int8_t, 3> corrections{};  // codecs kUniform and kTrellis

  [[nodiscard]] std::uint32_t block_count() const noexcept {
    return static_cast<std::uint32_t>((units + (std::uint64_t{1} << block_log2) - 1) >> block_log2);
  }
  [[nodiscard]] std::uint64_t block_units(std::uint32_t block) const noexcept {
    const std::uint64_t begin = std::uint64_t{block} << block_log2, size = std::uint64_t{1} << block_log2;
    return units - begin < size ? units - begin : size;
  }
};

// What the index says of an encoded segment.
struct EncodedRecord {
  std::array<std::optional<FrequencyTable>, 8> tables;
  // Plane 0's, if it is coded by class: at most core::kMostClassTables, and which of them a class has, from the lowest one on.
  std::vector<FrequencyTable> class_tables;
  std::vector<std::uint8_t> table_of_class;
  std::array<std::int8_t, 3> corrections{};
  std::vector<std::uint32_t> block_sizes;
};

struct EncodedSegment : EncodedRecord {
  std::vector<std::byte> bytes;   // the blocks, each aligned as in the file, zeros in between
  std::uint64_t plane_bytes = 0;  // without block headers and padding

  void clear();
  // `view` with this segment's tables and corrections, for decoding it again. Borrows from this.
  [[nodiscard]] SegmentView with_tables(SegmentView view) const;
};

// A block that cannot be decoded, and why; the engine adds the names.
struct BlockFault {
  std::uint32_t block = 0;  // in the segment
  std::string reason;
};

// A segment to encode, or a run of blocks to decode, among others.
struct EncodeItem {
  SegmentView view;
  const CodecSpec* spec = nullptr;
  std::span<const std::byte> units;
  EncodedSegment* out = nullptr;
};
struct DecodeItem {
  SegmentView view;
  std::uint32_t first = 0;
  std::span<const std::span<const std::byte>> blocks;
  std::span<std::byte> units;
  std::optional<BlockFault> fault;  // answer
};

// Copies between host and device, of a coder since the last time it was asked.
struct TransferTimes {
  double seconds = 0;
  std::uint64_t bytes = 0;
};

class SegmentCoder {
 public:
  virtual ~SegmentCoder() = default;
  // Encodes view.units units. `out` is overwritten; its memory is reused.
  virtual void encode(const SegmentView& view, const CodecSpec& spec, std::span<const std::byte> units,
                      EncodedSegment& out) = 0;
  // Decodes blocks [first, first + sizes.size()) of the segment. blocks[i] are the bytes of block first + i; units is exactly as
  // long as what they hold. Never reads or writes outside of these, whatever the bytes say.
  virtual std::optional<BlockFault> decode(const SegmentView& view, std::uint32_t first,
                                           std::span<const std::span<const std::byte>> blocks,
                                           std::span<std::byte> units) = 0;
  // The same for several; one after the other unless a device can do better.
  virtual void encode_batch(std::span<EncodeItem> items) {
    for (EncodeItem& item : items) encode(item.view, *item.spec, item.units, *item.out);
  }
  virtual void decode_batch(std::span<DecodeItem> items) {
    for (DecodeItem& item : items) item.fault = decode(item.view, item.first, item.blocks, item.units);
  }
  virtual TransferTimes take_transfer_times() { return {}; }
};

class Clusterer;  // backends/clusterer.hpp
class RowMeter;   // backends/row_meter.hpp

class Backend {
 public:
  virtual ~Backend() = default;
  [[nodiscard]] virtual std::string name() const = 0;  // for reports, such as "cpu (avx2)"
  [[nodiscard]] virtual std::unique_ptr<SegmentCoder> make_coder() const = 0;
  [[nodiscard]] virtual std::unique_ptr<Clusterer> make_clusterer() const = 0;
  // How many clusterers at once have a device each.
  [[nodiscard]] virtual std::uint32_t clusterers() const { return 1; }
  [[nodiscard]] virtual std::unique_ptr<RowMeter> make_row_meter() const = 0;
  // Bytes of units that a batch should have when so many coders work at once; 0: one segment at a time is as good.
  [[nodiscard]] virtual std::uint64_t batch_bytes(std::uint32_t coders) const {
    (void)coders;
    return 0;
  }
  [[nodiscard]] virtual std::uint64_t peak_device_bytes() const { return 0; }
  // What a user should hear of, such as a device that ran out of memory; each line once.
  [[nodiscard]] virtual std::vector<std::string> notes() const { return {}; }
};

[[nodiscard]] std::unique_ptr<Backend> make_cpu_backend();
// By name: auto (a GPU when there is a usable one), cpu, cuda, cuda:N, cuda:all. device_memory bounds what is allocated on
// each device, 0 leaves that to the backend. Throws Error(kUnsupported) when a GPU was asked for and is not there.
[[nodiscard]] std::unique_ptr<Backend> make_backend(const std::string& device, std::uint64_t device_memory);

}  // namespace weft
