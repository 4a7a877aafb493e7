// What DeviceEncoder (weft/device.hpp) does, on any Queue: a tensor that lies in device memory becomes segments.
//
// Read me first:
// * Jobs are uploaded once, with the address of the weights in them; as an encoding changes them, each begins with a copy of
//   what was uploaded, from the device to itself.
// * Device memory: [what EncodeBatch plans | the copy].
#pragma once

#include <optional>
#include <vector>

#include "backends/cuda/encode_batch.hpp"
#include "weft/archive.hpp"

namespace weft::cuda {

class TensorEncoder {
 public:
  // Segments of 2^20 units and blocks of 2^16. Throws Error(kUsage) where the codec or its parameters do not suit.
  TensorEncoder(DType dtype, std::uint64_t units, const CodecSpec& spec);
  TensorEncoder(const TensorEncoder&) = delete;
  TensorEncoder& operator=(const TensorEncoder&) = delete;

  [[nodiscard]] const StreamRecord& stream() const noexcept { return stream_; }  // without members
  [[nodiscard]] std::uint64_t workspace_bytes() const noexcept { return copy_begin_ + jobs_bytes_; }

  // `workspace` at a multiple of 256, `units` at a multiple of 16.
  void upload(Queue& queue, const void* units, std::byte* workspace);
  void encode(Queue& queue) const;
  // Waits. Throws Error(kUnsupported) if the blocks would be larger than the weights.
  [[nodiscard]] std::vector<EncodedSegment> fetch(Queue& queue) const;

 private:
  void make_batch(const std::uint8_t* units);

  StreamRecord stream_;
  CodecSpec spec_;
  std::vector<EncodeItem> items_;
  std::vector<EncodeItem*> pointers_;
  std::optional<EncodeBatch> batch_;
  std::uint64_t copy_begin_ = 0, jobs_bytes_ = 0;
  std::vector<std::byte> upload_;
  std::byte* workspace_ = nullptr;
};

}  // namespace weft::cuda
