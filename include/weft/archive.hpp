// A .weft archive that has been opened and checked (FORMAT.md).
//
// Opening reads header, footer and index and checks everything they say: checksums, counts, offsets, names. Blocks are
// checked when they are decoded. Nothing is allocated on the word of a small file.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "weft/config.hpp"
#include "weft/network.hpp"

namespace weft {

inline constexpr int kFormatMajor = 0;
inline constexpr int kFormatMinor = 9;

// A frequency table: consecutive symbols from `first` on; the frequencies sum to 4096. With a pair_base what is coded are
// pairs of symbols (core/pairs.hpp).
struct FrequencyTable {
  std::uint8_t first = 0;
  std::vector<std::uint16_t> frequencies;
  std::optional<std::uint8_t> pair_base = std::nullopt;
  bool operator==(const FrequencyTable&) const = default;
};

// Parameters of a uniform stream.
struct UniformStream {
  float fine_step = 0;                    // 1/64 of a cell's width
  std::uint8_t low_bits = 0;              // 0, 4 or 8
  std::uint64_t inner = 0;                // per channel: channel of element e is (e / inner) % scale_codes.size()
  std::vector<std::uint8_t> scale_codes;  // empty: one step for all
  bool operator==(const UniformStream&) const = default;
};

// What indices stand for: scalars, or vectors of neighbouring weights. Streams may share one.
struct Codebook {
  DType dtype = DType::kF32;   // of the values in the archive: F16, BF16 or F32
  std::uint8_t dimension = 1;  // weights of an entry: 1, 2, 4 or 8
  std::vector<float> values;   // of all entries, finite; scalars strictly ascending

  // What only the encoder knows; not in the archive.
  double bit_price = 0;     // squared error that a bit may cost
  std::vector<float> bits;  // of vectors, with a price: length of each index

  [[nodiscard]] std::size_t entries() const noexcept { return values.size() / dimension; }
  bool operator==(const Codebook&) const = default;
};

// Parameters of a codebook stream.
struct CodebookStream {
  std::vector<std::uint32_t> books;  // in Index::codebooks: one, or one for each group of channels
  // With groups: element e has channel e / inner % channels, and `group` consecutive channels share a codebook.
  std::uint64_t inner = 0, channels = 0, group = 0;
  std::uint8_t dimension = 1, index_bytes = 1;  // follow from the codebooks
  bool operator==(const CodebookStream&) const = default;
};

// A mixture of 32 triangles that says how normalised weights are distributed (trellis/shape.hpp); sums to 4096.
using Shape = std::array<std::uint16_t, 32>;

// How wide weights are: the code of element e (in view order) is codes[(e / inner) % codes.size()], in thirds of an octave.
struct ScaleFactor {
  std::uint64_t inner = 1;
  std::vector<std::int8_t> codes;
  bool operator==(const ScaleFactor&) const = default;
};

// The classes of a stream's units: the base class plus the factors' codes, as near to that as 0 to 31 are. A trellis stream's
// say how wide a weight's distribution is; any other stream's, which of a segment's frequency tables codes a unit's symbol in
// plane 0.
struct Scales {
  std::int16_t base_class = 0;
  std::vector<ScaleFactor> factors;  // at most three; none, of a stream that is not a trellis's: one table for all
  bool operator==(const Scales&) const = default;
};

// Parameters of a trellis stream.
struct TrellisStream : Scales {
  float fine_step = 0;      // 1/64 of a step; a cell is two steps wide
  std::int32_t offset = 0;  // fine steps that level 0 stands for
  std::uint8_t states_log2 = 3;
  bool keeps_zero = false;  // labelling
  bool predicts = false;
  std::uint32_t shape = 0;                       // in Index::shapes
  std::array<std::int8_t, 12> shifts{};          // of classes by local energy, -4 to 4, if it predicts
  std::vector<std::array<std::int8_t, 4>> taps;  // in 1/32, by the place in a period of so many units, if it predicts
  std::array<std::uint64_t, 3> view{1, 1, 1};    // a box of the tensor's data that is coded with its axes reversed
  double lambda = 0;                             // squared cells that a bit may cost the encoder; not in the archive
  bool pins_zero = false;                        // the encoder gives zeros back as zeros; not in the archive
  bool operator==(const TrellisStream&) const = default;
};

struct BlockRecord {
  std::uint64_t offset = 0;  // in the file
  std::uint32_t size = 0;
  std::uint32_t units = 0;
};

struct SegmentRecord {
  std::array<std::uint32_t, 8> tables{};     // per plane: 0 none, else 1 + index of a table
  std::vector<std::uint32_t> class_tables;   // index of plane 0's table of each class of the stream; none: tables[0]
  std::array<std::int8_t, 3> corrections{};  // uniform
  std::size_t first_block = 0;               // in Index::blocks
  std::uint32_t block_count = 0;
  std::uint64_t first_unit = 0;  // in the stream
  std::uint64_t units = 0;
};

struct StreamRecord {
  CodecId codec = CodecId::kRaw;
  DType dtype = DType::kU8;  // of its members; kU8 for an asset
  std::uint8_t block_log2 = 16, segment_log2 = 20;
  std::uint64_t units = 0;
  UniformStream uniform;
  CodebookStream codebook;
  TrellisStream trellis;
  Scales scales;                                     // codecs kLossless and kCodebook
  std::size_t first_segment = 0, segment_count = 0;  // in Index::segments
  std::vector<std::size_t> members;                  // tensors, ascending
};

// Where a tensor's data is.
struct TensorPlace {
  std::size_t stream = 0;
  std::uint64_t first_unit = 0;  // in the stream
  std::uint64_t units = 0;
};

struct Index {
  bool is_folder = false;
  std::vector<FileInfo> files;             // FileInfo::header is filled in for safetensors files
  std::vector<std::size_t> asset_streams;  // per file: its stream if it is an asset, else 0
  std::vector<TensorInfo> tensors;
  std::vector<TensorPlace> places;  // per tensor
  std::vector<FrequencyTable> tables;
  std::vector<Shape> shapes;        // of trellis streams
  std::vector<Codebook> codebooks;  // of codebook streams
  std::vector<StreamRecord> streams;
  std::vector<SegmentRecord> segments;
  std::vector<BlockRecord> blocks;
};

class Archive {
 public:
  // Throws Error: kIo when the file cannot be read, kArchive when it is not an intact archive of a known version.
  [[nodiscard]] static Archive open(const std::filesystem::path& path);

  Archive(Archive&&) noexcept;
  Archive& operator=(Archive&&) noexcept;
  ~Archive();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] const Index& index() const noexcept { return index_; }
  [[nodiscard]] std::uint64_t file_bytes() const noexcept { return file_bytes_; }
  [[nodiscard]] std::uint64_t index_bytes() const noexcept { return index_bytes_; }  // as stored

  // Copies [offset, offset + out.size()) of the file. Thread-safe.
  void read(std::uint64_t offset, std::span<std::byte> out) const;

 private:
  Archive();
  std::filesystem::path path_;
  Index index_;
  std::uint64_t file_bytes_ = 0, index_bytes_ = 0;
  struct Source;
  std::unique_ptr<Source> source_;
};

}  // namespace weft
