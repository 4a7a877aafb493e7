#include "engine/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "archive/index.hpp"
#include "backends/cpu/trellis_tables.hpp"
#include "engine/view.hpp"
#include "weft/error.hpp"

namespace weft::engine {
namespace {

constexpr std::uint64_t kSmallUnits = 1u << 20;         // of a trellis stream whose blocks are longer still
constexpr int kSegmentLog2 = 20;                        // one table and one set of corrections per million units
constexpr std::uint64_t kSharedUnits = 1u << 14;        // tensors below this size share streams
constexpr std::uint64_t kSharedStreamUnits = 1u << 20;  // and a shared stream ends here, so that its parts stay near
constexpr std::uint64_t kMostChannels = 1u << 22;       // whose norms are kept
// Blocks of 2^16, whose lanes and headers take 0.014 bits a weight; and half as long, which takes 0.013 more, where an H200's
// 5000 warps would otherwise not all have one. Much smaller networks do not fill it either way, and bits count for more.
constexpr int kBlockLog2 = 16, kShortBlockLog2 = 15;
constexpr std::uint64_t kFewestHalved = 1u << 26, kBusyBlocks = 5000;

// What tensors must have in common to share a stream.
using StreamKey = std::tuple<CodecId, DType, double, bool>;

std::uint64_t units_of(const TensorInfo& tensor) {
  return tensor.bytes / static_cast<std::uint64_t>(unit_bytes(tensor.dtype));
}

int block_log2_of(const Network& network) {
  std::uint64_t units = 0;  // modulo 2^64, for tensors that are only said to be as large
  for (const TensorInfo& tensor : network.tensors()) units += units_of(tensor);
  return units >= kFewestHalved && units < kBusyBlocks << kBlockLog2 ? kShortBlockLog2 : kBlockLog2;
}

// Unit i of a tensor is in channel i / inner % count.
struct Channels {
  std::uint64_t inner = 1, count = 0;
};

Channels channels_of(const TensorInfo& tensor, std::int64_t channel_axis) {
  const auto rank = static_cast<std::int64_t>(tensor.shape.size());
  const std::int64_t axis = channel_axis < 0 ? channel_axis + rank : channel_axis;
  if (axis < 0 || axis >= rank)
    throw Error(
        ErrorKind::kConfig,
        fmt::format("tensor {}: its rule says channel_axis {}, but it has {} dimensions; give the rule a min_rank",
                    tensor.name, channel_axis, rank));
  Channels channels;
  for (auto i = static_cast<std::size_t>(axis) + 1; i < tensor.shape.size(); i++) channels.inner *= tensor.shape[i];
  channels.count = tensor.shape[static_cast<std::size_t>(axis)];
  return channels;
}

// The channel layout of a per-channel tensor; steps come later.
void set_channels(const TensorInfo& tensor, const CodecSpec& spec, StreamRecord& stream) {
  const Channels channels = channels_of(tensor, spec.channel_axis);
  stream.uniform.inner = channels.inner;
  stream.uniform.scale_codes.assign(channels.count, 0);
}

// Which weights share a codebook; the codebooks come later.
void set_groups(const TensorInfo& tensor, const CodecSpec& spec, CodebookStream& stream) {
  stream.dimension = static_cast<std::uint8_t>(spec.dimension);
  if (spec.channel_group == 0) return;
  const Channels channels = channels_of(tensor, spec.channel_axis);
  if (spec.channel_group >= channels.count) return;
  stream.inner = channels.inner;
  stream.channels = channels.count;
  stream.group = spec.channel_group;
}

// With a model, a uniform quantizer is a trellis of one state.
void model_uniform(CodecSpec& spec) {
  if (spec.codec != CodecId::kUniform || spec.uniform_model == "order0") return;
  spec.codec = CodecId::kTrellis;
  spec.states = 1;
  spec.model = spec.uniform_model;
  spec.trellis_lambda = spec.lambda;
}

class Planner {
 public:
  Planner(const Network& network, const Config& config)
      : network_(network), config_(config), block_log2_(config.block_log2.value_or(block_log2_of(network))) {
    plan_.index.is_folder = network.is_folder();
    plan_.index.files = network.files();
    plan_.index.asset_streams.assign(network.files().size(), 0);
    plan_.index.tensors = network.tensors();
    plan_.index.places.resize(network.tensors().size());
    plan_.prunings.resize(network.tensors().size());
    plan_.notes.resize(network.tensors().size());
  }

  Plan make() {
    for (std::size_t f = 0; f < network_.files().size(); f++) {
      const FileInfo& file = network_.files()[f];
      if (file.kind == FileInfo::Kind::kAsset) {
        add_asset(f);
      } else {
        for (std::size_t i = 0; i < file.tensor_count; i++) add_tensor(file.first_tensor + i);
      }
    }
    for (auto& stream : plan_.index.streams) archive::lay_out_stream(plan_.index, stream);
    return std::move(plan_);
  }

 private:
  std::size_t new_stream(const CodecSpec& spec, DType dtype, int block_log2) {
    StreamRecord stream;
    stream.codec = spec.codec;
    stream.dtype = dtype;
    stream.block_log2 = static_cast<std::uint8_t>(block_log2);
    stream.segment_log2 = static_cast<std::uint8_t>(std::max(kSegmentLog2, block_log2));
    plan_.index.streams.push_back(std::move(stream));
    plan_.specs.push_back(spec);
    plan_.asset_files.push_back(0);
    plan_.clusterings.emplace_back();
    plan_.importances.emplace_back();
    return plan_.index.streams.size() - 1;
  }

  void add_asset(std::size_t file) {
    CodecSpec spec;
    spec.codec = CodecId::kAsset;
    const std::size_t s = new_stream(spec, DType::kU8, archive::kMaxAssetBlockLog2);
    plan_.index.streams[s].units = network_.files()[file].bytes;
    plan_.index.asset_streams[file] = s;
    plan_.asset_files[s] = file;
  }

  void add_tensor(std::size_t t) {
    const TensorInfo& tensor = network_.tensors()[t];
    int rule = -1;
    CodecSpec spec = spec_for(config_, tensor.name, tensor.dtype, tensor.elements, tensor.shape.size(), &rule);
    model_uniform(spec);
    if (spec.prune) prune(t, rule, spec);
    if (is_lossy(spec.codec) && !is_quantizable(tensor.dtype)) {
      plan_.notes[t] = fmt::format("{} values are not quantized", name_of(tensor.dtype));
      spec = CodecSpec{};
    }
    if (is_lossy(spec.codec) && tensor.elements == 0) spec = CodecSpec{};
    const std::uint64_t units = units_of(tensor);
    std::size_t s = 0;
    if (is_lossy(spec.codec) || units >= kSharedUnits) {
      // Lanes of a trellis code runs of their own, and a lane costs the same however long it is. Large tensors have
      // blocks to spare for many threads or a GPU; of small ones the bits count for more.
      const bool is_trellis = spec.codec == CodecId::kTrellis;
      const int longer = units <= kSmallUnits ? 2 : 1;
      s = new_stream(spec, tensor.dtype,
                     is_trellis ? std::min(config_.block_log2.value_or(kBlockLog2) + longer, archive::kMaxBlockLog2)
                                : block_log2_);
      if (is_trellis && units > (1u << kSegmentLog2) && units <= kWholeUnits && spec.choose_view)
        plan_.index.streams[s].segment_log2 = kWholeUnitsLog2;
      if (spec.codec == CodecId::kUniform && spec.per_channel) set_channels(tensor, spec, plan_.index.streams[s]);
      if (spec.codec == CodecId::kCodebook) set_groups(tensor, spec, plan_.index.streams[s].codebook);
      if (spec.codec == CodecId::kCodebook && spec.importance_file)
        plan_.importances[s] = importance_files_.find(*spec.importance_file, tensor, rule);
    } else {
      s = shared_stream(spec, tensor.dtype);
    }
    StreamRecord& stream = plan_.index.streams[s];
    plan_.index.places[t] = {s, stream.units, units};
    stream.members.push_back(t);
    stream.units += units;
  }

  // What is pruned is found later.
  void prune(std::size_t t, int rule, CodecSpec& spec) {
    const TensorInfo& tensor = network_.tensors()[t];
    if (!is_quantizable(tensor.dtype)) plan_.notes[t] = fmt::format("{} values are not pruned", name_of(tensor.dtype));
    if (!is_quantizable(tensor.dtype) || tensor.elements == 0) return spec.prune.reset();
    TensorPruning& pruning = plan_.prunings[t];
    pruning.wanted = spec.prune;
    pruning.rule = rule;
    spec.keep_zeros();
    if (!spec.prune->channels) return;
    const Channels channels = channels_of(tensor, spec.prune->channel_axis);
    if (channels.count > kMostChannels)
      throw Error(ErrorKind::kConfig,
                  fmt::format("tensor {}: pruning of channels takes at most {}; found {} along axis {}; give the rule "
                              "another channel_axis, or a min_rank",
                              tensor.name, kMostChannels, channels.count, spec.prune->channel_axis));
    pruning.inner = channels.inner;
    pruning.channels.assign(channels.count, false);
  }

  std::size_t shared_stream(const CodecSpec& spec, DType dtype) {
    const StreamKey key{spec.codec, dtype, spec.min_saving, spec.pairs};
    const auto found = shared_.find(key);
    if (found != shared_.end() && plan_.index.streams[found->second].units < kSharedStreamUnits) return found->second;
    return shared_[key] = new_stream(spec, dtype, block_log2_);
  }

  const Network& network_;
  const Config& config_;
  int block_log2_;  // but for codec trellis
  Plan plan_;
  std::map<StreamKey, std::size_t> shared_;
  ImportanceFiles importance_files_;
};

// Raw units, planes, fixed-point and float values, coded bytes, and the units decoded again.
std::uint64_t encode_bytes_per_unit(const StreamRecord& stream) {
  const auto unit = static_cast<std::uint64_t>(unit_bytes(stream.dtype));
  return is_lossy(stream.codec) ? 3 * unit + 12 : 4 * unit + (is_quantizable(stream.dtype) ? 4 : 0);
}

constexpr std::uint64_t kTableBytes = 1u << 20;  // a coder's tables and small things

constexpr std::uint64_t kEntryBytes = 24;  // of a codebook, for each of its values: restored, scaled, with a price

// A trellis coder's: the tables of the shapes that it keeps, and the woven arrays of a block, with 256 states.
std::uint64_t trellis_bytes(const StreamRecord& stream) {
  if (stream.codec != CodecId::kTrellis) return 0;
  constexpr std::uint64_t kRowBytes = std::uint64_t{core::kProbScale} * 4 + 3 * 1024;
  return cpu::kKeptShapes * trellis::kRows * kRowBytes + (std::uint64_t{52} << stream.block_log2);
}

}  // namespace

Plan make_plan(const Network& network, const Config& config) { return Planner(network, config).make(); }

void fall_back_to_lossless(Plan& plan, std::size_t stream, const std::string& why) {
  plan.index.streams[stream].codec = CodecId::kLossless;
  plan.index.streams[stream].uniform = {};
  plan.index.streams[stream].codebook = {};
  plan.index.streams[stream].trellis = {};
  plan.index.streams[stream].scales = {};
  plan.specs[stream] = CodecSpec{};
  for (const std::size_t tensor : plan.index.streams[stream].members) plan.notes[tensor] = why;
}

SegmentView segment_view(const Index& index, const StreamRecord& stream, const SegmentRecord& segment) {
  SegmentView view;
  view.codec = stream.codec;
  view.dtype = stream.dtype;
  view.block_log2 = stream.block_log2;
  view.first_unit = segment.first_unit;
  view.units = segment.units;
  if (stream.codec == CodecId::kUniform) view.uniform = &stream.uniform;
  if (stream.codec == CodecId::kCodebook) {
    view.codebook = &stream.codebook;
    view.codebooks = index.codebooks;
  }
  if (stream.codec == CodecId::kTrellis) {
    view.trellis = &stream.trellis;
    view.shape = &index.shapes[stream.trellis.shape];
  }
  if (!stream.scales.factors.empty()) view.scales = &stream.scales;
  for (const std::uint32_t table : segment.class_tables) view.class_tables.push_back(&index.tables[table]);
  for (std::size_t p = 0; p < view.tables.size(); p++)
    view.tables[p] = segment.tables[p] == 0 ? nullptr : &index.tables[segment.tables[p] - 1];
  view.corrections = segment.corrections;
  return view;
}

std::uint64_t encode_bytes(const StreamRecord& stream, std::uint64_t units) {
  return units * encode_bytes_per_unit(stream) + trellis_bytes(stream) + kTableBytes;
}

std::uint64_t encode_bytes(const Plan& plan, std::size_t stream, std::uint64_t units) {
  const StreamRecord& record = plan.index.streams[stream];
  const std::uint64_t originals = is_pruned(plan, stream) ? static_cast<std::uint64_t>(unit_bytes(record.dtype)) : 0;
  const CodecSpec& spec = plan.specs[stream];
  // Classes, and of codebooks values and indices apart, table by table.
  const std::uint64_t by_class = spec.symbol_model != "order0" ? units * 12 : 0;
  const std::uint64_t entries =
      record.codec == CodecId::kCodebook ? std::uint64_t{spec.clusters} * spec.dimension * kEntryBytes : 0;
  return encode_bytes(record, units) + units * originals + by_class + entries;
}

std::uint64_t decode_bytes(const StreamRecord& stream, std::uint64_t units) {
  const auto unit = static_cast<std::uint64_t>(unit_bytes(stream.dtype));
  return units * ((has_view(stream) ? 3 : 2) * unit + 1) + kTableBytes + trellis_bytes(stream);
}

void add_notes(const Plan& plan, std::vector<TensorReport>& reports) {
  for (std::size_t t = 0; t < reports.size(); t++) {
    reports[t].note = plan.notes[t];
    if (!reports[t].codebook) continue;
    const Clustering& clustering = plan.clusterings[plan.index.places[t].stream];
    reports[t].codebook->inertia = clustering.inertia;
    reports[t].codebook->iterations = clustering.iterations;
    reports[t].codebook->dead = clustering.dead;
  }
}

bool is_pruned(const Plan& plan, std::size_t stream) {
  const auto& members = plan.index.streams[stream].members;
  return std::any_of(members.begin(), members.end(),
                     [&](std::size_t t) { return plan.prunings[t].wanted.has_value(); });
}

void read_units(const Network& network, const Plan& plan, std::size_t s, std::uint64_t first, std::span<std::byte> out,
                Weights weights) {
  const StreamRecord& stream = plan.index.streams[s];
  if (!has_view(stream)) return read_memory_order(network, plan, s, first, out, weights);
  // A stream with a view is one segment (kWholeUnits), so this is all of it.
  std::vector<std::byte> memory(out.size());
  read_memory_order(network, plan, s, 0, memory, weights);
  to_view_order(stream, memory, out);
}

void read_memory_order(const Network& network, const Plan& plan, std::size_t s, std::uint64_t first,
                       std::span<std::byte> out, Weights weights) {
  const StreamRecord& stream = plan.index.streams[s];
  const auto unit = static_cast<std::uint64_t>(unit_bytes(stream.dtype));
  if (stream.codec == CodecId::kAsset) return network.read_file(plan.asset_files[s], first, out);
  for_members(plan.index, stream, first, out.size() / unit,
              [&](std::size_t tensor, std::uint64_t at, std::uint64_t to, std::uint64_t units) {
                const auto part = out.subspan(to * unit, units * unit);
                if (weights == Weights::kOriginal || !plan.prunings[tensor].wanted)
                  network.read_tensor(tensor, at * unit, part);
                else
                  read_pruned(network, tensor, plan.prunings[tensor], at, part);
              });
}

}  // namespace weft::engine
