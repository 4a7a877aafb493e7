#include "backends/cuda/trellis_upload.hpp"

#include <algorithm>
#include <iterator>

#include "backends/cpu/trellis_block.hpp"

namespace weft::cuda {

core::FloatType float_type(DType dtype) noexcept {
  return dtype == DType::kBF16  ? core::FloatType::kBF16
         : dtype == DType::kF16 ? core::FloatType::kF16
         : dtype == DType::kF32 ? core::FloatType::kF32
                                : core::FloatType::kF64;
}

void TrellisUpload::place(const std::function<std::size_t(std::size_t, std::size_t)>& take) {
  if (stream_->predicts) predictor_ = take(4 * core::PredictorWords::kCount, 16);
  codes_ = take(scales_.bytes(), 16);
}

void TrellisUpload::fill(std::byte* upload, const std::uint8_t* device, core::ScaleParameters& scales,
                         const std::uint32_t*& predictor) const {
  scales = scales_.fill(upload + codes_, device + codes_);
  if (!stream_->predicts) return;
  predictor = reinterpret_cast<const std::uint32_t*>(device + predictor_);
  cpu::TrellisWork work;
  cpu::make_predictor(*stream_, work);
  auto* words = reinterpret_cast<std::uint32_t*>(upload + predictor_);
  std::copy(work.taps.begin(), work.taps.end(), words);
  std::copy(work.shifts.begin(), work.shifts.end(), words + core::PredictorWords::kShifts);
  std::copy(std::begin(core::kErrorScale), std::end(core::kErrorScale), words + core::PredictorWords::kErrorScales);
  std::copy(std::begin(core::kDeviation), std::end(core::kDeviation), words + core::PredictorWords::kDeviations);
}

}  // namespace weft::cuda
