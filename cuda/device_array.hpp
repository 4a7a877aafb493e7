// Values in device memory, for tests and benchmarks: blocking copies on the default stream.
#pragma once

#include <cuda_runtime_api.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace weft::cuda {

inline void check(cudaError_t status) {
  if (status != cudaSuccess) throw std::runtime_error(std::string("CUDA: ") + cudaGetErrorString(status));
}

template <class T>
class DeviceArray {
 public:
  // At least one element, so that data() is never null.
  explicit DeviceArray(std::size_t n) : size_(n) {
    void* memory = nullptr;
    check(cudaMalloc(&memory, sizeof(T) * (n > 0 ? n : 1)));
    data_ = static_cast<T*>(memory);
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    check(cudaMemcpy(data_, values.data(), sizeof(T) * size_, cudaMemcpyHostToDevice));
  }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;
  ~DeviceArray() { cudaFree(data_); }

  [[nodiscard]] T* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  // Waits for what was launched before.
  [[nodiscard]] std::vector<T> values() const {
    std::vector<T> r(size_);
    check(cudaMemcpy(r.data(), data_, sizeof(T) * size_, cudaMemcpyDeviceToHost));
    return r;
  }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace weft::cuda
