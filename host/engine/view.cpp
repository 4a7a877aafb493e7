#include "engine/view.hpp"

#include <cstdint>

#include "archive/trellis_index.hpp"
#include "trellis/choose.hpp"

namespace weft::engine {
namespace {

// Calls f(pointer of the units' own type) -- the buffers come from vectors of bytes, aligned for every type.
template <class F>
void with_unit(DType dtype, F f) {
  switch (unit_bytes(dtype)) {
    case 2:
      return f(std::uint16_t{});
    case 4:
      return f(std::uint32_t{});
    default:
      return f(std::uint64_t{});
  }
}

}  // namespace

bool has_view(const StreamRecord& stream) noexcept {
  return stream.codec == CodecId::kTrellis && archive::has_view(stream.trellis);
}

void to_view_order(const StreamRecord& stream, std::span<const std::byte> memory, std::span<std::byte> view) {
  with_unit(stream.dtype, [&](auto unit) {
    using Unit = decltype(unit);
    trellis::to_view<Unit>(stream.trellis.view, reinterpret_cast<const Unit*>(memory.data()),
                           reinterpret_cast<Unit*>(view.data()));
  });
}

void to_memory_order(const StreamRecord& stream, std::span<const std::byte> view, std::span<std::byte> memory) {
  with_unit(stream.dtype, [&](auto unit) {
    using Unit = decltype(unit);
    trellis::from_view<Unit>(stream.trellis.view, reinterpret_cast<const Unit*>(view.data()),
                             reinterpret_cast<Unit*>(memory.data()));
  });
}

}  // namespace weft::engine
