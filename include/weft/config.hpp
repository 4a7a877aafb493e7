// What happens to which tensor: the parsed and validated config (README, "Config").
//
// Parsing is strict: unknown keys, wrong types and values out of range are Error(kConfig) that name the key, its place
// (a JSON pointer) and, for a misspelt key, the nearest valid one.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weft/dtype.hpp"

namespace weft {

// The values are part of the archive format (FORMAT.md, "Codecs").
enum class CodecId : std::uint8_t { kRaw = 0, kLossless = 1, kUniform = 2, kAsset = 3, kCodebook = 4, kTrellis = 5 };
[[nodiscard]] std::string_view name_of(CodecId codec) noexcept;
// True for the codecs that restore approximations: of floating-point tensors only.
[[nodiscard]] constexpr bool is_lossy(CodecId codec) noexcept {
  return codec == CodecId::kUniform || codec == CodecId::kCodebook || codec == CodecId::kTrellis;
}

// The codecs that quantize with a step: they have relative_step, step, lambda and importance, and a target may choose
// their step.
inline constexpr std::array kStepCodecs{CodecId::kUniform, CodecId::kTrellis};
[[nodiscard]] constexpr bool has_step(CodecId codec) noexcept {
  for (const CodecId one : kStepCodecs)
    if (one == codec) return true;
  return false;
}

// Which weights become zero before a tensor is coded. Exactly one of sparsity, pattern and channels is set.
struct Prune {
  std::optional<double> sparsity;  // fraction of the weights: those of the least magnitude
  std::string scope = "tensor";    // tensor | rule: the fraction of each tensor, or of all tensors of the rule together
  std::optional<std::string> pattern;  // "N:M": of every M consecutive weights of a row, the N largest stay
  std::optional<double> channels;      // fraction of the output channels: those of the least L2 norm
  std::int64_t channel_axis = 0;       // channels: which axis is the output channel; negative counts from the end

  bool operator==(const Prune&) const = default;
};

// Parameters of one rule's codec. Fields that a codec does not use keep their defaults.
struct CodecSpec {
  CodecId codec = CodecId::kLossless;
  std::optional<Prune> prune;  // any codec
  // lossless: a sign/mantissa plane is entropy-coded when that saves at least this fraction of it.
  double min_saving = 0.005;
  std::string symbol_model = "order0";  // lossless, codebook: auto | order0 | scaled
  bool pairs = true;                    // codecs with frequency tables: neighbouring symbols may be coded as one
  // Codecs with a step: at most one of the two is set; without either the config's target decides.
  std::optional<double> relative_step;  // cell width over the tensor's rms
  std::optional<double> step;           // cell width in units of the weight
  double importance = 1;                // weight of the tensor's squared error where the target decides
  double lambda = 0.1;       // rate-distortion trade, in units of cell width squared per bit; 0: nearest level
  bool per_channel = false;  // one step per output channel
  std::int64_t channel_axis =
      0;  // per_channel, channel_group: which axis is the output channel; negative counts from the end
  bool correct_reconstruction = true;    // move reconstruction points to the mean of their cells
  std::string uniform_model = "order0";  // as model; other ones make a uniform quantizer a trellis of one state
  // trellis; relative_step, step and correct_reconstruction as for uniform
  std::uint32_t states = 8;
  std::optional<double> trellis_lambda;  // as lambda; none: by the rate
  std::string labelling = "auto";        // auto | natural | zero
  std::string model = "auto";            // auto | order0 | scaled | predictive
  bool choose_view = true;               // try other orders of the axes
  bool bank = true;                      // share tables with other tensors
  // codebook
  std::uint32_t clusters = 16;                 // entries wanted
  std::uint32_t dimension = 1;                 // neighbouring weights of an entry: 1, 2, 4 or 8
  std::optional<std::string> shared;           // tensors whose rules give the same name share a codebook
  std::uint64_t channel_group = 0;             // a codebook for so many output channels (channel_axis); 0: for all
  DType centroid_dtype = DType::kF32;          // that entries are stored in: F32, BF16 or F16
  double codebook_lambda = 0;                  // rate-distortion trade, in units of the tensor's variance per bit
  bool pin_zero = false;                       // one entry is zero, so that pruned weights stay zero
  std::optional<std::string> importance_file;  // safetensors: how much the squared error of weights or channels counts

  // Makes a codec give zeros back as zeros, which pruned weights need.
  void keep_zeros() {
    labelling = "zero";
    pin_zero = true;
  }

  bool operator==(const CodecSpec&) const = default;
};

struct Rule {
  std::vector<std::string> match{"*"};  // globs on the tensor's name: * ? [set]
  std::uint64_t min_elements = 0;
  std::uint64_t min_rank = 0;
  std::vector<DType> dtypes;  // empty: any
  CodecSpec spec;

  bool operator==(const Rule&) const = default;
};

// How the target divides the error among tensors: squared error as it is, over the tensor's rms, or over its square. Auto:
// absolute where the target is an error, balanced where it is a size.
enum class Distortion : std::uint8_t { kAuto, kAbsolute, kBalanced, kRelative };

// What the archive as a whole shall be: a figure of its report's totals. Exactly one of the five is set.
struct Target {
  std::optional<double> bits_per_weight;  // all bytes of the archive over the weights of floating types
  std::optional<double> ratio;            // bytes of the network's files over bytes of the archive
  std::optional<std::uint64_t> bytes;
  std::optional<double> sqnr_db;
  std::optional<double> max_abs_error;
  Distortion distortion = Distortion::kAuto;

  bool operator==(const Target&) const = default;
};

struct Config {
  std::string device = "auto";              // auto | cpu | cuda | cuda:N | cuda:all
  std::uint32_t threads = 0;                // 0: all cores
  std::uint64_t memory_limit = 256u << 20;  // bytes of working buffers
  std::uint64_t device_memory = 0;          // bytes on each GPU; 0: most of what is free
  std::optional<int> block_log2;            // elements per block, as a power of two; none: by how many there are
  std::optional<Target> target;             // chooses the steps that no rule gives
  std::vector<Rule> rules;                  // first match wins; none: lossless

  bool operator==(const Config&) const = default;
};

// Parses JSON text. `where` names the source in messages (a path or "--set"). Overrides are "path.to.key=value" as on
// the command line, such as "rules.0.relative_step=0.5"; values are JSON, or strings when they do not parse as JSON;
// null removes a key. A target, such as "bits_per_weight=3", replaces the config's and takes the steps from its rules; it
// comes before the overrides.
[[nodiscard]] Config parse_config(std::string_view json, const std::string& where,
                                  const std::vector<std::string>& overrides = {}, const std::string& target = "");
// A path to a JSON file or the name of a preset (lossless, near-lossless, balanced, small, lut4,
// deep-compression). Paths in a file are relative to its folder, unless an override says them.
[[nodiscard]] Config load_config(const std::string& path_or_preset, const std::vector<std::string>& overrides = {},
                                 const std::string& target = "");
// The resolved config as JSON text (2-space indent); parsing it again gives the same Config.
[[nodiscard]] std::string to_json(const Config& config);
// The JSON schema (draft 2020-12), generated from the table that validates.
[[nodiscard]] std::string config_schema();

// Shell-style glob on a whole name: '*' any run (also across '/' and '.'), '?' one character, '[a-z]' '[!a-z]' sets.
[[nodiscard]] bool glob_match(std::string_view pattern, std::string_view name) noexcept;
// The spec of the first rule that matches; lossless when none does. `rule_index` receives the rule's index or -1.
[[nodiscard]] CodecSpec spec_for(const Config& config, std::string_view name, DType dtype, std::uint64_t elements,
                                 std::uint64_t rank, int* rule_index = nullptr);

}  // namespace weft
