#include "backends/cuda/trellis_upload.hpp"

#include <algorithm>
#include <iterator>

#include "backends/cpu/trellis_block.hpp"

namespace weft::cuda {
namespace {

constexpr std::uint64_t kMostCodes = UINT32_MAX / 2;

std::size_t words_of(const ScaleFactor& factor) { return (factor.codes.size() + 3) / 4; }

}  // namespace

core::FloatType float_type(DType dtype) noexcept {
  return dtype == DType::kBF16  ? core::FloatType::kBF16
         : dtype == DType::kF16 ? core::FloatType::kF16
         : dtype == DType::kF32 ? core::FloatType::kF32
                                : core::FloatType::kF64;
}

bool scales_fit(const TrellisStream& stream) noexcept {
  return stream.factors.size() <= core::kMaxFactors &&
         std::all_of(stream.factors.begin(), stream.factors.end(),
                     [](const ScaleFactor& factor) { return factor.codes.size() <= kMostCodes; });
}

void TrellisUpload::place(const TrellisStream& stream,
                          const std::function<std::size_t(std::size_t, std::size_t)>& take) {
  if (stream.predicts) predictor_ = take(4 * core::TrellisMemory::kPredictorWords, 16);
  for (std::size_t f = 0; f < stream.factors.size(); f++) codes_[f] = take(4 * words_of(stream.factors[f]), 16);
}

void TrellisUpload::fill(const TrellisStream& stream, std::byte* upload, const std::uint8_t* device,
                         core::ScaleParameters& scales, const std::uint32_t*& predictor) const {
  scales.base = stream.base_class;
  scales.factor_count = static_cast<std::uint32_t>(stream.factors.size());
  for (std::size_t f = 0; f < stream.factors.size(); f++) {
    const ScaleFactor& factor = stream.factors[f];
    scales.factors[f] = {device + codes_[f], factor.inner, static_cast<std::uint32_t>(factor.codes.size())};
    std::byte* codes = upload + codes_[f];
    std::fill_n(codes, 4 * words_of(factor), std::byte{0});
    std::transform(factor.codes.begin(), factor.codes.end(), codes,
                   [](std::int8_t code) { return static_cast<std::byte>(code + static_cast<int>(core::kCodeBias)); });
  }
  if (!stream.predicts) return;
  using Memory = core::TrellisMemory;
  predictor = reinterpret_cast<const std::uint32_t*>(device + predictor_);
  cpu::TrellisWork work;
  cpu::make_predictor(stream, work);
  auto* words = reinterpret_cast<std::uint32_t*>(upload + predictor_);
  std::copy(work.taps.begin(), work.taps.end(), words);
  std::copy(work.shifts.begin(), work.shifts.end(), words + (Memory::kShifts - Memory::kTaps));
  std::copy(std::begin(core::kErrorScale), std::end(core::kErrorScale), words + (Memory::kErrorScales - Memory::kTaps));
}

}  // namespace weft::cuda
