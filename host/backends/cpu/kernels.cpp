// Run-time choice of the Warp model.
#include "backends/cpu/kernels.hpp"

#include <array>
#include <cstdlib>

namespace weft::cpu {
namespace {

struct Registry {
  std::array<const Kernels*, 2> sets{};
  std::size_t count = 0;
  const Kernels* active = nullptr;

  Registry() noexcept {
    sets[count++] = &portable_kernels();
    if (const Kernels* k = avx2_kernels()) sets[count++] = k;
    active = sets[count - 1];
    if (const char* wish = std::getenv("WEFT_CPU"))
      for (std::size_t i = 0; i < count; i++)
        if (sets[i]->name == wish) active = sets[i];
  }
};

const Registry& registry() noexcept {
  static const Registry r;
  return r;
}

}  // namespace

std::span<const Kernels* const> available_kernels() noexcept { return {registry().sets.data(), registry().count}; }
const Kernels& active_kernels() noexcept { return *registry().active; }

}  // namespace weft::cpu
