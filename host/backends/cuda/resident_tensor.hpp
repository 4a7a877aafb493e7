// What ResidentTensor (weft/device.hpp) does, on any Queue: which blocks hold the rows, and where their units go.
//
// Read me first:
// * Blocks that lie within the rows are decoded straight to the output; the two at the ends, where they stick out, to the
//   workspace, from where the wanted part is copied on the device.
// * A tensor that was coded in another order (a view) is decoded whole, to the workspace; its rows are gathered from there.
// * Blocks that no device decodes are decoded here, once, and put back as raw blocks.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "backends/cuda/decode_batch.hpp"
#include "weft/archive.hpp"

namespace weft::cuda {

class ResidentRows {
 public:
  ResidentRows(const Archive& archive, std::size_t tensor, std::uint64_t first_row, std::uint64_t rows);
  ResidentRows(const ResidentRows&) = delete;
  ResidentRows& operator=(const ResidentRows&) = delete;

  [[nodiscard]] std::uint64_t output_bytes() const noexcept { return output_bytes_; }
  [[nodiscard]] std::uint64_t resident_bytes() const noexcept { return view_begin_ + view_bytes_; }

  void upload(Queue& queue, std::byte* resident);
  void decode(Queue& queue, std::byte* out) const;
  // Throws Error(kArchive) for the first block that the device refused.
  void check(Queue& queue) const;

 private:
  // Some blocks of a segment in a row.
  struct Part {
    std::size_t segment;
    std::uint32_t first;
    std::vector<std::vector<std::byte>> stored;
    std::vector<std::span<const std::byte>> blocks;
    std::vector<std::byte> units;  // of a block that is cut: their number is what matters
  };
  // Wanted bytes of a block at an end of the rows.
  struct Cut {
    std::size_t item;
    std::uint64_t from, to, bytes;  // within the item's units, in the output
  };

  void plan_segment(std::size_t segment, std::uint64_t begin, std::uint64_t end);
  void plan_view(const StreamRecord& stream, std::uint64_t begin, std::uint64_t end);
  void add_block(std::size_t segment, std::uint32_t block, std::optional<std::uint64_t> outside);
  void decode_here(DecodeItem& item, Part& part, std::size_t block) const;
  [[noreturn]] void refuse(std::size_t segment, const BlockFault& fault) const;

  const Archive& archive_;
  std::size_t tensor_;
  std::uint64_t output_bytes_ = 0;
  std::uint64_t unit_ = 1;
  std::uint64_t begin_ = 0;  // of the rows, in units of the stream
  std::deque<Part> parts_;
  std::vector<DecodeItem> items_;
  std::vector<std::optional<std::uint64_t>> outside_;
  std::vector<Cut> cuts_;
  std::optional<DecodeBatch> batch_;
  std::optional<core::ViewCopy> view_;             // without its pointers
  std::uint64_t view_begin_ = 0, view_bytes_ = 0;  // where the device's memory holds what it copies from
  std::vector<std::byte> upload_;
  std::byte* resident_ = nullptr;
};

}  // namespace weft::cuda
