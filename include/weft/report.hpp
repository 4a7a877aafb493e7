// What a run did: sizes, errors, times and memory, per tensor and in total.
//
// In every report, of decompress too, bytes_in is the network's side and bytes_out the archive's, so that ratios compare.
// bytes_out of the totals is the size of the archive on disk: nothing is left out. Errors are those of the values that
// a decoder restores, measured on decoded data, not estimated. sqnr_db is absent where it is infinite (no error) or
// undefined (no signal).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace weft {

// The codebook of a tensor, or its codebooks for groups of channels. What only its maker knows is absent in reports of
// decompress and verify, and is of all tensors together where they share a codebook.
struct CodebookReport {
  std::uint64_t clusters = 0;  // entries of the largest
  std::string centroid_dtype;
  std::uint32_t dimension = 1;       // weights of an entry
  std::uint64_t books = 1;           // one for each group of channels
  std::uint64_t tensors = 1;         // that share it
  double index_bits_per_weight = 0;  // if indices had a fixed width
  std::optional<double> inertia;     // sum of squared distances of the values that were clustered, before rounding
  std::optional<std::uint32_t> iterations;
  std::optional<std::uint32_t> dead;  // clusters wanted that came to nothing
};

// How a trellis stream models its tensor.
struct TrellisReport {
  std::uint32_t states = 0;
  std::string labelling;              // natural | zero
  std::string model;                  // order0 | scaled | predictive
  std::vector<std::uint64_t> view;    // the box whose axes are reversed; empty: memory order
  std::vector<std::uint64_t> scales;  // codes of each scale factor
  std::uint32_t period = 0;           // weights after which the taps of the prediction repeat: a kernel's; 0: no taps
  double offset = 0;                  // that level 0 stands for, where that is not zero
  std::uint32_t shape = 0;            // in the archive's bank
};

// What pruning did to a tensor; only its maker knows.
struct PruneReport {
  std::uint64_t zeros = 0;   // that were coded; a lossy codec may add to them
  std::uint64_t pruned = 0;  // of these, weights that were not zero before
};

struct TensorReport {
  std::string name;
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::string codec;  // what was used
  std::string note;   // why it is not what may be expected, such as another codec than the config's; else empty
  std::optional<double> step;  // lossy codecs: width of a cell
  std::optional<CodebookReport> codebook;
  std::uint64_t elements = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;  // coded blocks of this tensor; a share by elements where tensors share blocks
  double sum_squared_error = 0;
  double sum_squares = 0;  // of finite original values
  double max_abs_error = 0;
  std::optional<TrellisReport> trellis{};
  std::vector<std::uint64_t> scales{};  // lossless, codebook: codes of each factor, if classes have tables of their own
  std::optional<PruneReport> prune{};
};

struct StageReport {
  std::string name;         // read, quantize, encode, decode, verify, write, transfer
  double seconds = 0;       // summed over threads
  std::uint64_t bytes = 0;  // bytes that passed through
};

// How the config's target was met.
struct TargetReport {
  std::string name;  // "bits_per_weight"
  double wanted = 0, reached = 0;
  // The one that was searched for, before it is divided by importance; none where each tensor has its own (max_abs_error)
  // or needs none.
  std::optional<double> step, relative_step;
  std::uint32_t iterations = 0;  // trial encodes
  std::uint32_t encodes = 1;     // of the whole network
};

struct Report {
  std::string command;  // compress, decompress, verify, dry-run
  std::string input, output;
  std::string device;       // "cpu (avx2)"
  std::string config_json;  // resolved; empty for decompress
  std::uint32_t threads = 1;
  std::vector<TensorReport> tensors;
  std::vector<StageReport> stages;
  std::vector<std::string> warnings;
  std::optional<TargetReport> target;
  std::uint64_t bytes_in = 0;         // of the network: all files, headers and assets included
  std::uint64_t bytes_out = 0;        // of the archive on disk (decompress of chosen tensors: of their blocks)
  std::uint64_t asset_bytes_out = 0;  // of these, coded blocks of files that are carried along
  std::uint64_t overhead_bytes =
      0;  // archive bytes that are not coded weights: header, index, tables, names, alignment; 0: not known
  double wall_seconds = 0;
  // The share of the stages' time, summed over threads and devices, that passed while another stage was under way.
  double overlap = 0;
  std::uint64_t peak_host_bytes = 0;  // peak resident set of the process
  std::uint64_t peak_device_bytes = 0;
  bool errors_measured = true;  // false: there was nothing to compare with, so errors are reported as null
  bool estimated = false;       // dry run: sizes are extrapolated from a sample
};

// One JSON object: the fields above, and the figures that follow from them.
[[nodiscard]] std::string to_json(const Report& report);
// A table for people: tensors grouped by codec and dtype, and totals. `verbose` lists every tensor and the stages, the
// tensors' names shortened where the table would have more than `columns`; 0: as wide as it is.
[[nodiscard]] std::string to_text(const Report& report, bool verbose, std::size_t columns = 0);

}  // namespace weft
