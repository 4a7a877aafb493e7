#include "engine/steps.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <mutex>

#include "backends/cpu/kernels.hpp"
#include "backends/cpu/uniform_steps.hpp"
#include "backends/row_meter.hpp"
#include "engine/lossless_size.hpp"
#include "engine/workers.hpp"
#include "weft/core/quantize.hpp"

namespace weft::engine {
namespace {

constexpr int kUnityCode = 128;  // the scale code of a channel that has the tensor's own step
constexpr float kCellFines = 1 << core::kFineBits;
// Steps between these leave room for a cell's inverse and for the largest level in float32.
constexpr double kSmallestStep = 0x1p-118, kLargestStep = 0x1p100;
constexpr std::int64_t kCountedLevels = 2048;  // levels up to this size are counted one by one

struct ChannelSum {
  double squares = 0;
  std::uint64_t units = 0;
};

struct PieceStatistics {
  double squares = 0;
  float largest = 0;
  std::uint64_t finite = 0;
  bool beyond_float = false;  // an F64 value is finite and not zero, but as a float32 it is not
  std::uint64_t first_channel = 0;
  std::vector<ChannelSum> channels;  // from first_channel on, wrapping at the number of channels
};

// Levels of a stream, to compare codings.
struct LevelCounts {
  std::array<std::uint64_t, 2 * kCountedLevels + 1> counts{};
  std::uint64_t larger = 0;       // levels beyond, that eight low bits still reach
  std::uint64_t unreachable = 0;  // not finite, or beyond everything
  LosslessSize exact;             // of the weights as they are

  void add(const LevelCounts& other) {
    exact.add(other.exact);
    for (std::size_t i = 0; i < counts.size(); i++) counts[i] += other.counts[i];
    larger += other.larger;
    unreachable += other.unreachable;
  }
};

struct Values {
  std::vector<std::byte> units;
  std::vector<float> values;
};

const std::vector<float>& read_values(const Network& network, const Plan& plan, const Piece& piece, Values& buffer,
                                      StageTimes& times) {
  const DType dtype = plan.index.streams[piece.stream].dtype;
  buffer.units.resize(piece.units * static_cast<std::uint64_t>(unit_bytes(dtype)));
  times.time(Stage::kRead, buffer.units.size(),
             [&] { read_units(network, plan, piece.stream, piece.first, buffer.units); });
  buffer.values.resize(piece.units);
  cpu::active_kernels().to_float(dtype, buffer.units.data(), piece.units, buffer.values.data());
  return buffer.values;
}

// What a row is, where channels have no part in it, is the whole piece.
PieceStatistics measure(const RowSquares& squares, const Piece& piece, const UniformStream& uniform) {
  PieceStatistics statistics{squares.total(), squares.largest, squares.finite, squares.beyond_float, 0, {}};
  const std::uint64_t channels = uniform.scale_codes.size();
  if (channels == 0) return statistics;
  const std::uint64_t first_row = piece.first / uniform.inner;
  statistics.first_channel = first_row % channels;
  statistics.channels.resize(std::min<std::uint64_t>(channels, squares.rows.size()));
  for (std::uint64_t r = 0; r < squares.rows.size(); r++) {
    const std::uint64_t begin = std::max(piece.first, (first_row + r) * uniform.inner);
    const std::uint64_t end = std::min(piece.first + piece.units, (first_row + r + 1) * uniform.inner);
    ChannelSum& channel = statistics.channels[r % channels];
    channel.squares += squares.rows[r];
    channel.units += end - begin;
  }
  return statistics;
}

core::RowRun run_of(const Piece& piece, const UniformStream& uniform) {
  if (uniform.scale_codes.empty()) return {piece.units, std::max<std::uint64_t>(1, piece.units)};
  return {piece.units, uniform.inner, piece.first % uniform.inner};
}

// The nearest eighth of an octave to log2(ratio of rms), from the ratio of squares; exact comparisons, no logarithm.
int nearest_code(double squares_ratio) {
  if (!(squares_ratio > 0) || !std::isfinite(squares_ratio)) return kUnityCode;
  // Boundaries lie halfway between codes: squares grow by 2^(1/4) per code.
  static constexpr std::array<double, 4> kBoundaries = {
      // 2^((2 i + 1) / 8)
      0x1.172b83c7d517bp+0, 0x1.4bfdad5362a27p+0, 0x1.8ace5422aa0dbp+0, 0x1.d5818dcfba487p+0};
  int exponent = 0;
  const double mantissa = 2 * std::frexp(squares_ratio, &exponent);  // in [1, 2)
  int code = kUnityCode + 4 * (exponent - 1);
  for (const double boundary : kBoundaries) code += mantissa >= boundary ? 1 : 0;
  return std::clamp(code, 0, 255);
}

struct StreamStatistics {
  double squares = 0;
  float largest = 0;
  std::uint64_t finite = 0, units = 0;
  bool beyond_float = false;
  std::vector<ChannelSum> channels;
};

// The pieces [begin, end) of one stream; pieces are sorted by stream.
struct Range {
  std::size_t begin = 0, end = 0;
};

Range pieces_of(const std::vector<Piece>& pieces, std::size_t stream) {
  const auto less = [](const Piece& piece, std::size_t s) { return piece.stream < s; };
  const auto begin = std::lower_bound(pieces.begin(), pieces.end(), stream, less);
  const auto end = std::lower_bound(begin, pieces.end(), stream + 1, less);
  return {static_cast<std::size_t>(begin - pieces.begin()), static_cast<std::size_t>(end - pieces.begin())};
}

StreamStatistics combine(const std::vector<Piece>& pieces, const std::vector<PieceStatistics>& parts, Range range,
                         std::size_t channels) {
  StreamStatistics all;
  all.channels.resize(channels);
  for (std::size_t p = range.begin; p < range.end; p++) {
    all.squares += parts[p].squares;
    all.largest = std::max(all.largest, parts[p].largest);
    all.finite += parts[p].finite;
    all.beyond_float = all.beyond_float || parts[p].beyond_float;
    all.units += pieces[p].units;
    for (std::size_t c = 0; c < parts[p].channels.size(); c++) {
      ChannelSum& channel = all.channels[(parts[p].first_channel + c) % channels];
      channel.squares += parts[p].channels[c].squares;
      channel.units += parts[p].channels[c].units;
    }
  }
  return all;
}

// Sets the fine step and the scale codes. Returns an empty string, or why that cannot be done.
std::string set_steps(const StreamStatistics& statistics, const CodecSpec& spec, UniformStream& uniform) {
  const char* no_step = "no float32 step fits the size of its values";
  if (statistics.squares == 0 && statistics.beyond_float) return no_step;
  if (statistics.finite == 0) return "none of its values is finite";
  const double rms = std::sqrt(statistics.squares / static_cast<double>(statistics.finite));
  double cell = spec.step ? *spec.step : short_step(*spec.relative_step * rms);
  if (rms == 0 && !spec.step) cell = 1;  // nothing but zeros: any step does
  if (!(cell >= kSmallestStep && cell <= kLargestStep)) return no_step;
  uniform.fine_step = static_cast<float>(cell / kCellFines);
  const double mean_square = statistics.squares / static_cast<double>(statistics.units);
  for (std::size_t c = 0; c < uniform.scale_codes.size(); c++) {
    const ChannelSum& channel = statistics.channels[c];
    const int code = nearest_code(channel.squares / (static_cast<double>(channel.units) * mean_square));
    uniform.scale_codes[c] = static_cast<std::uint8_t>(code);
    const double step = static_cast<double>(cpu::channel_step(uniform.fine_step, uniform.scale_codes[c])) * kCellFines;
    if (!(step >= kSmallestStep && step <= kLargestStep)) return no_step;
  }
  return "";
}

float smallest_cell(const UniformStream& uniform) {
  if (uniform.scale_codes.empty()) return uniform.fine_step * kCellFines;
  return cpu::channel_step(uniform.fine_step,
                           *std::min_element(uniform.scale_codes.begin(), uniform.scale_codes.end())) *
         kCellFines;
}

void count_levels(const std::vector<float>& values, const Piece& piece, const UniformStream& uniform,
                  LevelCounts& counts) {
  const auto reach = static_cast<float>(core::highest_level(8));
  cpu::for_steps(uniform, piece.first, piece.units, [&](std::uint64_t begin, std::uint64_t end, float fine_step) {
    const float inverse = 1.0f / (fine_step * kCellFines);
    for (std::uint64_t i = begin; i < end; i++) {
      const float scaled = values[i] * inverse;
      const float size = std::fabs(scaled);
      if (!(size < reach))
        counts.unreachable++;
      else if (size > static_cast<float>(kCountedLevels))
        counts.larger++;
      else
        counts.counts[static_cast<std::size_t>(std::lrint(scaled) + kCountedLevels)]++;
    }
  });
}

// Bits that the levels cost with this many low bits: entropy of the symbols, low bits, and exceptions in full.
double cost_in_bits(const LevelCounts& levels, int low_bits, double units, int unit_bits) {
  std::array<double, 256> symbols{};
  double exceptions = static_cast<double>(levels.unreachable);
  double coded = 0;
  for (std::int64_t level = -kCountedLevels; level <= kCountedLevels; level++) {
    const auto count = static_cast<double>(levels.counts[static_cast<std::size_t>(level + kCountedLevels)]);
    if (level < core::lowest_level(low_bits) || level > core::highest_level(low_bits)) {
      exceptions += count;
    } else {
      symbols[core::level_code(static_cast<std::int32_t>(level), low_bits) >> low_bits] += count;
      coded += count;
    }
  }
  if (low_bits < 8) exceptions += static_cast<double>(levels.larger);
  double bits = units * low_bits + exceptions * (32 + unit_bits);
  for (const double count : symbols)
    if (count > 0) bits += count * std::log2(coded / count);
  if (low_bits == 8) bits += static_cast<double>(levels.larger) * 8;
  return bits;
}

}  // namespace

double short_step(double step) {
  constexpr int kBits = 9;
  int exponent = 0;
  const double mantissa = std::frexp(step, &exponent);
  return std::ldexp(std::rint(std::ldexp(mantissa, kBits)), exponent - kBits);
}

void choose_steps(const Network& network, Plan& plan, const std::vector<Piece>& pieces, const Backend& backend,
                  std::uint32_t threads, const std::atomic<bool>* cancel, std::vector<StageTimes>& times) {
  std::vector<PieceStatistics> parts(pieces.size());
  std::vector<std::unique_ptr<RowMeter>> meters(threads);
  run_parallel(threads, pieces.size(), cancel, [&](std::uint32_t worker, std::size_t p) {
    if (!meters[worker]) meters[worker] = backend.make_row_meter();
    const Piece& piece = pieces[p];
    const StreamRecord& stream = plan.index.streams[piece.stream];
    const auto read = [&](std::uint64_t first, std::span<std::byte> units) {
      times[worker].time(Stage::kRead, units.size(),
                         [&] { read_units(network, plan, piece.stream, piece.first + first, units); });
    };
    times[worker].time(Stage::kQuantize, piece.units * static_cast<std::uint64_t>(unit_bytes(stream.dtype)), [&] {
      const core::RowRun run = run_of(piece, stream.uniform);
      parts[p] = measure(meters[worker]->measure(stream.dtype, run, read), piece, stream.uniform);
    });
    const TransferTimes transfers = meters[worker]->take_transfer_times();
    times[worker].add(Stage::kTransfer, transfers.seconds, transfers.bytes);
  });
  meters.clear();

  std::vector<std::size_t> wide;  // streams whose levels need more than a symbol, perhaps
  for (std::size_t s = 0; s < plan.index.streams.size(); s++) {
    StreamRecord& stream = plan.index.streams[s];
    const Range range = pieces_of(pieces, s);
    if (stream.codec != CodecId::kUniform || range.begin == range.end) continue;
    const StreamStatistics statistics = combine(pieces, parts, range, stream.uniform.scale_codes.size());
    if (const std::string fault = set_steps(statistics, plan.specs[s], stream.uniform); !fault.empty()) {
      fall_back_to_lossless(plan, s, fault);
    } else if (statistics.finite < statistics.units ||
               statistics.largest / smallest_cell(stream.uniform) > static_cast<float>(core::highest_level(0))) {
      wide.push_back(s);
    }
  }

  std::vector<Piece> wide_pieces;
  for (const Piece& piece : pieces)
    if (std::binary_search(wide.begin(), wide.end(), piece.stream)) wide_pieces.push_back(piece);
  std::vector<Values> buffers(threads);
  std::vector<LevelCounts> totals(wide.size());
  std::mutex mutex;
  run_parallel(threads, wide_pieces.size(), cancel, [&](std::uint32_t worker, std::size_t p) {
    const Piece& piece = wide_pieces[p];
    const auto& values = read_values(network, plan, piece, buffers[worker], times[worker]);
    times[worker].time(Stage::kQuantize, buffers[worker].units.size(), [&] {
      LevelCounts counts;
      const StreamRecord& stream = plan.index.streams[piece.stream];
      count_levels(values, piece, stream.uniform, counts);
      counts.exact.add(stream.dtype, buffers[worker].units);
      const std::lock_guard lock(mutex);
      totals[static_cast<std::size_t>(std::lower_bound(wide.begin(), wide.end(), piece.stream) - wide.begin())].add(
          counts);
    });
  });
  for (std::size_t w = 0; w < wide.size(); w++) {
    StreamRecord& stream = plan.index.streams[wide[w]];
    std::uint64_t units = 0;
    const Range range = pieces_of(wide_pieces, wide[w]);
    for (std::size_t p = range.begin; p < range.end; p++) units += wide_pieces[p].units;
    const int unit_bits = bits_of(stream.dtype);
    double best = totals[w].exact.bits();
    bool pays = false;
    for (const int low_bits : {0, 4, 8}) {
      const double bits = cost_in_bits(totals[w], low_bits, static_cast<double>(units), unit_bits);
      if (bits < best) best = bits, pays = true, stream.uniform.low_bits = static_cast<std::uint8_t>(low_bits);
    }
    if (!pays) fall_back_to_lossless(plan, wide[w], "its step is so small that codec lossless takes no more");
  }
}

}  // namespace weft::engine
