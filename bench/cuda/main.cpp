// Times the kernels of the CUDA backend on data that lies in device memory, beside the CPU backend on all cores and a
// copy, and prints one JSON object. GB/s counts the bytes of weights, not the traffic.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <deque>
#include <exception>
#include <iostream>
#include <string_view>
#include <thread>

#include "backends/cuda/decode_batch.hpp"
#include "backends/cuda/encode_batch.hpp"
#include "backends/cuda/find_devices.hpp"
#include "backends/cuda/memory.hpp"
#include "backends/cuda/trellis_encode_batch.hpp"
#include "clusters.hpp"
#include "engine/segment_encoder.hpp"
#include "measure.hpp"
#include "rows.hpp"
#include "sizes.hpp"
#include "support/weights.hpp"
#include "trellis/shape.hpp"
#include "trellis_weights.hpp"
#include "weft/error.hpp"

namespace weft::bench {
namespace {

constexpr std::uint32_t kProcessors[] = {6, 17, 66, 132};

// Segments of one kind, coded on the CPU.
struct Workload {
  std::string name;
  SegmentView view;
  CodecSpec spec;
  UniformStream uniform;
  TrellisStream trellis;
  CodebookStream codebook;
  std::vector<Codebook> codebooks;
  std::deque<std::vector<std::byte>> units;
  std::deque<EncodedSegment> encoded;
  std::deque<std::vector<std::span<const std::byte>>> blocks;
  double bits_per_weight = 0;

  [[nodiscard]] double weight_bytes(std::size_t segments) const {
    return static_cast<double>(segments * sizes.segment_units) * unit_bytes(view.dtype);
  }
  [[nodiscard]] std::vector<DecodeItem> decode_items(std::size_t segments) const {
    std::vector<DecodeItem> items;
    for (std::size_t i = 0; i < segments; i++)
      items.push_back({encoded[i % sizes.distinct].with_tables(view), 0, blocks[i % sizes.distinct], {}, {}});
    return items;
  }
};

std::vector<std::byte> draw(const SegmentView& view, std::uint64_t seed) {
  auto values = testing::draw_weights(sizes.segment_units, seed, 0.02);
  const DType dtype = view.dtype;
  if (view.codec == CodecId::kTrellis) follow_stream(*view.trellis, values);
  std::string bytes;
  if (is_quantizable(dtype)) {
    bytes = testing::weight_bytes(dtype, values);
  } else {  // one-byte symbols of about 5 bits
    for (const double value : values) bytes += static_cast<char>(128 + std::lrint(value * 400));
  }
  const auto units = std::as_bytes(std::span(bytes));
  return {units.begin(), units.end()};
}

// Codes the workload's segments.
void encode(Workload& work) {
  const auto coder = make_cpu_backend()->make_coder();
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < sizes.distinct; i++) {
    work.units.push_back(draw(work.view, i + 1));
    coder->encode(work.view, work.spec, work.units.back(), work.encoded.emplace_back());
    engine::split_blocks(work.view, 0, work.encoded.back().block_sizes, work.encoded.back().bytes,
                         work.blocks.emplace_back());
    bytes += work.encoded.back().bytes.size();
  }
  work.bits_per_weight = 8.0 * static_cast<double>(bytes) / static_cast<double>(sizes.distinct * sizes.segment_units);
}

// One whose stream and units are still to come.
std::unique_ptr<Workload> begin_workload(const std::string& name, CodecId codec, DType dtype, int block_log2) {
  auto work = std::make_unique<Workload>();
  work->name = name;
  work->spec.codec = work->view.codec = codec;
  work->view.dtype = dtype;
  work->view.block_log2 = block_log2;
  work->view.units = sizes.segment_units;
  return work;
}

std::unique_ptr<Workload> make_workload(const std::string& name, CodecId codec, DType dtype, double step,
                                        int block_log2 = 16, bool pairs = true) {
  auto work = begin_workload(name, codec, dtype, block_log2);
  work->spec.pairs = pairs;
  work->uniform.fine_step = static_cast<float>(step * 0.02 / 64);
  work->view.uniform = &work->uniform;
  encode(*work);
  return work;
}

// Entries that are drawn as the weights are: as good as any for the time that they take.
std::unique_ptr<Workload> make_codebook_workload(const std::string& name, std::size_t entries, std::uint8_t dimension) {
  auto work = begin_workload(name, CodecId::kCodebook, DType::kBF16, 16);
  Codebook& book = work->codebooks.emplace_back();
  book.dimension = work->codebook.dimension = dimension;
  const auto values = testing::draw_weights(entries * dimension, 99, 0.02);
  book.values.assign(values.begin(), values.end());
  if (dimension == 1) std::sort(book.values.begin(), book.values.end());
  work->codebook.books = {0};
  work->codebook.index_bytes = entries > 256 ? 2 : 1;
  work->view.codebook = &work->codebook;
  work->view.codebooks = work->codebooks;
  encode(*work);
  return work;
}

std::unique_ptr<Workload> make_trellis_workload(const std::string& name, bool predicts, int states_log2 = 3,
                                                int block_log2 = 17) {
  auto work = begin_workload(name, CodecId::kTrellis, DType::kBF16, block_log2);
  work->view.trellis = &work->trellis;
  work->view.shape = &trellis::typical_shapes()[3];
  work->trellis = trellis_stream(predicts, states_log2);
  encode(*work);
  return work;
}

void reserve(cuda::DeviceBuffer& buffer, std::size_t bytes) {
  if (!buffer.reserve(bytes)) throw Error(ErrorKind::kDevice, "the GPU has not enough memory for this benchmark");
}

class Bench {
 public:
  explicit Bench(std::shared_ptr<cuda::Device> device) : heap_(std::move(device), UINT64_MAX) {}

  Json decode(const Workload& work, std::size_t segments, bool by_processors) {
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
    Json r{{"name", work.name},
           {"weights", segments * sizes.segment_units},
           {"block_log2", work.view.block_log2},
           {"bits_per_weight", work.bits_per_weight}};
    r["all_processors"] = time_launches(launch).json(work.weight_bytes(segments));
    for (const std::uint32_t processors : kProcessors)
      if (by_processors)
        r["at_most_processors"][std::to_string(processors)] =
            time_launches(launch, processors).json(work.weight_bytes(segments));
    batch.fetch_answers(*queue, memory.data(), answers.data());
    queue->wait();
    if (!batch.all_accepted(answers.data())) throw Error(ErrorKind::kInternal, "a decode kernel failed: " + work.name);
    return r;
  }

  // Batch: made of the items and of `more`.
  template <class Batch, class... More>
  Json encode(const Workload& work, std::size_t segments, More&... more) {
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
    Json r{{"name", work.name}, {"weights", segments * sizes.segment_units}, {"bits_per_weight", work.bits_per_weight}};
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
        throw Error(ErrorKind::kInternal, "the encode kernels give other bytes than the CPU: " + work.name);
    return r;
  }

 private:
  static Json after_tables(const Timing& timing, double bytes) {
    double milliseconds = 0;
    for (const auto& [kernel, time] : timing.kernels)
      if (kernel == "code" || kernel == "layout" || kernel == "write") milliseconds += time;
    return {{"milliseconds", milliseconds}, {"gb_per_s", bytes / milliseconds / 1e6}};
  }

  cuda::Heap heap_;
};

// All cores, each with segments of its own.
Json cpu(const Workload& work) {
  const std::size_t threads = std::max(1u, std::thread::hardware_concurrency());
  const std::size_t each = std::max<std::size_t>(1, 64 / threads);
  const auto run = [&](const auto& body) {
    const auto begin = std::chrono::steady_clock::now();
    {
      std::vector<std::jthread> workers;
      for (std::size_t t = 0; t < threads; t++)
        workers.emplace_back([&, t] {
          const auto coder = make_cpu_backend()->make_coder();
          for (std::size_t i = 0; i < each; i++) body(*coder, (t + i) % sizes.distinct);
        });
    }
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
    return work.weight_bytes(1) * static_cast<double>(threads * each) / passed.count() / 1e9;
  };
  Json r{{"name", work.name}, {"threads", threads}};
  r["decode_gb_per_s"] = run([&](SegmentCoder& coder, std::size_t i) {
    std::vector<std::byte> out(work.units[i].size());
    if (coder.decode(work.encoded[i].with_tables(work.view), 0, work.blocks[i], out))
      throw Error(ErrorKind::kInternal, "the CPU cannot decode its own blocks");
  });
  r["encode_gb_per_s"] = run([&](SegmentCoder& coder, std::size_t i) {
    EncodedSegment again;
    coder.encode(work.view, work.spec, work.units[i], again);
  });
  return r;
}

Json run() {
  const cuda::DeviceList found = cuda::find_devices();
  if (found.devices.empty()) throw Error(ErrorKind::kUnsupported, found.why_none);
  Json r{{"device", describe_gpu()}, {"copy_bytes_per_s", copy_bandwidth(sizes.copied)}};
  Bench bench(found.devices.front());
  const auto lossless = make_workload("lossless BF16", CodecId::kLossless, DType::kBF16, 1);
  const auto bits3 = make_workload("uniform BF16, about 3 bits", CodecId::kUniform, DType::kBF16, 0.5);
  const auto bits4 = make_workload("uniform BF16, about 4 bits", CodecId::kUniform, DType::kBF16, 0.25);
  const auto bytes = make_workload("one-byte symbols", CodecId::kLossless, DType::kU8, 1);
  const auto scalars = make_codebook_workload("codebook BF16, 16 scalars", 16, 1);
  const auto vectors = make_codebook_workload("codebook BF16, 4096 vectors of 4", 4096, 4);
  const auto scaled = make_trellis_workload("trellis BF16, scaled", false);
  const auto predicted = make_trellis_workload("trellis BF16, predictive", true);
  for (const auto* work : {lossless.get(), bits3.get(), bits4.get(), bytes.get(), scaled.get(), predicted.get()}) {
    r["decode"].push_back(bench.decode(*work, sizes.segments, true));
    r["decode"].push_back(bench.decode(*work, sizes.many, false));
    r["cpu"].push_back(cpu(*work));
  }
  // Blocks as small as a small layer's have 8 lanes.
  for (const bool predicts : {false, true})
    r["decode"].push_back(
        bench.decode(*make_trellis_workload(
                         fmt::format("trellis BF16, {}, 8 lanes", predicts ? "predictive" : "scaled"), predicts, 3, 15),
                     sizes.segments, false));
  // What pairs of symbols are worth, and codebooks.
  const auto single = make_workload("lossless BF16, no pairs", CodecId::kLossless, DType::kBF16, 1, 16, false);
  const auto single3 =
      make_workload("uniform BF16, about 3 bits, no pairs", CodecId::kUniform, DType::kBF16, 0.5, 16, false);
  for (const auto* work : {single.get(), single3.get(), scalars.get(), vectors.get()})
    r["decode"].push_back(bench.decode(*work, sizes.segments, false));
  for (const auto* work :
       {lossless.get(), bits3.get(), bytes.get(), single.get(), single3.get(), scalars.get(), vectors.get()})
    r["encode"].push_back(bench.encode<cuda::EncodeBatch>(*work, sizes.segments));
  r["encode"].push_back(bench.encode<cuda::EncodeBatch>(*lossless, sizes.many));
  cpu::TrellisCache tables;
  for (const bool predicts : {false, true})
    for (const int states_log2 : {3, 5, 8}) {
      const auto work = make_trellis_workload(
          fmt::format("trellis BF16, {}, {} states", predicts ? "predictive" : "scaled", 1 << states_log2), predicts,
          states_log2);
      r["encode"].push_back(bench.encode<cuda::TrellisEncodeBatch>(*work, sizes.searched, tables));
    }
  r["clustering"] = cluster_report(found.devices.front());
  r["row_squares"] = rows_report(found.devices.front());
  for (const int block_log2 : {13, 14, 15, 17, 18})
    r["block_sizes"].push_back(bench.decode(
        *make_workload("lossless BF16", CodecId::kLossless, DType::kBF16, 1, block_log2), sizes.segments, false));
  return r;
}

}  // namespace
}  // namespace weft::bench

// --rehearse: all of it on little data, whose times mean nothing.
int main(int argc, char** argv) {
  try {
    if (argc > 1 && std::string_view(argv[1]) == "--rehearse") weft::bench::sizes = weft::bench::kRehearsal;
    std::cout << weft::bench::run().dump(2) << '\n';
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
