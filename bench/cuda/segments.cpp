#include "segments.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <optional>
#include <thread>

#include "backends/cuda/decode_batch.hpp"
#include "backends/cuda/encode_batch.hpp"
#include "backends/cuda/memory.hpp"
#include "backends/cuda/trellis_encode_batch.hpp"
#include "measure.hpp"
#include "sizes.hpp"
#include "weft/error.hpp"
#include "workload.hpp"

namespace weft::bench {
namespace {

constexpr std::uint32_t kProcessors[] = {6, 17, 66, 132};

std::string models(bool predicts) { return predicts ? "predictive" : "scaled"; }

class Bench {
 public:
  Bench(Results& results, std::shared_ptr<cuda::Device> device)
      : results_(results), heap_(std::move(device), UINT64_MAX) {}

  void decode(const std::string& list, const Workload& work, std::size_t segments, bool by_processors) {
    results_.append(list,
                    {{"name", work.name},
                     {"weights", segments * sizes.segment_units},
                     {"block_log2", work.view.block_log2},
                     {"bits_per_weight", work.bits_per_weight}},
                    [&](Json& r) { decode_batch(work, segments, by_processors, r); });
  }

  // Batch: made of the items and of `more`.
  template <class Batch, class... More>
  void encode(const Workload& work, std::size_t segments, More&... more) {
    results_.append(
        "/encode",
        {{"name", work.name}, {"weights", segments * sizes.segment_units}, {"bits_per_weight", work.bits_per_weight}},
        [&](Json& r) { encode_batch<Batch>(work, segments, r, more...); });
  }

 private:
  void decode_batch(const Workload& work, std::size_t segments, bool by_processors, Json& r) {
    std::vector<DecodeItem> items = work.decode_items(segments);
    std::vector<std::optional<std::uint64_t>> outside;
    const std::uint64_t bytes = sizes.segment_units * static_cast<std::uint64_t>(unit_bytes(work.view.dtype));
    for (std::size_t i = 0; i < segments; i++) outside.emplace_back(i * bytes);
    const cuda::DecodeBatch batch(items, outside);
    cuda::DeviceBuffer memory(heap_), out(heap_);
    reserve(memory, batch.device_bytes());
    reserve(out, segments * bytes);
    std::vector<std::byte> upload(batch.upload_bytes()), answers(batch.answers_bytes());
    batch.fill(upload.data(), memory.data());
    const auto queue = heap_.device().make_queue();
    queue->to_device(memory.data(), upload.data(), upload.size());
    queue->wait();
    const auto launch = [&](cuda::Queue& timed) { batch.launch(timed, memory.data(), out.data()); };
    r["all_processors"] = time_launches(launch).json(work.weight_bytes(segments));
    for (const std::uint32_t processors : kProcessors)
      if (by_processors)
        r["at_most_processors"][std::to_string(processors)] =
            time_launches(launch, processors).json(work.weight_bytes(segments));
    batch.fetch_answers(*queue, memory.data(), answers.data());
    queue->wait();
    if (!batch.all_accepted(answers.data())) throw Error(ErrorKind::kInternal, "a decode kernel failed");
    compare_units(work, *queue, out.data(), std::min(segments, sizes.distinct));
  }

  // The first segments at `out`, which differ, with those that the CPU decodes.
  static void compare_units(const Workload& work, cuda::Queue& queue, const std::byte* out, std::size_t segments) {
    const auto coder = make_cpu_backend()->make_coder();
    for (std::size_t i = 0; i < segments; i++) {
      const std::size_t bytes = work.units[i].size();
      std::vector<std::byte> found(bytes), expected(bytes);
      queue.to_host(found.data(), out + i * bytes, bytes);
      queue.wait();
      if (coder->decode(work.encoded[i].with_tables(work.view), 0, work.blocks[i], expected))
        throw Error(ErrorKind::kInternal, "the CPU cannot decode its own blocks");
      if (found != expected)
        throw Error(ErrorKind::kInternal, fmt::format("segment {} is decoded to other bytes than on the CPU", i));
    }
  }

  template <class Batch, class... More>
  void encode_batch(const Workload& work, std::size_t segments, Json& r, More&... more) {
    std::vector<EncodedSegment> out(segments);
    std::vector<EncodeItem> items;
    for (std::size_t i = 0; i < segments; i++)
      items.push_back({work.view, &work.spec, work.units[i % sizes.distinct], &out[i]});
    std::vector<EncodeItem*> pointers;
    for (EncodeItem& item : items) pointers.push_back(&item);
    const Batch batch(pointers, more...);
    cuda::DeviceBuffer memory(heap_);
    reserve(memory, batch.device_bytes());
    std::vector<std::byte> upload(batch.upload_bytes());
    batch.fill(upload.data(), memory.data());
    // The counts have to begin at zero each time, so the jobs are copied again, outside of the kernels' times.
    const auto launch = [&](cuda::Queue& timed) {
      timed.to_device(memory.data(), upload.data(), batch.jobs_bytes());
      timed.phase(cuda::Phase::kKernels);
      batch.launch(timed, memory.data());
    };
    const auto queue = heap_.device().make_queue();
    queue->to_device(memory.data(), upload.data(), upload.size());
    queue->wait();
    const Timing timing = time_launches(launch);
    r["all_processors"] = timing.json(work.weight_bytes(segments));
    r["g_weights_per_s"] = static_cast<double>(segments * sizes.segment_units) / timing.milliseconds / 1e6;
    if (std::is_same_v<Batch, cuda::EncodeBatch>) r["tables_given"] = after_tables(timing, work.weight_bytes(segments));
    std::vector<std::byte> jobs(batch.jobs_bytes()), blocks(batch.most_download_bytes());
    batch.fetch_jobs(*queue, memory.data(), jobs.data());
    queue->wait();
    (void)batch.fetch(*queue, jobs.data(), memory.data(), blocks.data());
    queue->wait();
    batch.finish(jobs.data(), blocks.data(), *make_cpu_backend()->make_coder());
    for (std::size_t i = 0; i < segments; i++)
      if (out[i].bytes != work.encoded[i % sizes.distinct].bytes)
        throw Error(ErrorKind::kInternal, fmt::format("segment {} is encoded to other bytes than on the CPU", i));
  }

  static Json after_tables(const Timing& timing, double bytes) {
    double milliseconds = 0;
    for (const auto& [kernel, time] : timing.kernels)
      if (kernel == "code" || kernel == "layout" || kernel == "write") milliseconds += time;
    return {{"milliseconds", milliseconds}, {"gb_per_s", bytes / milliseconds / 1e6}};
  }

  Results& results_;
  cuda::Heap heap_;
};

// All cores, each with segments of its own.
void time_on_cpu(const Workload& work, Json& r) {
  const std::size_t threads = std::max(1u, std::thread::hardware_concurrency());
  const std::size_t each = std::max<std::size_t>(1, 64 / threads);
  const auto run = [&](const auto& body) {
    const auto begin = std::chrono::steady_clock::now();
    in_threads(threads, [&](std::size_t t) {
      const auto coder = make_cpu_backend()->make_coder();
      for (std::size_t i = 0; i < each; i++) body(*coder, (t + i) % sizes.distinct);
    });
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
    return work.weight_bytes(1) * static_cast<double>(threads * each) / passed.count() / 1e9;
  };
  r["threads"] = threads;
  r["decode_gb_per_s"] = run([&](SegmentCoder& coder, std::size_t i) {
    std::vector<std::byte> out(work.units[i].size());
    if (coder.decode(work.encoded[i].with_tables(work.view), 0, work.blocks[i], out))
      throw Error(ErrorKind::kInternal, "the CPU cannot decode its own blocks");
  });
  r["encode_gb_per_s"] = run([&](SegmentCoder& coder, std::size_t i) {
    EncodedSegment again;
    coder.encode(work.view, work.spec, work.units[i], again);
  });
}

using Make = std::unique_ptr<Workload> (*)();

// Few segments, on some of the processors too, and many.
void decode_each(Bench& bench, std::initializer_list<Make> list) {
  for (const Make make : list) {
    const auto work = make();
    bench.decode("/decode", *work, sizes.segments, true);
    bench.decode("/decode", *work, sizes.many, false);
  }
}

std::unique_ptr<Workload> lossless_blocks(int block_log2) {
  return make_workload("lossless BF16", CodecId::kLossless, DType::kBF16, 1, block_log2);
}
std::unique_ptr<Workload> lossless() { return lossless_blocks(16); }
std::unique_ptr<Workload> about_3_bits() {
  return make_workload("uniform BF16, about 3 bits", CodecId::kUniform, DType::kBF16, 0.5);
}
std::unique_ptr<Workload> about_4_bits() {
  return make_workload("uniform BF16, about 4 bits", CodecId::kUniform, DType::kBF16, 0.25);
}
std::unique_ptr<Workload> one_byte_symbols() {
  return make_workload("one-byte symbols", CodecId::kLossless, DType::kU8, 1);
}
std::unique_ptr<Workload> scaled() { return make_trellis_workload("trellis BF16, scaled", false); }
std::unique_ptr<Workload> predicted() { return make_trellis_workload("trellis BF16, predictive", true); }

// Without pairs of symbols, with a step for each channel, and with codebooks.
std::vector<std::unique_ptr<Workload>> variants() {
  std::vector<std::unique_ptr<Workload>> list;
  list.push_back(make_workload("lossless BF16, no pairs", CodecId::kLossless, DType::kBF16, 1, 16, false));
  list.push_back(
      make_workload("uniform BF16, about 3 bits, no pairs", CodecId::kUniform, DType::kBF16, 0.5, 16, false));
  list.push_back(make_channel_workload("uniform BF16, about 3 bits, a step per channel", 0.5));
  list.push_back(make_codebook_workload("codebook BF16, 16 scalars", 16, 1));
  list.push_back(make_codebook_workload("codebook BF16, 4096 vectors of 4", 4096, 4));
  return list;
}

}  // namespace

void decode_section(Results& results, const std::shared_ptr<cuda::Device>& device) {
  Bench bench(results, device);
  decode_each(bench, {&lossless, &about_3_bits, &about_4_bits, &one_byte_symbols});
}

void decode_trellis_section(Results& results, const std::shared_ptr<cuda::Device>& device) {
  Bench bench(results, device);
  decode_each(bench, {&scaled, &predicted});
  // Blocks as small as a small layer's have 8 lanes.
  for (const bool predicts : {false, true})
    bench.decode("/decode",
                 *make_trellis_workload(fmt::format("trellis BF16, {}, 8 lanes", models(predicts)), predicts, 3, 15),
                 sizes.segments, false);
}

void decode_variants_section(Results& results, const std::shared_ptr<cuda::Device>& device) {
  Bench bench(results, device);
  for (const auto& work : variants()) bench.decode("/decode", *work, sizes.segments, false);
}

void block_sizes_section(Results& results, const std::shared_ptr<cuda::Device>& device) {
  Bench bench(results, device);
  for (const int block_log2 : {13, 14, 15, 17, 18})
    bench.decode("/block_sizes", *lossless_blocks(block_log2), sizes.segments, false);
}

void encode_section(Results& results, const std::shared_ptr<cuda::Device>& device) {
  Bench bench(results, device);
  for (const Make make : {&lossless, &about_3_bits, &one_byte_symbols})
    bench.encode<cuda::EncodeBatch>(*make(), sizes.segments);
  for (const auto& work : variants()) bench.encode<cuda::EncodeBatch>(*work, sizes.segments);
  bench.encode<cuda::EncodeBatch>(*lossless(), sizes.many);
}

void encode_trellis_section(Results& results, const std::shared_ptr<cuda::Device>& device) {
  Bench bench(results, device);
  cpu::TrellisCache tables;
  for (const bool predicts : {false, true})
    for (const int states_log2 : {3, 5, 8})
      bench.encode<cuda::TrellisEncodeBatch>(
          *make_trellis_workload(fmt::format("trellis BF16, {}, {} states", models(predicts), 1 << states_log2),
                                 predicts, states_log2),
          sizes.searched, tables);
}

void cpu_section(Results& results, const std::shared_ptr<cuda::Device>&) {
  for (const Make make : {&lossless, &about_3_bits, &about_4_bits, &one_byte_symbols, &scaled, &predicted}) {
    const auto work = make();
    results.append("/cpu", {{"name", work->name}}, [&](Json& r) { time_on_cpu(*work, r); });
  }
}

}  // namespace weft::bench
