// Decoding into device memory and encoding from it, inside a CUDA program: the caller's buffers, the caller's stream.
//
// Read me first:
// * decode() and encode() only launch kernels (and copies within the device): they allocate nothing, copy nothing between
//   host and device and never wait. Sizes are known beforehand, so that a caller reserves memory once.
// * Compressed blocks stay resident on the device; a tensor can be decoded again and again, layer by layer, on any stream.
// * Nothing is believed: checksums and every bound are checked on the device, and faults wait there until check() asks.
// * All sizes are 64-bit. Pointers are device pointers of the GPU that is current in the calling thread, unless a
//   comment says otherwise; buffers begin at a multiple of 256 bytes (as cudaMalloc gives them), outputs anywhere.
//
// Threads and streams: objects of these classes may be used from several threads, one call at a time each. A resident
// tensor keeps answers and partial blocks in its own workspace, so two decode() calls of the same object must be ordered
// by the caller (the same stream, or events), and so must encode() and fetch() of an encoder; different objects are independent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "weft/archive.hpp"
#include "weft/config.hpp"

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

struct NamedTensor;
void write_archive(std::span<const NamedTensor> tensors, const std::filesystem::path& file, bool overwrite);

// A tensor in compressed form, in host memory: blocks, tables and sizes, as an archive holds them.
class EncodedTensor {
 public:
  EncodedTensor(EncodedTensor&&) noexcept;
  EncodedTensor& operator=(EncodedTensor&&) noexcept;
  ~EncodedTensor();
  [[nodiscard]] std::uint64_t bytes() const noexcept;  // of all blocks

 private:
  friend class DeviceEncoder;
  friend void write_archive(std::span<const NamedTensor>, const std::filesystem::path&, bool);
  struct State;
  explicit EncodedTensor(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Encodes a tensor that lies in device memory, as often as its weights change. The bytes are those that `weft compress` with
// the same codec and step gives a tensor of its own stream, but that repeats are not looked for (zstd).
class DeviceEncoder {
 public:
  // Codecs raw, lossless, and uniform with one absolute `step` and no model. Plans; touches no device. Throws Error(kUsage) where that
  // does not suit the element type, and for parameters that need a look at the weights first.
  DeviceEncoder(DType dtype, std::vector<std::uint64_t> shape, const CodecSpec& spec);
  DeviceEncoder(DeviceEncoder&&) noexcept;
  DeviceEncoder& operator=(DeviceEncoder&&) noexcept;
  ~DeviceEncoder();

  [[nodiscard]] std::uint64_t input_bytes() const noexcept;      // of the weights
  [[nodiscard]] std::uint64_t workspace_bytes() const noexcept;  // device memory for jobs, scratch and blocks

  // Queues the copy of what kernels need to know to `workspace`, the address of `weights` (a multiple of 16) among it: both
  // must stay until the last fetch(). As ResidentTensor::upload, at loading time.
  void upload(const void* weights, void* workspace, DeviceStream stream);
  // Queues kernels that encode the weights as they are by then. The blocks stay in the workspace until the next call.
  void encode(DeviceStream stream, const DeviceOptions& options = {}) const;
  // Waits for the stream and copies the last encoding to the host. Throws Error(kUnsupported) if it would be larger than
  // the weights because most of them are out of the range of their step.
  [[nodiscard]] EncodedTensor fetch(DeviceStream stream) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct NamedTensor {
  std::string name;
  const EncodedTensor* tensor = nullptr;  // borrowed
};

// Writes an archive of these tensors, which restores to a safetensors file with them in this order. Either all of the file
// appears or none of it. Throws Error(kInput) for names that a safetensors file cannot have, Error(kIo), and Error(kUsage) for
// a file that exists, unless it may be overwritten.
void write_archive(std::span<const NamedTensor> tensors, const std::filesystem::path& file, bool overwrite = false);

}  // namespace weft
