// One worker's share of a compression: read a segment, encode it, decode it again and compare.
//
// What is compared is what a user will get: the decoded bytes, not the encoder's opinion of them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backends/backend.hpp"
#include "engine/error_meter.hpp"
#include "engine/plan.hpp"
#include "engine/stages.hpp"

namespace weft::engine {

class SegmentEncoder {
 public:
  SegmentEncoder(const Backend& backend, const Network& network, const Plan& plan, bool verify)
      : coder_(backend.make_coder()), network_(network), plan_(plan), verify_(verify) {}

  // Error sums of the members' parts, in the order of for_members.
  struct Result {
    EncodedSegment encoded;
    std::vector<ErrorSums> errors;
  };

  // Units [view.first_unit, + view.units) of a stream.
  struct Work {
    std::size_t stream = 0;
    SegmentView view;
  };

  // Encodes them at once. The results are valid until the next call.
  // Throws Error(kInternal) when decoding does not give back what it must.
  std::span<const Result> encode(std::span<const Work> works, StageTimes& times);

 private:
  struct Buffers {
    std::vector<std::byte> units, decoded;
    std::vector<std::byte> originals;  // where pruning has changed the units
    std::vector<std::span<const std::byte>> blocks;
  };

  [[nodiscard]] bool is_lossy(const Work& work) const;
  void decode_again(std::span<const Work> works);
  void compare(const Work& work, const Buffers& buffers, Result& result) const;

  std::unique_ptr<SegmentCoder> coder_;
  const Network& network_;
  const Plan& plan_;
  bool verify_;
  std::vector<Buffers> buffers_;
  std::vector<Result> results_;
};

// The blocks of an encoded segment, one span each, from their sizes and alignment.
void split_blocks(const SegmentView& view, std::uint32_t first_block, std::span<const std::uint32_t> sizes,
                  std::span<const std::byte> bytes, std::vector<std::span<const std::byte>>& blocks);

}  // namespace weft::engine
