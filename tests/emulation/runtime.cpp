#include "emulation/runtime.hpp"

#include <cuda_runtime.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::cuda {

// What dynamic_shared() names in cuda/kernels/launch.cuh: all that a thread block of an H100 can have, and a margin.
constexpr std::size_t kMostDynamicBytes = 227 << 10, kMargin = 4096;
thread_local uint4 shared_words[(kMostDynamicBytes + kMargin) / sizeof(uint4)];

}  // namespace weft::cuda

// The work of a stream, in order; it is done by whoever waits.
struct CUstream_st {
  int device = 0;
  std::recursive_mutex mutex;  // work may wait for another stream, which has waited for this one
  std::deque<std::function<void()>> work;
  std::uint64_t done = 0;
};

struct CUevent_st {
  std::shared_ptr<CUstream_st> stream;  // where it was recorded last
  std::uint64_t number = 0;             // in that stream
  std::chrono::steady_clock::time_point time;
};

namespace weft::emulation {
namespace {

constexpr int kGarbage = 0xA5;
constexpr std::size_t kUsualDynamicBytes = 48 << 10;
constexpr int kMultiprocessors = 3, kResident = 2;
constexpr std::size_t kDeviceMemory = std::size_t{4} << 30;

const std::size_t kPage = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));

std::size_t round_up(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

struct Allocation {
  std::byte* pages;  // and behind them one that nobody may touch
  std::size_t page_bytes, bytes;
  int device;
};

struct Machine {
  std::mutex mutex;
  int device_count = 1;
  std::set<int> contexts;                                     // GPUs that have been used
  std::map<const std::byte*, Allocation> device_allocations;  // by where their data begin
  std::map<const std::byte*, std::size_t> pinned;
  std::map<const void*, std::size_t> dynamic_bytes;  // that kernels may have
  std::vector<std::shared_ptr<CUstream_st>> streams;
  std::shared_ptr<CUstream_st> default_stream = std::make_shared<CUstream_st>();
  int windows = 0;
  Runner runner;

  // The lock is held.
  void protect(int protection) {
    for (const auto& [data, allocation] : device_allocations)
      mprotect(allocation.pages, allocation.page_bytes, protection);
  }
  // Of a thread block of the kernel, once set even if that is less than usual.
  [[nodiscard]] std::size_t allowed_bytes(const void* kernel) const {
    const auto found = dynamic_bytes.find(kernel);
    return found == dynamic_bytes.end() ? kUsualDynamicBytes : found->second;
  }
  [[nodiscard]] std::size_t used(int device) const {
    std::size_t sum = 0;
    for (const auto& [data, allocation] : device_allocations) sum += allocation.device == device ? allocation.bytes : 0;
    return sum;
  }
};

Machine& machine() {
  static auto* const only = new Machine;  // streams may be destroyed after everything else
  return *only;
}

// While one lives, device memory can be touched.
class Window {
 public:
  Window() {
    const std::lock_guard lock(machine().mutex);
    if (machine().windows++ == 0) machine().protect(PROT_READ | PROT_WRITE);
  }
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;
  ~Window() {
    const std::lock_guard lock(machine().mutex);
    if (--machine().windows == 0) machine().protect(PROT_NONE);
  }
};

thread_local int current_device = 0;
thread_local cudaError_t last_error = cudaSuccess;

// What CUDA does before the calls that need a context, and when a GPU is selected.
void make_context() {
  const std::lock_guard lock(machine().mutex);
  machine().contexts.insert(current_device);
}
int context_state(int device, unsigned* flags, int* active) {  // cuDevicePrimaryCtxGetState
  const std::lock_guard lock(machine().mutex);
  *flags = 0;
  *active = machine().contexts.contains(device) ? 1 : 0;
  return 0;
}

cudaError_t answer(cudaError_t status) {
  if (status != cudaSuccess) last_error = status;
  return status;
}

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "emulation: %s\n", what);
  std::abort();
}

template <class Ranges, class SizeOf>
bool holds(const Ranges& ranges, const void* begin, std::size_t n, SizeOf size_of) {
  const auto* data = static_cast<const std::byte*>(begin);
  auto found = ranges.upper_bound(data);
  if (found == ranges.begin()) return false;
  --found;
  return data + n <= found->first + size_of(found->second);
}
bool is_on_device(const void* begin, std::size_t n) {
  const std::lock_guard lock(machine().mutex);
  return n == 0 || holds(machine().device_allocations, begin, n, [](const Allocation& a) { return a.bytes; });
}
bool is_pinned(const void* begin, std::size_t n) {
  const std::lock_guard lock(machine().mutex);
  return holds(machine().pinned, begin, n, [](std::size_t bytes) { return bytes; });
}

std::shared_ptr<CUstream_st> shared(cudaStream_t stream) {
  const std::lock_guard lock(machine().mutex);
  if (stream == nullptr) return machine().default_stream;
  for (const auto& one : machine().streams)
    if (one.get() == stream) return one;
  fail("a stream that is not there");
}

// Does what was put into the stream up to that number.
void drain(CUstream_st& stream, std::uint64_t up_to = UINT64_MAX) {
  const std::lock_guard lock(stream.mutex);
  while (!stream.work.empty() && stream.done < up_to) {
    const auto work = std::move(stream.work.front());
    stream.work.pop_front();
    work();
    stream.done++;
  }
}

std::uint64_t put(CUstream_st& stream, std::function<void()> work) {
  const std::lock_guard lock(stream.mutex);
  stream.work.push_back(std::move(work));
  return stream.done + stream.work.size();
}

void drain_all() {
  std::vector<std::shared_ptr<CUstream_st>> streams;
  {
    const std::lock_guard lock(machine().mutex);
    streams = machine().streams;
    streams.push_back(machine().default_stream);
  }
  for (const auto& stream : streams) drain(*stream);
}

void copy_on_device(void* to, const void* from, std::size_t n) {
  const Window window;
  if (n > 0) std::memmove(to, from, n);
}

}  // namespace

void set_device_count(int count) {
  const std::lock_guard lock(machine().mutex);
  machine().device_count = count;
  machine().contexts.clear();
}

void set_runner(Runner runner) { machine().runner = std::move(runner); }

void enqueue(cudaStream_t stream, std::function<void()> work) {
  put(*shared(stream), [work = std::move(work)] {
    const Window window;
    work();
  });
}

cudaError_t launch(const LaunchShape& shape, const void* kernel, std::function<void()> body, Arguments arguments) {
  std::size_t allowed = 0;
  {
    const std::lock_guard lock(machine().mutex);
    allowed = machine().allowed_bytes(kernel);
  }
  if (shape.blocks == 0 || shape.blocks > INT32_MAX || shape.threads == 0 || shape.threads > 1024)
    return answer(cudaErrorInvalidConfiguration);
  if (shape.dynamic_bytes > allowed) return answer(cudaErrorInvalidValue);
  const auto stream = shared(shape.stream);
  if (shape.stream != nullptr && stream->device != current_device) return answer(cudaErrorInvalidResourceHandle);
  enqueue(shape.stream, [shape, kernel, body = std::move(body), arguments = std::move(arguments)] {
    if (machine().runner) return machine().runner(shape, kernel, arguments());
    auto* dynamic = reinterpret_cast<unsigned char*>(cuda::shared_words);
    std::memset(dynamic, kGarbage, shape.dynamic_bytes + cuda::kMargin);
    run_grid(shape.blocks, shape.threads, body);
    for (std::size_t i = 0; i < cuda::kMargin; i++)
      if (dynamic[shape.dynamic_bytes + i] != kGarbage) fail("a kernel wrote beyond its dynamic shared memory");
  });
  return cudaSuccess;
}

cudaError_t allow_dynamic_bytes(const void* kernel, int bytes) {
  if (bytes < 0 || static_cast<std::size_t>(bytes) > cuda::kMostDynamicBytes) return answer(cudaErrorInvalidValue);
  const std::lock_guard lock(machine().mutex);
  machine().dynamic_bytes[kernel] = static_cast<std::size_t>(bytes);
  return cudaSuccess;
}

cudaError_t occupancy(int* blocks, const void* kernel, int threads, std::size_t dynamic_bytes) {
  const std::lock_guard lock(machine().mutex);
  *blocks = threads <= 1024 && dynamic_bytes <= machine().allowed_bytes(kernel) ? kResident : 0;
  return cudaSuccess;
}

}  // namespace weft::emulation

using namespace weft::emulation;

const char* cudaGetErrorString(cudaError_t status) {
  switch (status) {
    case cudaSuccess:
      return "no error";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorNotReady:
      return "device not ready";
    default:
      return "invalid argument";
  }
}
cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }
cudaError_t cudaDriverGetVersion(int* version) { return *version = CUDART_VERSION, cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int* version) { return *version = CUDART_VERSION, cudaSuccess; }
cudaError_t cudaGetDeviceCount(int* count) {
  const std::lock_guard lock(machine().mutex);
  *count = machine().device_count;
  return *count > 0 ? cudaSuccess : answer(cudaErrorNoDevice);
}
cudaError_t cudaGetDevice(int* device) { return *device = current_device, cudaSuccess; }
cudaError_t cudaSetDevice(int device) {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess || device < 0 || device >= count) return answer(cudaErrorInvalidDevice);
  current_device = device;
  make_context();
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {"emulated GPU", 9, 0, kMultiprocessors, kDeviceMemory};
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrMultiProcessorCount ? kMultiprocessors
           : attribute == cudaDevAttrClockRate         ? 1000
                                                       : static_cast<int>(weft::cuda::kMostDynamicBytes);
  return cudaSuccess;
}
cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned, unsigned long long,
                                             cudaDriverEntryPointQueryResult* result) {
  const bool is_known = std::string_view(symbol) == "cuDevicePrimaryCtxGetState";
  *function = is_known ? reinterpret_cast<void*>(&context_state) : nullptr;
  *result = is_known ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  make_context();
  const std::lock_guard lock(machine().mutex);
  *memory = nullptr;
  if (bytes == 0) return cudaSuccess;
  if (bytes > kDeviceMemory || machine().used(current_device) > kDeviceMemory - bytes)
    return answer(cudaErrorMemoryAllocation);
  const std::size_t rounded = round_up(bytes, 256), page_bytes = round_up(rounded, kPage);
  void* pages = mmap(nullptr, page_bytes + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return answer(cudaErrorMemoryAllocation);
  auto* first = static_cast<std::byte*>(pages);
  std::memset(first, kGarbage, page_bytes);
  mprotect(first + page_bytes, kPage, PROT_NONE);
  if (machine().windows == 0) mprotect(first, page_bytes, PROT_NONE);
  std::byte* data = first + page_bytes - rounded;
  machine().device_allocations[data] = {first, page_bytes, bytes, current_device};
  *memory = data;
  return cudaSuccess;
}
cudaError_t cudaFree(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  make_context();
  drain_all();
  const std::lock_guard lock(machine().mutex);
  const auto found = machine().device_allocations.find(static_cast<const std::byte*>(memory));
  if (found == machine().device_allocations.end()) fail("cudaFree of what cudaMalloc did not give");
  munmap(found->second.pages, found->second.page_bytes + kPage);
  machine().device_allocations.erase(found);
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned) {
  make_context();
  *memory = std::aligned_alloc(kPage, round_up(std::max<std::size_t>(bytes, 1), kPage));
  const std::lock_guard lock(machine().mutex);
  machine().pinned[static_cast<const std::byte*>(*memory)] = bytes;
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  make_context();
  drain_all();
  const std::lock_guard lock(machine().mutex);
  if (machine().pinned.erase(static_cast<const std::byte*>(memory)) == 0)
    fail("cudaFreeHost of what cudaHostAlloc did not give");
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  make_context();
  const std::lock_guard lock(machine().mutex);
  *total = kDeviceMemory;
  *free = *total - std::min(*total, machine().used(current_device));
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t n, cudaMemcpyKind kind, cudaStream_t stream) {
  const bool to_device = kind != cudaMemcpyDeviceToHost, from_device = kind != cudaMemcpyHostToDevice;
  if ((to_device && !is_on_device(to, n)) || (from_device && !is_on_device(from, n)))
    return answer(cudaErrorInvalidValue);
  const auto shared_stream = shared(stream);
  if (!from_device && !is_pinned(from, n)) {  // CUDA has read it all before it returns
    const auto* bytes = static_cast<const std::byte*>(from);
    put(*shared_stream,
        [to, staged = std::vector<std::byte>(bytes, bytes + n)] { copy_on_device(to, staged.data(), staged.size()); });
    return cudaSuccess;
  }
  put(*shared_stream, [=] { copy_on_device(to, from, n); });
  if (!to_device && !is_pinned(to, n)) drain(*shared_stream);  // and has written it all
  return cudaSuccess;
}
cudaError_t cudaMemcpy(void* to, const void* from, std::size_t n, cudaMemcpyKind kind) {
  const cudaError_t status = cudaMemcpyAsync(to, from, n, kind, nullptr);
  return status == cudaSuccess ? cudaStreamSynchronize(nullptr) : status;
}
cudaError_t cudaMemsetAsync(void* to, int value, std::size_t n, cudaStream_t stream) {
  if (!is_on_device(to, n)) return answer(cudaErrorInvalidValue);
  enqueue(stream, [=] { std::memset(to, value, n); });
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const std::lock_guard lock(machine().mutex);
  machine().streams.push_back(std::make_shared<CUstream_st>());
  *stream = machine().streams.back().get();
  (*stream)->device = current_device;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  make_context();
  drain(*shared(stream));
  const std::lock_guard lock(machine().mutex);
  std::erase_if(machine().streams, [stream](const auto& one) { return one.get() == stream; });
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  drain(*shared(stream));
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (event->stream) put(*shared(stream), [before = event->stream, number = event->number] { drain(*before, number); });
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return *event = new CUevent_st, cudaSuccess; }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) { return cudaEventCreate(event); }
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (event->stream) drain(*event->stream, event->number);
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  event->stream = shared(stream);
  event->number = put(*event->stream, [event] { event->time = std::chrono::steady_clock::now(); });
  return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  for (const cudaEvent_t event : {start, end}) {
    if (!event->stream) return answer(cudaErrorInvalidResourceHandle);
    const std::lock_guard lock(event->stream->mutex);
    if (event->stream->done < event->number) return answer(cudaErrorNotReady);
  }
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - start->time).count();
  return cudaSuccess;
}
