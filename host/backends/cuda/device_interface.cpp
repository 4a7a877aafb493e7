// weft/device.hpp over ResidentRows.
#include "backends/cuda/device_interface.hpp"

#include "backends/cuda/find_devices.hpp"
#include "backends/cuda/resident_tensor.hpp"
#include "weft/error.hpp"

namespace weft {
namespace {

std::unique_ptr<cuda::Queue> queue_on([[maybe_unused]] DeviceStream stream,
                                      [[maybe_unused]] const DeviceOptions& options) {
#if defined(WEFT_HAVE_CUDA)
  return cuda::queue_on(stream, options);
#else
  throw Error(ErrorKind::kUnsupported, std::string("cannot use a GPU: ") + cuda::kNoToolkit);
#endif
}

std::uint64_t all_rows(const Archive& archive, std::size_t tensor) {
  const auto& tensors = archive.index().tensors;
  return tensor >= tensors.size() || tensors[tensor].shape.empty() ? 1 : tensors[tensor].shape[0];
}

}  // namespace

bool has_device_interface() noexcept {
#if defined(WEFT_HAVE_CUDA)
  return true;
#else
  return false;
#endif
}

struct ResidentTensor::State {
  cuda::ResidentRows rows;
};

ResidentTensor::ResidentTensor(const Archive& archive, std::size_t tensor, std::uint64_t first_row, std::uint64_t rows)
    : state_(new State{{archive, tensor, first_row, rows}}) {}
ResidentTensor::ResidentTensor(const Archive& archive, std::size_t tensor)
    : ResidentTensor(archive, tensor, 0, all_rows(archive, tensor)) {}
ResidentTensor::ResidentTensor(ResidentTensor&&) noexcept = default;
ResidentTensor& ResidentTensor::operator=(ResidentTensor&&) noexcept = default;
ResidentTensor::~ResidentTensor() = default;

std::uint64_t ResidentTensor::output_bytes() const noexcept { return state_->rows.output_bytes(); }
std::uint64_t ResidentTensor::resident_bytes() const noexcept { return state_->rows.resident_bytes(); }

void ResidentTensor::upload(void* resident, DeviceStream stream) {
  state_->rows.upload(*queue_on(stream, {}), static_cast<std::byte*>(resident));
}

void ResidentTensor::decode(void* out, DeviceStream stream, const DeviceOptions& options) const {
  state_->rows.decode(*queue_on(stream, options), static_cast<std::byte*>(out));
}

void ResidentTensor::check(DeviceStream stream) const { state_->rows.check(*queue_on(stream, {})); }

}  // namespace weft
