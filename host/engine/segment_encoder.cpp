#include "engine/segment_encoder.hpp"

#include <fmt/format.h>

#include "archive/block.hpp"
#include "weft/error.hpp"

namespace weft::engine {

const SegmentEncoder::Result& SegmentEncoder::encode(std::size_t stream, const SegmentView& view, StageTimes& times) {
  const StreamRecord& record = plan_.index.streams[stream];
  const std::uint64_t bytes = view.units * static_cast<std::uint64_t>(unit_bytes(record.dtype));
  units_.resize(bytes);
  times.time(Stage::kRead, bytes, [&] { read_units(network_, plan_, stream, view.first_unit, units_); });
  times.time(Stage::kEncode, bytes, [&] { coder_->encode(view, plan_.specs[stream], units_, result_.encoded); });
  compare(stream, view, times);
  return result_;
}

void SegmentEncoder::compare(std::size_t stream, const SegmentView& view, StageTimes& times) {
  const StreamRecord& record = plan_.index.streams[stream];
  const bool lossy = is_lossy(record.codec);
  const auto unit = static_cast<std::uint64_t>(unit_bytes(record.dtype));
  if (verify_ || lossy) {
    times.time(Stage::kVerify, units_.size(), [&] {
      decoded_.resize(units_.size());
      split_blocks(view, 0, result_.encoded.block_sizes, result_.encoded.bytes, blocks_);
      if (const auto fault = coder_->decode(result_.encoded.with_tables(view), 0, blocks_, decoded_))
        throw Error(ErrorKind::kInternal, fmt::format("an encoded block cannot be decoded: {}", fault->reason));
    });
  }
  const auto& decoded = verify_ || lossy ? decoded_ : units_;
  times.time(Stage::kVerify, 0, [&] {
    result_.errors.clear();
    for_members(plan_.index, record, view.first_unit, view.units,
                [&](std::size_t tensor, std::uint64_t, std::uint64_t at, std::uint64_t units) {
                  const ErrorSums sums = measure_error(record.dtype, std::span(units_).subspan(at * unit, units * unit),
                                                       std::span(decoded).subspan(at * unit, units * unit));
                  if (lossy ? !sums.keeps_non_finite : !sums.exact)
                    throw Error(ErrorKind::kInternal,
                                fmt::format("tensor {} does not survive encoding; please report this",
                                            plan_.index.tensors[tensor].name));
                  result_.errors.push_back(sums);
                });
    if (record.codec == CodecId::kAsset && units_ != decoded)
      throw Error(ErrorKind::kInternal, fmt::format("file {} does not survive encoding; please report this",
                                                    plan_.index.files[plan_.asset_files[stream]].name));
  });
}

void split_blocks(const SegmentView& view, std::uint32_t first_block, std::span<const std::uint32_t> sizes,
                  std::span<const std::byte> bytes, std::vector<std::span<const std::byte>>& blocks) {
  blocks.clear();
  std::size_t at = 0;
  for (std::uint32_t i = 0; i < sizes.size(); i++) {
    at = archive::align_up(at, archive::block_alignment(view.block_units(first_block + i)));
    blocks.push_back(bytes.subspan(at, sizes[i]));
    at += sizes[i];
  }
}

}  // namespace weft::engine
