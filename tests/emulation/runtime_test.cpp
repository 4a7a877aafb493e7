// Streams, memory and launches of the emulated GPU: a mistake of the host shows.
#include "emulation/runtime.hpp"

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "backends/cuda/find_devices.hpp"
#include "cuda_queue.hpp"
#include "support/memory_network.hpp"
#include "support/temp_folder.hpp"
#include "support/weights.hpp"
#include "weft/engine.hpp"

namespace weft::emulation {
namespace {

void add_one(int* to) { *to += 1; }

TEST(EmulatedRuntime, NothingHappensBeforeSomebodyWaits) {
  cudaStream_t stream = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
  int *device = nullptr, *pinned = nullptr;
  ASSERT_EQ(cudaMalloc(&device, sizeof(int)), cudaSuccess);
  ASSERT_EQ(cudaHostAlloc(reinterpret_cast<void**>(&pinned), sizeof(int), cudaHostAllocPortable), cudaSuccess);
  *pinned = 1;
  ASSERT_EQ(cudaMemcpyAsync(device, pinned, sizeof(int), cudaMemcpyHostToDevice, stream), cudaSuccess);
  *pinned = 41;  // too early: the copy takes this
  cudaLaunchConfig_t config{{1, 1, 1}, {1, 1, 1}, 0, stream};
  ASSERT_EQ(cudaLaunchKernelEx(&config, add_one, device), cudaSuccess);
  ASSERT_EQ(cudaMemcpyAsync(pinned, device, sizeof(int), cudaMemcpyDeviceToHost, stream), cudaSuccess);
  EXPECT_EQ(*pinned, 41);
  ASSERT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(*pinned, 42);
  ASSERT_EQ(cudaStreamDestroy(stream), cudaSuccess);
  ASSERT_EQ(cudaFreeHost(pinned), cudaSuccess);
  ASSERT_EQ(cudaFree(device), cudaSuccess);
}

TEST(EmulatedRuntime, ChecksLaunchesAndCopies) {
  int *device = nullptr, host = 0;
  ASSERT_EQ(cudaMalloc(&device, sizeof(int)), cudaSuccess);
  const auto launch = [&](unsigned blocks, unsigned threads, std::size_t dynamic) {
    cudaLaunchConfig_t config{{blocks, 1, 1}, {threads, 1, 1}, dynamic, nullptr};
    return cudaLaunchKernelEx(&config, add_one, device);
  };
  EXPECT_EQ(launch(1, 1025, 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch(0, 32, 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch(1, 32, 49 << 10), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFuncSetAttribute(add_one, cudaFuncAttributeMaxDynamicSharedMemorySize, 228 << 10),
            cudaErrorInvalidValue);
  EXPECT_EQ(cudaFuncSetAttribute(add_one, cudaFuncAttributeMaxDynamicSharedMemorySize, 50 << 10), cudaSuccess);
  EXPECT_EQ(launch(1, 32, 49 << 10), cudaSuccess);
  EXPECT_EQ(cudaFuncSetAttribute(add_one, cudaFuncAttributeMaxDynamicSharedMemorySize, 20 << 10), cudaSuccess);
  EXPECT_EQ(launch(1, 32, 40 << 10), cudaErrorInvalidValue);
  int resident = -1;
  EXPECT_EQ(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident, add_one, 32, 40 << 10), cudaSuccess);
  EXPECT_EQ(resident, 0);
  EXPECT_EQ(cudaMemcpy(device, &host, 8, cudaMemcpyHostToDevice), cudaErrorInvalidValue);  // too long
  EXPECT_EQ(cudaMemcpy(&host, &host, 4, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);   // no device memory
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  ASSERT_EQ(cudaFree(device), cudaSuccess);
}

TEST(EmulatedRuntimeDeathTest, TheHostCannotFollowADevicePointer) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  volatile int* device = nullptr;
  ASSERT_EQ(cudaMalloc(const_cast<int**>(&device), sizeof(int)), cudaSuccess);
  EXPECT_DEATH(*device = 1, "");
  ASSERT_EQ(cudaFree(const_cast<int*>(device)), cudaSuccess);
}

TEST(EmulatedRuntime, SeveralGpusInOneProcess) {
  set_device_count(3);
  const testing::TempFolder temp;
  const auto weights = testing::weight_bytes(DType::kBF16, testing::draw_weights(400'000, 5));
  const testing::MemoryNetwork network(
      {{"a", DType::kBF16, {400'000}, weights}, {"b", DType::kF32, {200'000}, weights}});
  RunOptions options;
  options.threads = 2;
  options.device = "cpu";
  (void)compress(network, {}, temp / "cpu.weft", options);
  options.device = "cuda:all";
  const Report report = compress(network, {}, temp / "gpu.weft", options);
  EXPECT_TRUE(temp.read("cpu.weft") == temp.read("gpu.weft"));
  EXPECT_TRUE(report.warnings.empty()) << ::testing::PrintToString(report.warnings);
  options.device = "cuda:2";
  (void)verify(Archive::open(temp / "cpu.weft"), &network, options);
  set_device_count(1);
}

TEST(EmulatedRuntime, AGpuThatNobodyUsesGetsNoContext) {
  set_device_count(2);
  const auto use_the_second = [] {
    const auto device = cuda::find_devices().devices[1];
    void *memory = device->allocate(100), *pinned = device->allocate_pinned(100);
    EXPECT_GT(device->free_bytes(), 0u);
    device->make_queue()->wait();
    device->release(memory);
    device->release_pinned(pinned);
  };
  std::thread(use_the_second).join();  // where the first one is the usual one
  EXPECT_FALSE(cuda::has_context(0));
  EXPECT_TRUE(cuda::has_context(1));
  std::thread([&use_the_second] {
    ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
    use_the_second();
    int device = -1;
    ASSERT_EQ(cudaGetDevice(&device), cudaSuccess);
    EXPECT_EQ(device, 0);
  }).join();
  set_device_count(1);
}

}  // namespace
}  // namespace weft::emulation
