// weft/device.hpp over ResidentRows and TensorEncoder.
#include "backends/cuda/device_interface.hpp"

#include "backends/cuda/find_devices.hpp"
#include "backends/cuda/resident_tensor.hpp"
#include "backends/cuda/tensor_encoder.hpp"
#include "backends/cuda/write_archive.hpp"
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

struct EncodedTensor::State {
  cuda::TensorToWrite tensor;
};

EncodedTensor::EncodedTensor(std::unique_ptr<State> state) : state_(std::move(state)) {}
EncodedTensor::EncodedTensor(EncodedTensor&&) noexcept = default;
EncodedTensor& EncodedTensor::operator=(EncodedTensor&&) noexcept = default;
EncodedTensor::~EncodedTensor() = default;

std::uint64_t EncodedTensor::bytes() const noexcept {
  std::uint64_t bytes = 0;
  for (const EncodedSegment& segment : state_->tensor.segments) bytes += segment.bytes.size();
  return bytes;
}

struct DeviceEncoder::State {
  TensorInfo info;
  cuda::TensorEncoder encoder;
};

DeviceEncoder::DeviceEncoder(DType dtype, std::vector<std::uint64_t> shape, const CodecSpec& spec) {
  TensorInfo info = cuda::describe_tensor(dtype, std::move(shape));
  const std::uint64_t units = info.bytes / static_cast<std::uint64_t>(unit_bytes(dtype));
  state_.reset(new State{std::move(info), {dtype, units, spec}});
}
DeviceEncoder::DeviceEncoder(DeviceEncoder&&) noexcept = default;
DeviceEncoder& DeviceEncoder::operator=(DeviceEncoder&&) noexcept = default;
DeviceEncoder::~DeviceEncoder() = default;

std::uint64_t DeviceEncoder::input_bytes() const noexcept { return state_->info.bytes; }
std::uint64_t DeviceEncoder::workspace_bytes() const noexcept { return state_->encoder.workspace_bytes(); }

void DeviceEncoder::upload(const void* weights, void* workspace, DeviceStream stream) {
  state_->encoder.upload(*queue_on(stream, {}), weights, static_cast<std::byte*>(workspace));
}

void DeviceEncoder::encode(DeviceStream stream, const DeviceOptions& options) const {
  state_->encoder.encode(*queue_on(stream, options));
}

EncodedTensor DeviceEncoder::fetch(DeviceStream stream) const {
  return EncodedTensor(std::unique_ptr<EncodedTensor::State>(new EncodedTensor::State{
      {state_->info, state_->encoder.stream(), state_->encoder.fetch(*queue_on(stream, {}))}}));
}

void write_archive(std::span<const NamedTensor> tensors, const std::filesystem::path& file, bool overwrite) {
  std::vector<cuda::NamedTensorToWrite> list;
  for (const NamedTensor& tensor : tensors) list.push_back({tensor.name, &tensor.tensor->state_->tensor});
  cuda::write_tensors(list, file, overwrite);
}

}  // namespace weft
