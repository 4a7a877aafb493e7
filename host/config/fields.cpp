#include "config/fields.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "weft/error.hpp"

namespace weft {

std::string_view name_of(CodecId codec) noexcept {
  switch (codec) {
    case CodecId::kRaw:
      return "raw";
    case CodecId::kLossless:
      return "lossless";
    case CodecId::kUniform:
      return "uniform";
    case CodecId::kAsset:
      return "asset";
    case CodecId::kCodebook:
      return "codebook";
    case CodecId::kTrellis:
      return "trellis";
  }
  return "unknown";
}

}  // namespace weft

namespace weft::config {
namespace {

constexpr double kMany = 1125899906842624;  // 2^50

// How a value of its one form gets into a member and back.
template <class T>
struct Convert {
  static T from(const Json& value) { return value.get<T>(); }
  static Json to(const T& value) { return value; }
};
template <class T>
struct Convert<std::optional<T>> {
  static std::optional<T> from(const Json& value) {
    return value.is_null() ? std::nullopt : std::optional<T>(value.get<T>());
  }
  static Json to(const std::optional<T>& value) { return value ? Json(*value) : Json(); }
};
template <>
struct Convert<std::vector<DType>> {
  static std::vector<DType> from(const Json& value) {
    std::vector<DType> types;
    for (const Json& name : value) types.push_back(dtype_from_name(name.get_ref<const std::string&>()).value());
    return types;
  }
  static Json to(const std::vector<DType>& types) {
    Json names;
    for (const DType type : types) names.push_back(name_of(type));
    return names;
  }
};

template <>
struct Convert<DType> {
  static DType from(const Json& value) { return dtype_from_name(value.get_ref<const std::string&>()).value(); }
  static Json to(DType type) { return name_of(type); }
};

template <class Owner, class T>
Owner owner_of(T Owner::*);
template <class Owner, class T>
T member_of(T Owner::*);

template <auto Member>
auto field(std::string_view name, ValueType type, std::string_view doc) {
  using Owner = decltype(owner_of(Member));
  using T = decltype(member_of(Member));
  return Field<Owner>{name, std::move(type), doc,
                      [](Owner& owner, const Json& value) { owner.*Member = Convert<T>::from(value); },
                      [](const Owner& owner) { return Convert<T>::to(owner.*Member); }};
}

// The member's null is "auto", which is a value like others: shown, and the default.
template <auto Member>
auto field_or_auto(std::string_view name, ValueType type, std::string_view doc) {
  auto result = field<Member>(name, std::move(type), doc);
  result.get = [](const auto& owner) {
    const Json value = Convert<decltype(member_of(Member))>::to(owner.*Member);
    return value.is_null() ? Json("auto") : value;
  };
  return result;
}

const std::vector<std::string_view> kStepNames{"relative_step", "step"};
const std::vector<std::string_view> kDistortions{"auto", "absolute", "balanced", "relative"};  // as in the enumeration
const std::vector<CodecId> kWithStep(kStepCodecs.begin(), kStepCodecs.end());

std::vector<std::string_view> codec_names() {
  std::vector<std::string_view> names;
  for (const CodecEntry& codec : codecs()) names.push_back(name_of(codec.id));
  return names;
}

ValueType model_names() { return ValueType::choice({"auto", "order0", "scaled", "predictive"}); }

std::vector<std::string_view> dtype_names() {
  std::vector<std::string_view> names;
  names.reserve(kDTypeCount);
  for (int i = 0; i < kDTypeCount; i++) names.push_back(name_of(static_cast<DType>(i)));
  return names;
}

}  // namespace

const std::vector<CodecEntry>& codecs() {
  static const std::vector<CodecEntry> entries{
      {CodecId::kRaw, "Stores the bytes as they are.", {}},
      {CodecId::kLossless, "Gives every bit back; exponents, and what else pays, are entropy-coded.", {}},
      {CodecId::kUniform, "Quantizes to multiples of a step and entropy-codes the levels.", kStepNames},
      {CodecId::kTrellis,
       "Quantizes along a trellis, with scale classes and prediction: the smallest at the same error.", kStepNames},
      {CodecId::kCodebook, "Replaces weights by the nearest entry of a codebook, found by clustering.", {}},
  };
  return entries;
}

const std::vector<Field<Config>>& config_fields() {
  static const std::vector<Field<Config>> fields{
      {"$schema", ValueType::choice({}), "For editors; ignored.", [](Config&, const Json&) {},
       [](const Config&) { return Json(); }},
      {"version", ValueType::only(1, "1, the only version of the config so far"), "Version of this config's language.",
       [](Config&, const Json&) {}, [](const Config&) { return Json(1); }},
      field<&Config::device>(
          "device", ValueType::text("auto|cpu|cuda(:([0-9]{1,3}|all))?", "auto, cpu, cuda, cuda:N or cuda:all"),
          "Where to compute: auto takes a GPU when there is one."),
      field<&Config::threads>("threads", ValueType::integer(0, 4096), "CPU threads; 0: all cores."),
      field<&Config::memory_limit>("memory_limit", ValueType::bytes(1 << 20, kMany),
                                   "Working buffers, in bytes or as a size such as \"512M\", which is 512MiB."),
      field<&Config::device_memory>(
          "device_memory", ValueType::bytes(0, kMany),
          "Memory on each GPU, in bytes or as a size such as \"4GiB\"; 0: most of what is free."),
      {"block_elements", ValueType::power_of_two(1024, 262144).or_auto(),
       "Weights per block, the unit that decodes independently. auto: 65536, but 32768 in networks of 67 to 328 "
       "million weights, which else had fewer blocks than a large GPU has warps.",
       [](Config& config, const Json& value) {
         config.block_log2.reset();
         if (value.is_null()) return;
         config.block_log2 = 0;
         for (auto elements = value.get<std::int64_t>(); elements > 1; elements /= 2) ++*config.block_log2;
       },
       [](const Config& config) {
         return config.block_log2 ? Json(std::int64_t{1} << *config.block_log2) : Json("auto");
       }},
  };
  return fields;
}

const std::vector<Field<Target>>& target_fields() {
  static const std::vector<Field<Target>> fields{
      field<&Target::bits_per_weight>(
          "bits_per_weight", ValueType::number(0.5, 8),
          "All bytes of the archive, times 8, over the weights of the network: the elements "
          "of all tensors of floating types (F64 to F4), however they are coded."),
      field<&Target::ratio>("ratio", ValueType::number(1, 1e6),
                            "Bytes of all files of the network over bytes of the archive."),
      field<&Target::bytes>("bytes", ValueType::bytes(1, kMany),
                            "Size of the archive: bytes or a size such as \"40MB\"."),
      field<&Target::sqnr_db>(
          "sqnr_db", ValueType::number(0.1, 300),
          "Energy of all weights over their squared error, lossless tensors included: totals.sqnr_db "
          "of the report."),
      field<&Target::max_abs_error>("max_abs_error", ValueType::number(1e-35, 1e35),
                                    "No weight moves further than this. Sets lambda to 0 and correct_reconstruction to "
                                    "false where it chooses the step."),
      {kDistortionKey, ValueType::choice(kDistortions),
       "How tensors share the error. absolute: one step for all, the least squared error for the size; relative: one "
       "relative_step for all, so that each tensor's error counts over its own energy; balanced: half way between, "
       "steps "
       "as the root of the tensor's rms; auto: balanced for sizes, absolute for sqnr_db.",
       [](Target& target, const Json& value) {
         const auto found = std::find(kDistortions.begin(), kDistortions.end(), value.get_ref<const std::string&>());
         target.distortion = static_cast<Distortion>(found - kDistortions.begin());
       },
       [](const Target& target) { return Json(kDistortions[static_cast<std::size_t>(target.distortion)]); }},
  };
  return fields;
}

const std::vector<Field<Rule>>& rule_fields() {
  static const std::vector<Field<Rule>> fields{
      field<&Rule::match>("match", ValueType::list(),
                          "Globs on the tensor's name, one of which must match: * ? [a-z] [!a-z]."),
      field<&Rule::min_elements>("min_elements", ValueType::integer(0, kMany),
                                 "Only tensors with at least this many weights."),
      field<&Rule::min_rank>("min_rank", ValueType::integer(0, 32), "Only tensors with at least this many dimensions."),
      field<&Rule::dtypes>("dtypes", ValueType::list(dtype_names()),
                           "Only tensors of these types, by their safetensors names; left out: any."),
      {kCodecKey, ValueType::choice(codec_names()), "What to do with the tensors that match.",
       [](Rule& rule, const Json& value) {
         for (const CodecEntry& codec : codecs())
           if (value == name_of(codec.id)) rule.spec.codec = codec.id;
       },
       [](const Rule& rule) { return Json(name_of(rule.spec.codec)); }},
  };
  return fields;
}

const std::vector<Field<Prune>>& prune_fields() {
  static const std::vector<Field<Prune>> fields{
      field<&Prune::sparsity>("sparsity", ValueType::number(0, 1),
                              "Fraction of the weights that become zero, those of the least magnitude; of equal ones "
                              "the first."),
      field<&Prune::scope>("scope", ValueType::choice({"tensor", "rule"}),
                           "sparsity: of each tensor, or of all tensors of the rule together, with one threshold."),
      field<&Prune::pattern>("pattern",
                             ValueType::text("[1-9][0-9]?:[1-9][0-9]?", "N:M, such as \"2:4\", with N below M"),
                             "N:M: of every M consecutive weights along the last axis the N largest stay; a shorter "
                             "group at the end of a row keeps N too."),
      field<&Prune::channels>("channels", ValueType::number(0, 1),
                              "Fraction of the output channels that become zero, those of the least L2 norm; of equal "
                              "ones the first."),
      field<&Prune::channel_axis>("channel_axis", ValueType::integer(-32, 31),
                                  "channels: the axis of the output channels; negative counts from the end."),
  };
  return fields;
}

const std::vector<std::string_view>& prune_kinds() {
  static const std::vector<std::string_view> names{"sparsity", "pattern", "channels"};
  return names;
}

const std::vector<PruneDetail>& prune_details() {
  static const std::vector<PruneDetail> details{{"scope", "sparsity"}, {"channel_axis", "channels"}};
  return details;
}

const std::vector<Parameter>& codec_parameters() {
  static const std::vector<Parameter> parameters{
      {field<&CodecSpec::min_saving>("min_saving", ValueType::number(0, 1),
                                     "A sign or mantissa plane is entropy-coded when that saves at least this "
                                     "fraction of it; else it is stored and decodes faster."),
       {CodecId::kLossless}},
      {field<&CodecSpec::pairs>("pairs", ValueType::boolean(),
                                "Two neighbouring symbols may be coded as one where that takes at most 1/192 more "
                                "bits: they decode up to twice as fast."),
       {CodecId::kLossless, CodecId::kUniform, CodecId::kCodebook}},
      {field<&CodecSpec::relative_step>("relative_step", ValueType::number(0.0001, 16),
                                        "Width of a quantizer's cell over the tensor's rms, to 1/512."),
       kWithStep},
      {field<&CodecSpec::step>("step", ValueType::number(1e-35, 1e35),
                               "Width of a quantizer's cell, in units of the weight."),
       kWithStep},
      {field<&CodecSpec::lambda>("lambda", ValueType::number(0, 10),
                                 "Error that a bit may cost, in units of the cell's width squared; 0: nearest level."),
       {CodecId::kUniform}},
      {field<&CodecSpec::importance>("importance", ValueType::number(1e-6, 1e6),
                                     "Weight of the tensor's squared error where the config's target chooses the step: "
                                     "the step is divided by its square root. max_abs_error knows no importance."),
       kWithStep},
      {field<&CodecSpec::per_channel>("per_channel", ValueType::boolean(), "One step per output channel."),
       {CodecId::kUniform}},
      {field<&CodecSpec::channel_axis>("channel_axis", ValueType::integer(-32, 31),
                                       "per_channel, channel_group: the axis of the output channels; negative counts "
                                       "from the end."),
       {CodecId::kUniform, CodecId::kCodebook}},
      {field<&CodecSpec::correct_reconstruction>("correct_reconstruction", ValueType::boolean(),
                                                 "Reconstruct at the mean of a cell's weights instead of its middle."),
       {CodecId::kUniform, CodecId::kTrellis}},
      {field_or_auto<&CodecSpec::trellis_lambda>(
           "lambda", ValueType::number(0, 10).or_auto(),
           "Error that a bit may cost, in units of the cell's width squared; auto: by the rate."),
       {CodecId::kTrellis}},
      {field<&CodecSpec::states>(
           "states", ValueType::power_of_two(4, 256),
           "States of the trellis: more make the archive smaller and the encoder slower; decoding "
           "takes the same time."),
       {CodecId::kTrellis}},
      {field<&CodecSpec::labelling>("labelling", ValueType::choice({"auto", "natural", "zero"}),
                                    "natural suits most tensors, zero those with many weights near zero."),
       {CodecId::kTrellis}},
      {field<&CodecSpec::uniform_model>(
           "model", model_names(),
           "What the coder knows of a weight, as with codec trellis. Other models than order0 make the archive "
           "smaller, and its weights decode as fast as those of codec trellis: the archive says that it is one of one "
           "state."),
       {CodecId::kUniform}},
      {field<&CodecSpec::symbol_model>(
           "model", ValueType::choice({"auto", "order0", "scaled"}),
           "What the coder knows of a weight's exponent or index: nothing, or, where that pays, the scales of its row "
           "and column, which choose among several frequency tables; auto: like scaled. Decoding takes longer. "
           "Vectors keep to order0."),
       {CodecId::kLossless, CodecId::kCodebook}},
      {field<&CodecSpec::model>("model", model_names(),
                                "What the coder knows of a weight: nothing, the scales of its row and column, or also "
                                "its neighbours; auto: whatever pays, tensor by tensor."),
       {CodecId::kTrellis}},
      {field<&CodecSpec::choose_view>("choose_view", ValueType::boolean(),
                                      "Also try to code a tensor with its axes reversed."),
       {CodecId::kTrellis}},
      {field<&CodecSpec::bank>(
           "bank", ValueType::boolean(),
           "Share frequency tables with other tensors where that saves more than it costs; without, "
           "each tensor has its own."),
       {CodecId::kTrellis}},
      {field<&CodecSpec::clusters>("clusters", ValueType::integer(2, 65536),
                                   "Entries of a codebook; at most 4096 of scalars."),
       {CodecId::kCodebook}},
      {field<&CodecSpec::dimension>(
           "dimension", ValueType::power_of_two(1, 8),
           "Weights of an entry: 1, or vectors of 2, 4 or 8 weights that follow each other in the tensor's rows."),
       {CodecId::kCodebook}},
      {field<&CodecSpec::shared>(
           "shared", ValueType::text("[A-Za-z0-9_.-]{1,64}", "a name of 1 to 64 letters, digits, dots, - and _"),
           "Tensors whose rules give the same name have one codebook, found in the weights of all "
           "of them; such rules agree on it. Left out: each tensor has its own."),
       {CodecId::kCodebook}},
      {field<&CodecSpec::channel_group>("channel_group", ValueType::integer(0, kMany),
                                        "A codebook for every so many output channels of a tensor; 0: one for all."),
       {CodecId::kCodebook}},
      {field<&CodecSpec::centroid_dtype>("centroid_dtype", ValueType::choice({"F32", "BF16", "F16"}),
                                         "Type that the archive stores the codebook's entries in."),
       {CodecId::kCodebook}},
      {field<&CodecSpec::codebook_lambda>("lambda", ValueType::number(0, 10),
                                          "Error that a bit may cost, in units of the variance of what is clustered; "
                                          "0: nearest entry."),
       {CodecId::kCodebook}},
      {field<&CodecSpec::pin_zero>("pin_zero", ValueType::boolean(),
                                   "One entry is exactly zero, so that pruned weights stay zero."),
       {CodecId::kCodebook}},
      {field<&CodecSpec::importance_file>(
           "importance", ValueType::choice({}),
           "A safetensors file: how much the squared error of weights counts. Its tensors have the names of those that "
           "the rule matches, and their shapes or one number per output channel (the first axis). Relative to the "
           "folder of the config's file; given by --set, to the working directory."),
       {CodecId::kCodebook}},
  };
  return parameters;
}

const CodecEntry& entry_of(CodecId codec) {
  for (const CodecEntry& entry : codecs())
    if (entry.id == codec) return entry;
  throw Error(ErrorKind::kInternal, "a rule has a codec that no rule may name: " + std::string(name_of(codec)));
}

bool has_parameter(const Parameter& parameter, CodecId codec) {
  return std::find(parameter.codecs.begin(), parameter.codecs.end(), codec) != parameter.codecs.end();
}

}  // namespace weft::config
