// What happens to which tensor: the parsed and validated config (DESIGN 8).
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
enum class CodecId : std::uint8_t { kRaw = 0, kLossless = 1, kUniform = 2, kAsset = 3 };
[[nodiscard]] std::string_view name_of(CodecId codec) noexcept;

// Parameters of one rule's codec. Fields that a codec does not use keep their defaults.
struct CodecSpec {
  CodecId codec = CodecId::kLossless;
  // lossless: a sign/mantissa plane is entropy-coded when that saves at least this fraction of it.
  double min_saving = 0.005;
  // uniform: exactly one of the two is set.
  std::optional<double> relative_step;  // cell width over the tensor's rms
  std::optional<double> step;           // cell width in units of the weight
  double lambda = 0.1;            // rate-distortion trade, in units of cell width squared per bit; 0: nearest level
  bool per_channel = false;       // one step per output channel
  std::int64_t channel_axis = 0;  // per_channel: which axis is the output channel; negative counts from the end
  bool correct_reconstruction = true;  // move reconstruction points to the mean of their cells

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

struct Config {
  std::string device = "auto";              // auto | cpu | cuda | cuda:N | cuda:all
  std::uint32_t threads = 0;                // 0: all cores
  std::uint64_t memory_limit = 256u << 20;  // bytes of working buffers
  std::uint64_t device_memory = 0;          // bytes on each GPU; 0: most of what is free
  int block_log2 = 16;                      // elements per block, as a power of two
  std::vector<Rule> rules;                  // first match wins; none: lossless

  bool operator==(const Config&) const = default;
};

// Parses JSON text. `where` names the source in messages (a path or "--set"). Overrides are "path.to.key=value" as on
// the command line, such as "rules.0.relative_step=0.5"; values are JSON, or strings when they do not parse as JSON;
// null removes a key.
[[nodiscard]] Config parse_config(std::string_view json, const std::string& where,
                                  const std::vector<std::string>& overrides = {});
// A path to a JSON file or the name of a preset (lossless, near-lossless, balanced, small).
[[nodiscard]] Config load_config(const std::string& path_or_preset, const std::vector<std::string>& overrides = {});
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
