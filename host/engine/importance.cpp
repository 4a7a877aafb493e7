#include "engine/importance.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/values.hpp"
#include "weft/error.hpp"

namespace weft::engine {
namespace {

constexpr double kLargest = std::numeric_limits<float>::max();

std::shared_ptr<const Network> open(const std::filesystem::path& path, int rule) {
  try {
    return open_network(path);
  } catch (const Error& error) {
    throw Error(error.kind() == ErrorKind::kIo ? ErrorKind::kConfig : error.kind(),
                fmt::format("/rules/{}/importance: {}", rule, error.what()));
  }
}

}  // namespace

Importance::Importance(std::shared_ptr<const Network> file, const TensorInfo& weights) : file_(std::move(file)) {
  const auto& tensors = file_->tensors();
  const auto found =
      std::find_if(tensors.begin(), tensors.end(), [&](const TensorInfo& one) { return one.name == weights.name; });
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorKind::kConfig,
                fmt::format("importance {}: tensor {}: {}", file_->path().string(), weights.name, what));
  };
  if (found == tensors.end()) fail("expected one of this name; the file has none");
  tensor_ = static_cast<std::size_t>(found - tensors.begin());
  if (!is_quantizable(found->dtype))
    fail(fmt::format("expected F16, BF16, F32 or F64; found {}", name_of(found->dtype)));
  if (found->shape != weights.shape) {
    const std::uint64_t channels = weights.shape.empty() ? 0 : weights.shape.front();
    if (channels == 0 || found->shape != std::vector<std::uint64_t>{channels})
      fail(fmt::format("expected shape [{}], or [{}] for the output channels; found [{}]",
                       fmt::join(weights.shape, ", "), channels, fmt::join(found->shape, ", ")));
    units_per_entry_ = weights.elements / channels;
  }
  if (found->elements > 0 && is_zero())
    fail(
        "expected a number above 0; found only zeros, with which no weight counts: give those that count a number, "
        "or take the tensor out of the rule");
}

bool Importance::is_zero() const {
  constexpr std::uint64_t kUnits = 1 << 16;  // read at once
  const TensorInfo& info = file_->tensors()[tensor_];
  const auto unit = static_cast<std::uint64_t>(unit_bytes(info.dtype));
  std::vector<std::byte> units;
  bool is_zero = true;
  for (std::uint64_t first = 0; first < info.elements && is_zero; first += kUnits) {
    units.resize(std::min(kUnits, info.elements - first) * unit);
    file_->read_tensor(tensor_, first * unit, units);
    for_values(info.dtype, units, [&](std::size_t, std::span<const double> values) {
      is_zero = is_zero && std::all_of(values.begin(), values.end(), [](double value) { return value == 0; });
    });
  }
  return is_zero;
}

void Importance::read_entries(std::uint64_t first, std::span<float> out) const {
  const TensorInfo& info = file_->tensors()[tensor_];
  const auto unit = static_cast<std::uint64_t>(unit_bytes(info.dtype));
  std::vector<std::byte> units(out.size() * unit);
  file_->read_tensor(tensor_, first * unit, units);
  for_values(info.dtype, units, [&](std::size_t at, std::span<const double> values) {
    for (std::size_t i = 0; i < values.size(); i++) {
      if (!(values[i] >= 0 && values[i] <= kLargest))
        throw Error(ErrorKind::kInput,
                    fmt::format("importance {}: tensor {}, element {}: expected a number from 0 to {:.5g}; found {}",
                                file_->path().string(), info.name, first + at + i, kLargest, values[i]));
      out[at + i] = static_cast<float>(values[i]);
    }
  });
}

void Importance::read(std::uint64_t first, std::span<float> out) const {
  if (units_per_entry_ == 1 || out.empty()) return read_entries(first, out);
  const std::uint64_t begin = first / units_per_entry_, end = (first + out.size() - 1) / units_per_entry_ + 1;
  std::vector<float> entries(end - begin);
  read_entries(begin, entries);
  for (std::size_t i = 0; i < out.size(); i++) out[i] = entries[(first + i) / units_per_entry_ - begin];
}

std::shared_ptr<const Importance> ImportanceFiles::find(const std::filesystem::path& path, const TensorInfo& weights,
                                                        int rule) {
  auto& file = files_[path];
  if (!file) file = open(path, rule);
  return std::make_shared<Importance>(file, weights);
}

}  // namespace weft::engine
