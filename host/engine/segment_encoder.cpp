#include "engine/segment_encoder.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "archive/block.hpp"
#include "weft/error.hpp"

namespace weft::engine {
namespace {

// Whether nearly all weights may have become zero. Others are not looked at: their bits say that they have not.
bool is_hardly_coded(const EncodedSegment& encoded, std::uint64_t units) {
  constexpr std::uint64_t kHeads = 256;  // bytes of a small tensor's blocks that are no weights
  return encoded.bytes.size() < kHeads + units / 16;
}

}  // namespace

std::span<const SegmentEncoder::Result> SegmentEncoder::encode(std::span<const Work> works, StageTimes& times) {
  if (buffers_.size() < works.size()) {
    buffers_.resize(works.size());
    results_.resize(works.size());
  }
  std::vector<EncodeItem> items;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < works.size(); i++) {
    const SegmentView& view = works[i].view;
    auto& units = buffers_[i].units;
    units.resize(view.units * static_cast<std::uint64_t>(unit_bytes(view.dtype)));
    times.time(Stage::kRead, units.size(),
               [&] { read_units(network_, plan_, works[i].stream, view.first_unit, units); });
    if (auto& originals = buffers_[i].originals; is_pruned(plan_, works[i].stream)) {
      originals.resize(units.size());
      times.time(Stage::kRead, units.size(),
                 [&] { read_units(network_, plan_, works[i].stream, view.first_unit, originals, Weights::kOriginal); });
    }
    items.push_back({view, &plan_.specs[works[i].stream], units, &results_[i].encoded});
    bytes += units.size();
  }
  times.time(Stage::kEncode, bytes, [&] { coder_->encode_batch(items); });
  times.time(Stage::kVerify, bytes, [&] {
    decode_again(works);
    for (std::size_t i = 0; i < works.size(); i++) compare(works[i], buffers_[i], results_[i]);
  });
  const TransferTimes transfers = coder_->take_transfer_times();
  times.add(Stage::kTransfer, transfers.seconds, transfers.bytes);
  return std::span(results_).first(works.size());
}

bool SegmentEncoder::is_lossy(const Work& work) const { return weft::is_lossy(plan_.index.streams[work.stream].codec); }

void SegmentEncoder::decode_again(std::span<const Work> works) {
  std::vector<DecodeItem> items;
  for (std::size_t i = 0; i < works.size(); i++) {
    if (!verify_ && !is_lossy(works[i])) continue;
    Buffers& buffers = buffers_[i];
    const EncodedSegment& encoded = results_[i].encoded;
    buffers.decoded.resize(buffers.units.size());
    split_blocks(works[i].view, 0, encoded.block_sizes, encoded.bytes, buffers.blocks);
    items.push_back({encoded.with_tables(works[i].view), 0, buffers.blocks, buffers.decoded, {}});
  }
  coder_->decode_batch(items);
  for (const DecodeItem& item : items)
    if (item.fault)
      throw Error(ErrorKind::kInternal, fmt::format("an encoded block cannot be decoded: {}", item.fault->reason));
}

void SegmentEncoder::compare(const Work& work, const Buffers& buffers, Result& result) const {
  const StreamRecord& record = plan_.index.streams[work.stream];
  const bool lossy = is_lossy(work);
  const auto unit = static_cast<std::uint64_t>(unit_bytes(record.dtype));
  const std::span units(buffers.units), decoded(verify_ || lossy ? buffers.decoded : buffers.units);
  result.errors.clear();
  for_members(
      plan_.index, record, work.view.first_unit, work.view.units,
      [&](std::size_t tensor, std::uint64_t, std::uint64_t at, std::uint64_t n) {
        const auto coded = units.subspan(at * unit, n * unit), restored = decoded.subspan(at * unit, n * unit);
        ErrorSums sums = measure_error(record.dtype, coded, restored);
        if (lossy ? !sums.keeps_non_finite : !sums.exact)
          throw Error(ErrorKind::kInternal, fmt::format("tensor {} does not survive encoding; please report this",
                                                        plan_.index.tensors[tensor].name));
        if (plan_.prunings[tensor].wanted) {
          const auto original = std::span(buffers.originals).subspan(at * unit, n * unit);
          if (lossy && !keeps_zeros(record.dtype, coded, restored))
            throw Error(ErrorKind::kInternal, fmt::format("pruned weights of tensor {} do not come back as zeros; "
                                                          "please report this",
                                                          plan_.index.tensors[tensor].name));
          sums = measure_error(record.dtype, original, restored);
          const PruneCounts counts = count_pruned(record.dtype, original, coded);
          sums.zeros = counts.zeros, sums.pruned = counts.pruned;
        }
        if (lossy && is_hardly_coded(result.encoded, work.view.units)) {
          const PruneCounts counts = count_pruned(record.dtype, coded, restored);
          sums.zeros_coded = counts.zeros - counts.pruned, sums.zeros_restored = counts.zeros;
        }
        result.errors.push_back(sums);
      });
  if (record.codec == CodecId::kAsset && !std::equal(units.begin(), units.end(), decoded.begin()))
    throw Error(ErrorKind::kInternal, fmt::format("file {} does not survive encoding; please report this",
                                                  plan_.index.files[plan_.asset_files[work.stream]].name));
}

void split_blocks(const SegmentView& view, std::uint32_t first_block, std::span<const std::uint32_t> sizes,
                  std::span<const std::byte> bytes, std::vector<std::span<const std::byte>>& blocks) {
  blocks.clear();
  std::size_t at = 0;
  for (std::uint32_t i = 0; i < sizes.size(); i++) {
    at = archive::align_up(at, archive::block_alignment(view.codec, view.block_units(first_block + i)));
    blocks.push_back(bytes.subspan(at, sizes[i]));
    at += sizes[i];
  }
}

}  // namespace weft::engine
