#include "cuda_queue.hpp"

#include <deque>
#include <utility>
#include <vector>

#include "block_limit.hpp"
#include "event.hpp"
#include "kernels/kernels.hpp"

namespace weft::cuda {
namespace {

class CudaQueue final : public Queue {
 public:
  explicit CudaQueue(int ordinal) : ordinal_(ordinal), is_mine_(true), max_blocks_(limit_blocks(0)) {
    const Current current(ordinal_);
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "creating a stream");
  }
  CudaQueue(cudaStream_t stream, std::uint32_t max_blocks) : stream_(stream), max_blocks_(limit_blocks(max_blocks)) {
    check(cudaGetDevice(&ordinal_), "asking for its number");
  }
  CudaQueue(const CudaQueue&) = delete;
  CudaQueue& operator=(const CudaQueue&) = delete;
  ~CudaQueue() override {
    if (!is_mine_) return;
    release_on(ordinal_, [this] {
      cudaStreamSynchronize(stream_);
      events_.clear();
      cudaStreamDestroy(stream_);
    });
  }

  void phase(Phase phase) override {
    if (is_mine_) mark(static_cast<int>(phase));
  }
  void to_device(void* to, const void* from, std::size_t n) override {
    const Current current(ordinal_);
    check(cudaMemcpyAsync(to, from, n, cudaMemcpyHostToDevice, stream_), "copying to it");
  }
  void to_host(void* to, const void* from, std::size_t n) override {
    const Current current(ordinal_);
    check(cudaMemcpyAsync(to, from, n, cudaMemcpyDeviceToHost, stream_), "copying from it");
  }
  void copy(void* to, const void* from, std::size_t n) override {
    const Current current(ordinal_);
    check(cudaMemcpyAsync(to, from, n, cudaMemcpyDeviceToDevice, stream_), "copying within it");
  }
  void checksum(const ChecksumJob* jobs, std::uint32_t count, std::uint32_t* crcs) override {
    const Current current(ordinal_);
    check(launch_checksum({stream_, max_blocks_}, jobs, count, crcs), "starting checksums");
  }
  void decode(DecodeOp op, const core::BlockGroup* groups, std::uint32_t count, const core::BlockJob* jobs,
              std::uint8_t* out, std::uint32_t* status) override {
    const Current current(ordinal_);
    check(launch_decode({stream_, max_blocks_}, op, groups, count, jobs, out, status), "starting to decode");
  }
  void decode_classes(const ClassGroups& groups, const core::BlockJob* jobs, std::uint8_t* out,
                      std::uint32_t* status) override {
    const Current current(ordinal_);
    check(launch_decode_classes({stream_, max_blocks_}, groups, jobs, out, status), "starting to decode");
  }
  void decode_trellis(TrellisOp op, const TrellisGroups& groups, const core::TrellisJob* jobs, std::uint8_t* out,
                      std::uint32_t* status) override {
    const Current current(ordinal_);
    check(launch_decode_trellis({stream_, max_blocks_}, op, groups, jobs, out, status), "starting to decode");
  }
  void look_up(core::FloatType type, const core::LookUpJob* jobs, std::uint32_t count, std::uint8_t* out,
               std::uint32_t* status) override {
    const Current current(ordinal_);
    check(launch_look_up({stream_, max_blocks_}, type, jobs, count, out, status), "starting to decode");
  }
  void copy_from_view(const core::ViewCopy& copy) override {
    const Current current(ordinal_);
    check(launch_copy_from_view({stream_, max_blocks_}, copy), "starting to reorder");
  }
  void encode(EncodePass pass, EncodeOp op, const EncodeArrays& arrays) override {
    const Current current(ordinal_);
    check(launch_encode({stream_, max_blocks_}, pass, op, arrays), "starting to encode");
  }
  void encode_trellis(TrellisPass pass, TrellisEncodeOp op, const TrellisEncodeArrays& arrays) override {
    const Current current(ordinal_);
    check(launch_encode_trellis({stream_, max_blocks_}, pass, op, arrays), "starting to encode");
  }
  void cluster_scalars(ScalarPass pass, const ScalarArrays& arrays) override {
    const Current current(ordinal_);
    check(launch_cluster_scalars({stream_, max_blocks_}, pass, arrays), "starting to cluster");
  }
  void cluster_vectors(VectorPass pass, const VectorArrays& arrays) override {
    const Current current(ordinal_);
    check(launch_cluster_vectors({stream_, max_blocks_}, pass, arrays), "starting to cluster");
  }
  void square_rows(const core::RowJob& job) override {
    const Current current(ordinal_);
    check(launch_square_rows({stream_, max_blocks_}, job), "starting to measure");
  }
  void wait() override {
    if (is_mine_) mark(kEnd);
    const Current current(ordinal_);
    check(cudaStreamSynchronize(stream_), "working");
    for (std::size_t i = 0; i + 1 < marks_; i++) {
      if (phases_[i] == kEnd) continue;
      times_.seconds[phases_[i]] += events_[i + 1].since(events_[i]) / 1e3;
    }
    marks_ = 0;
  }
  PhaseTimes take_times() override { return std::exchange(times_, {}); }

 private:
  static constexpr int kEnd = -1;

  void mark(int phase) {
    const Current current(ordinal_);
    if (marks_ == phases_.size()) {
      events_.emplace_back();  // which may fail
      phases_.push_back(0);
    }
    phases_[marks_] = phase;
    events_[marks_].record(stream_);
    marks_++;
  }

  int ordinal_ = 0;
  bool is_mine_ = false;
  cudaStream_t stream_ = nullptr;
  std::uint32_t max_blocks_ = 0;
  std::deque<Event> events_;
  std::vector<int> phases_;
  std::size_t marks_ = 0;  // since the last wait()
  PhaseTimes times_;
};

}  // namespace

// The runtime cannot tell; the driver is asked through it, so that nothing has to be linked with the driver.
bool has_context(int ordinal) {
  using GetState = int (*)(int device, unsigned* flags, int* active);
  static const GetState get_state = [] {
    void* found = nullptr;
    cudaDriverEntryPointQueryResult answer{};
    constexpr unsigned kVersion = 7000;  // of CUDA, since which it is there
    if (cudaGetDriverEntryPointByVersion("cuDevicePrimaryCtxGetState", &found, kVersion, cudaEnableDefault, &answer) !=
        cudaSuccess)
      (void)cudaGetLastError();
    return answer == cudaDriverEntryPointSuccess ? reinterpret_cast<GetState>(found) : nullptr;
  }();
  unsigned flags = 0;
  int active = 0;
  return get_state == nullptr || get_state(ordinal, &flags, &active) != 0 || active != 0;
}

std::unique_ptr<Queue> make_cuda_queue(int ordinal) { return std::make_unique<CudaQueue>(ordinal); }

std::unique_ptr<Queue> make_cuda_queue(cudaStream_t stream, std::uint32_t max_blocks) {
  return std::make_unique<CudaQueue>(stream, max_blocks);
}

}  // namespace weft::cuda
