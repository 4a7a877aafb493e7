#include "weft/dtype.hpp"

#include <array>
#include <cstddef>

namespace weft {
namespace {

struct Traits {
  std::string_view name;
  int bits = 0;
  int unit_bytes = 0;
  bool quantizable = false;
};

// In the order of DType's values.
constexpr std::array<Traits, kDTypeCount> kTraits{{
    {"BOOL", 8, 1, false},    {"U8", 8, 1, false},          {"I8", 8, 1, false},          {"U16", 16, 2, false},
    {"I16", 16, 2, false},    {"U32", 32, 4, false},        {"I32", 32, 4, false},        {"U64", 64, 8, false},
    {"I64", 64, 8, false},    {"F16", 16, 2, true},         {"BF16", 16, 2, true},        {"F32", 32, 4, true},
    {"F64", 64, 8, true},     {"C64", 64, 4, false},        {"F8_E4M3", 8, 1, false},     {"F8_E5M2", 8, 1, false},
    {"F8_E8M0", 8, 1, false}, {"F8_E4M3FNUZ", 8, 1, false}, {"F8_E5M2FNUZ", 8, 1, false}, {"F6_E2M3", 6, 1, false},
    {"F6_E3M2", 6, 1, false}, {"F4", 4, 1, false},
}};

const Traits& traits_of(DType dtype) noexcept { return kTraits[static_cast<std::size_t>(dtype)]; }

}  // namespace

int bits_of(DType dtype) noexcept { return traits_of(dtype).bits; }
int unit_bytes(DType dtype) noexcept { return traits_of(dtype).unit_bytes; }
bool is_quantizable(DType dtype) noexcept { return traits_of(dtype).quantizable; }
std::string_view name_of(DType dtype) noexcept { return traits_of(dtype).name; }

std::optional<DType> dtype_from_name(std::string_view name) noexcept {
  for (std::size_t i = 0; i < kTraits.size(); i++)
    if (kTraits[i].name == name) return static_cast<DType>(i);
  return std::nullopt;
}

std::optional<DType> dtype_from_wire(std::uint64_t value) noexcept {
  if (value >= kTraits.size()) return std::nullopt;
  return static_cast<DType>(value);
}

}  // namespace weft
