// Encodes tensors that lie in device memory, as after a training step, and writes them as an archive: the host sees
// compressed bytes only.
//
// usage: save_from_device ARCHIVE.weft
//
// A program of its own would have its network's tensors where make_weights() is. Encoders are made once; every save is
// encode(), fetch() and write_archive(), and kernels of the caller's on the same stream may follow encode() at once.
#include <cuda_runtime_api.h>

#include <cstdint>
#include <cstdio>
#include <deque>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "weft/device.hpp"
#include "weft/error.hpp"

namespace {

constexpr std::uint64_t kLayers = 4, kRows = 1024, kColumns = 1024;

void check(cudaError_t status) {
  if (status != cudaSuccess) throw std::runtime_error(std::string("CUDA: ") + cudaGetErrorString(status));
}

struct Buffer {
  explicit Buffer(std::uint64_t bytes) { check(cudaMalloc(&data, bytes)); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { cudaFree(data); }
  void* data = nullptr;
};

// Stands for a layer's weights.
void make_weights(const Buffer& weights, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0, 0.02f);
  std::vector<float> values(kRows * kColumns);
  for (float& value : values) value = normal(random);
  check(cudaMemcpy(weights.data, values.data(), values.size() * sizeof(float), cudaMemcpyHostToDevice));
  check(cudaStreamSynchronize(nullptr));  // such a copy may go on after the call, and the encoders do not wait for it
}

void run(const char* path) {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  weft::CodecSpec spec;
  spec.codec = weft::CodecId::kUniform;
  spec.step = 0.01;
  std::deque<Buffer> weights, workspaces;
  std::deque<weft::DeviceEncoder> encoders;
  for (std::uint64_t layer = 0; layer < kLayers; layer++) {
    auto& encoder = encoders.emplace_back(weft::DType::kF32, std::vector<std::uint64_t>{kRows, kColumns}, spec);
    make_weights(weights.emplace_back(encoder.input_bytes()), layer);
    encoder.upload(weights.back().data, workspaces.emplace_back(encoder.workspace_bytes()).data, stream);
  }

  for (const auto& encoder : encoders) encoder.encode(stream);
  std::deque<weft::EncodedTensor> encoded;
  std::vector<weft::NamedTensor> named;
  std::uint64_t before = 0, after = 0;
  for (std::uint64_t layer = 0; layer < kLayers; layer++) {
    encoded.push_back(encoders[layer].fetch(stream));
    named.push_back({"layer." + std::to_string(layer) + ".weight", &encoded.back()});
    before += encoders[layer].input_bytes();
    after += encoded.back().bytes();
  }
  weft::write_archive(named, path, true);
  check(cudaStreamDestroy(stream));
  std::printf("%llu tensors, %llu bytes of weights -> %llu bytes of blocks\n", static_cast<unsigned long long>(kLayers),
              static_cast<unsigned long long>(before), static_cast<unsigned long long>(after));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: save_from_device ARCHIVE.weft\n");
    return 2;
  }
  try {
    run(argv[1]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "save_from_device: %s\n", error.what());
    return 1;
  }
}
