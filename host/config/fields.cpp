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
  static std::optional<T> from(const Json& value) { return value.get<T>(); }
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

std::vector<std::string_view> codec_names() {
  std::vector<std::string_view> names;
  for (const CodecEntry& codec : codecs()) names.push_back(name_of(codec.id));
  return names;
}

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
      {CodecId::kUniform, "Quantizes to multiples of a step and entropy-codes the levels.", {"relative_step", "step"}},
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
                                   "Working buffers, in bytes or as a size such as \"512MiB\"."),
      field<&Config::device_memory>(
          "device_memory", ValueType::bytes(0, kMany),
          "Memory on each GPU, in bytes or as a size such as \"4GiB\"; 0: most of what is free."),
      {"block_elements", ValueType::power_of_two(1024, 262144),
       "Weights per block, the unit that decodes independently.",
       [](Config& config, const Json& value) {
         config.block_log2 = 0;
         for (auto elements = value.get<std::int64_t>(); elements > 1; elements /= 2) config.block_log2++;
       },
       [](const Config& config) { return Json(std::int64_t{1} << config.block_log2); }},
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

const std::vector<Parameter>& codec_parameters() {
  static const std::vector<Parameter> parameters{
      {field<&CodecSpec::min_saving>("min_saving", ValueType::number(0, 1),
                                     "A sign or mantissa plane is entropy-coded when that saves at least this "
                                     "fraction of it; else it is stored and decodes faster."),
       {CodecId::kLossless}},
      {field<&CodecSpec::relative_step>("relative_step", ValueType::number(0.0001, 16),
                                        "Width of a quantizer's cell over the tensor's rms."),
       {CodecId::kUniform}},
      {field<&CodecSpec::step>("step", ValueType::number(1e-35, 1e35),
                               "Width of a quantizer's cell, in units of the weight."),
       {CodecId::kUniform}},
      {field<&CodecSpec::lambda>("lambda", ValueType::number(0, 10),
                                 "Error that a bit may cost, in units of the cell's width squared; 0: nearest level."),
       {CodecId::kUniform}},
      {field<&CodecSpec::per_channel>("per_channel", ValueType::boolean(), "One step per output channel."),
       {CodecId::kUniform}},
      {field<&CodecSpec::channel_axis>("channel_axis", ValueType::integer(-32, 31),
                                       "per_channel: the axis of the output channels; negative counts from the end."),
       {CodecId::kUniform}},
      {field<&CodecSpec::correct_reconstruction>("correct_reconstruction", ValueType::boolean(),
                                                 "Reconstruct at the mean of a cell's weights instead of its middle."),
       {CodecId::kUniform}},
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
