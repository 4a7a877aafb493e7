#include "clusters.hpp"

#include <algorithm>
#include <chrono>

#include "backends/cuda/device_sorted_values.hpp"
#include "backends/cuda/device_vector_set.hpp"
#include "backends/cuda/memory.hpp"
#include "cluster/scalar_kmeans.hpp"
#include "measure.hpp"
#include "sizes.hpp"
#include "support/weights.hpp"
#include "weft/error.hpp"

namespace weft::bench {
namespace {

constexpr std::size_t kDimension = 4, kEntries = 4096;

std::vector<float> draw(std::size_t n, std::uint64_t seed) {
  const std::vector<double> values = testing::draw_weights(n, seed, 0.02);
  return {values.begin(), values.end()};
}

// Weights in device memory.
void upload_weights(cuda::Queue& queue, cuda::DeviceBuffer& weights) {
  reserve(weights, sizes.copies * sizes.drawn * sizeof(float));
  const std::vector<float> drawn = draw(sizes.drawn, 11);
  std::vector<float> copy(sizes.drawn);
  for (std::size_t i = 0; i < sizes.copies; i++) {
    const float factor = 1 + static_cast<float>(i) * 0x1p-10f;
    std::transform(drawn.begin(), drawn.end(), copy.begin(), [&](float value) { return value * factor; });
    queue.to_device(weights.data() + i * sizes.drawn * sizeof(float), copy.data(), sizes.drawn * sizeof(float));
    queue.wait();
  }
}

void time_scalars(cuda::Heap& heap, const float* weights, std::uint32_t k, Json& r) {
  const std::uint64_t n = sizes.copies * sizes.drawn;
  const auto queue = heap.device().make_queue();
  const cuda::DeviceSortedValues::Layout layout(heap.device(), n, false);
  cuda::DeviceBuffer memory(heap);
  reserve(memory, layout.total_bytes);
  // The sort alone, of keys that are as they were drawn each time.
  cuda::ScalarArrays arrays{};
  arrays.values = weights;
  arrays.keys = reinterpret_cast<std::uint32_t*>(memory.data() + layout.keys);
  arrays.keys_room = reinterpret_cast<std::uint32_t*>(memory.data() + layout.keys_room);
  arrays.scratch = memory.data() + layout.scratch;
  arrays.scratch_bytes = layout.scratch_bytes;
  arrays.sorted.n = n;
  const Timing sort = time_launches([&](cuda::Queue& timed) {
    timed.cluster_scalars(cuda::ScalarPass::kKeys, arrays);
    timed.phase(cuda::Phase::kKernels);
    timed.cluster_scalars(cuda::ScalarPass::kSort, arrays);
  });
  r["weights"] = n;
  r["sort_alone_milliseconds"] = sort.milliseconds;
  // All of it, as a caller waits for it.
  std::vector<double> all;
  cluster::ScalarClusters clusters;
  for (int run = -1; run < sizes.runs; run++) {
    const auto begin = std::chrono::steady_clock::now();
    cuda::DeviceSortedValues sorted(*queue, layout, memory.data(), n);
    sorted.sort_resident(weights);
    clusters = cluster::cluster_scalars(sorted, {.clusters = k});
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
    if (run >= 0) all.push_back(passed.count());
  }
  std::sort(all.begin(), all.end());
  const double seconds = all[all.size() / 2];
  r["iterations"] = clusters.iterations;
  r["milliseconds"] = seconds * 1e3;
  r["g_weights_per_s"] = static_cast<double>(n) / seconds / 1e9;
  r["over_sort_alone"] = seconds * 1e3 / sort.milliseconds;
  std::uint64_t placed = 0;
  for (const std::uint64_t size : clusters.sizes) placed += size;
  if (placed != n) throw Error(ErrorKind::kInternal, "clusters do not have all the weights");
}

void time_vectors(cuda::Heap& heap, const float* weights, Json& r) {
  std::vector<float> entries = draw(kEntries * kDimension, 12);
  const std::vector<float> biases = cluster::VectorScale(entries).biases(entries, kDimension, {}, 0);
  const auto largest = [](const std::vector<float>& values) {
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    return std::max(-*low, *high);
  };
  cuda::DeviceBuffer memory(heap);
  const cuda::DeviceVectorSet::Layout layout(sizes.vectors, kDimension, false, kEntries);
  reserve(memory, layout.total_bytes);
  std::byte* at = memory.data();
  const auto queue = heap.device().make_queue();
  queue->to_device(at + layout.entries, entries.data(), entries.size() * sizeof(float));
  queue->to_device(at + layout.biases, biases.data(), biases.size() * sizeof(float));
  queue->wait();
  cuda::VectorArrays arrays{};
  arrays.answers = {reinterpret_cast<std::uint32_t*>(at + layout.nearest),
                    reinterpret_cast<float*>(at + layout.distances)};
  arrays.vectors = {.vectors = weights, .n = sizes.vectors, .dimension = kDimension};
  arrays.entries = {reinterpret_cast<const float*>(at + layout.entries),
                    reinterpret_cast<const float*>(at + layout.biases), kEntries, largest(entries), largest(biases)};
  arrays.unsettled = reinterpret_cast<std::uint32_t*>(at + layout.unsettled);
  arrays.unsettled_count = reinterpret_cast<std::uint32_t*>(at + layout.unsettled_count);
  const Timing timing =
      time_launches([&](cuda::Queue& timed) { timed.cluster_vectors(cuda::VectorPass::kNearest, arrays); });

  const double rate = static_cast<double>(sizes.vectors * kEntries * kDimension) / timing.milliseconds * 1e3;
  r["milliseconds"] = timing.milliseconds;
  r["t_multiply_adds_per_s"] = rate / 1e12;

  std::uint32_t unsettled = 0;
  std::vector<std::uint32_t> found(sizes.checked);
  std::vector<float> values(sizes.checked * kDimension);
  queue->to_host(&unsettled, arrays.unsettled_count, sizeof unsettled);
  queue->to_host(found.data(), arrays.answers.nearest, sizes.checked * sizeof(std::uint32_t));
  queue->to_host(values.data(), weights, values.size() * sizeof(float));
  queue->wait();
  r["searched_again"] = static_cast<double>(unsettled) / static_cast<double>(sizes.vectors);
  cluster::Nearest expected;
  cluster::find_nearest({values, kDimension}, entries, biases, 1, expected);
  if (found != expected.entries) throw Error(ErrorKind::kInternal, "the GPU finds other entries than the CPU");
  const double fma_per_s = fma_rate();
  r["register_fma_t_per_s"] = fma_per_s / 1e12;
  r["share_of_register_fma"] = rate / fma_per_s;
}

}  // namespace

void cluster_section(Results& results, const std::shared_ptr<cuda::Device>& device) {
  cuda::Heap heap(device, UINT64_MAX);
  cuda::DeviceBuffer weights(heap);
  upload_weights(*heap.device().make_queue(), weights);
  const auto* values = reinterpret_cast<const float*>(weights.data());
  for (const std::uint32_t k : {16u, 256u})
    results.append("/clustering/scalars", {{"k", k}}, [&](Json& r) { time_scalars(heap, values, k, r); });
  results.append("/clustering/assignment", {{"vectors", sizes.vectors}, {"dimension", kDimension}, {"k", kEntries}},
                 [&](Json& r) { time_vectors(heap, values, r); });
}

}  // namespace weft::bench
