// Decoding into device memory, inside a CUDA program: the caller's buffers, the caller's stream.
//
// Read me first:
// * decode() only launches kernels: it allocates nothing, copies nothing between host and device and never waits. Sizes
//   are known beforehand, so that a caller reserves memory once.
// * Compressed blocks stay resident on the device; a tensor can be decoded again and again, layer by layer, on any stream.
// * Nothing is believed: checksums and every bound are checked on the device, and faults wait there until check() asks.
// * All sizes are 64-bit. Pointers are device pointers of the GPU that is current in the calling thread, unless a
//   comment says otherwise; buffers begin at a multiple of 256 bytes (as cudaMalloc gives them), outputs anywhere.
//
// Threads and streams: objects of these classes may be used from several threads, one call at a time each. A resident
// tensor keeps answers and partial blocks in its own workspace, so two decode() calls of the same object must be ordered
// by the caller (the same stream, or events); different objects are independent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "weft/archive.hpp"

struct CUstream_st;

namespace weft {

using DeviceStream = CUstream_st*;  // a cudaStream_t

// True when this build has a CUDA backend. Without one everything below throws Error(kUnsupported).
[[nodiscard]] bool has_device_interface() noexcept;

struct DeviceOptions {
  // At most so many multiprocessors are kept busy; 0: all. What is left is free for the caller's own kernels.
  std::uint32_t max_processors = 0;
};

// Rows of a tensor in compressed form, made ready to be decoded on a GPU. A row is what the first dimension counts; a
// tensor without dimensions has one.
class ResidentTensor {
 public:
  // Reads the blocks that hold the rows and plans; touches no device. Borrows the archive, for check(). Blocks that only a
  // CPU decodes (zstd) are decoded here. Throws Error(kArchive) that names tensor and block when one is visibly damaged.
  ResidentTensor(const Archive& archive, std::size_t tensor, std::uint64_t first_row, std::uint64_t rows);
  ResidentTensor(const Archive& archive, std::size_t tensor);
  ResidentTensor(ResidentTensor&&) noexcept;
  ResidentTensor& operator=(ResidentTensor&&) noexcept;
  ~ResidentTensor();

  [[nodiscard]] std::uint64_t output_bytes() const noexcept;    // of the rows, decoded
  [[nodiscard]] std::uint64_t resident_bytes() const noexcept;  // device memory for blocks, tables and workspace

  // Queues the copy to `resident`, which must stay until the last decode. The source is pageable host memory of this
  // object: call it at loading time, and synchronise the stream before the object is moved or destroyed.
  void upload(void* resident, DeviceStream stream);
  // Queues kernels that write output_bytes() to `out`, which may lie anywhere.
  void decode(void* out, DeviceStream stream, const DeviceOptions& options = {}) const;
  // Waits for the stream and throws Error(kArchive) that names tensor and block if the last decode met a fault: then the
  // output is not to be used.
  void check(DeviceStream stream) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weft
