// Decodes the tensors of an archive one after the other on a GPU, while the GPU still works on the one before.
//
// usage: layer_by_layer ARCHIVE.weft
//
// All compressed blocks stay in device memory; of the decoded weights there are only ever two layers. Two streams pass
// each other's events: one decodes into one of two buffers, the other consumes them in turn. A program of its own would
// put its layer's kernels where consume() is.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <deque>
#include <stdexcept>
#include <string>

#include "weft/archive.hpp"
#include "weft/device.hpp"
#include "weft/error.hpp"

namespace {

void check(cudaError_t status) {
  if (status != cudaSuccess) throw std::runtime_error(std::string("CUDA: ") + cudaGetErrorString(status));
}

struct Buffer {
  explicit Buffer(std::uint64_t bytes) { check(cudaMalloc(&data, std::max<std::uint64_t>(bytes, 1))); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { cudaFree(data); }
  void* data = nullptr;
};

struct Stream {
  Stream() { check(cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking)); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { cudaStreamDestroy(handle); }
  cudaStream_t handle = nullptr;
};

struct Event {
  Event() { check(cudaEventCreateWithFlags(&handle, cudaEventDisableTiming)); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { cudaEventDestroy(handle); }
  cudaEvent_t handle = nullptr;
};

// Stands for the layer's arithmetic: reads all weights and writes as much.
void consume(const Buffer& weights, std::uint64_t bytes, const Buffer& result, cudaStream_t stream) {
  check(cudaMemcpyAsync(result.data, weights.data, bytes, cudaMemcpyDeviceToDevice, stream));
}

void run(const char* path) {
  const weft::Archive archive = weft::Archive::open(path);
  const std::size_t count = archive.index().tensors.size();
  std::deque<weft::ResidentTensor> layers;
  std::uint64_t largest = 0;
  for (std::size_t t = 0; t < count; t++) largest = std::max(largest, layers.emplace_back(archive, t).output_bytes());

  // Loading: compressed blocks go to the device and stay there.
  Stream decoding, computing;
  std::deque<Buffer> resident;
  for (auto& layer : layers) layer.upload(resident.emplace_back(layer.resident_bytes()).data, decoding.handle);

  // Using: layer t is decoded while layer t - 1 is consumed.
  std::array<Buffer, 2> weights{Buffer(largest), Buffer(largest)};
  Buffer result(largest);
  std::array<Event, 2> decoded, consumed;
  for (std::size_t t = 0; t < count; t++) {
    const std::size_t turn = t % 2;
    check(cudaStreamWaitEvent(decoding.handle, consumed[turn].handle,
                              0));  // the first times there is nothing to wait for
    layers[t].decode(weights[turn].data, decoding.handle);
    check(cudaEventRecord(decoded[turn].handle, decoding.handle));
    check(cudaStreamWaitEvent(computing.handle, decoded[turn].handle, 0));
    consume(weights[turn], layers[t].output_bytes(), result, computing.handle);
    check(cudaEventRecord(consumed[turn].handle, computing.handle));
  }
  check(cudaStreamSynchronize(computing.handle));
  for (const auto& layer : layers) layer.check(decoding.handle);
  std::printf("%zu tensors decoded and consumed; the largest takes %llu bytes\n", count,
              static_cast<unsigned long long>(largest));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: layer_by_layer ARCHIVE.weft\n");
    return 2;
  }
  try {
    run(argv[1]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "layer_by_layer: %s\n", error.what());
    return 1;
  }
}
