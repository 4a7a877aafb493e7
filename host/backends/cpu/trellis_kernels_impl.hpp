// The trellis kernels of one Warp model; like kernels_impl.hpp, included by one source file per model.
#pragma once

#include "backends/cpu/trellis_kernels.hpp"
#include "weft/core/trellis_code.hpp"
#include "weft/core/trellis_single.hpp"

namespace weft::cpu {
namespace {

// Calls f with the mode's flags as constants.
template <class F>
auto with_flags(const TrellisMode& mode, F f) {
  if (mode.keeps_zero)
    return mode.predicts ? f(std::true_type{}, std::true_type{}) : f(std::true_type{}, std::false_type{});
  return mode.predicts ? f(std::false_type{}, std::true_type{}) : f(std::false_type{}, std::false_type{});
}

template <core::Warp W, int kStatesLog2>
void search_states(TrellisMode mode, const core::Weave& weave, const core::SearchInput& in,
                   const core::SearchScratch& scratch, std::uint8_t* path) {
  with_flags(mode, [&](auto zero, auto predict) {
    core::search_trellis<W, kStatesLog2, decltype(zero)::value, decltype(predict)::value>(weave, in, scratch, path);
  });
}

template <core::Warp W>
void search(TrellisMode mode, const core::Weave& weave, const core::SearchInput& in, const core::SearchScratch& scratch,
            std::uint8_t* path) {
  if (mode.states_log2 == 0)
    return with_flags(mode, [&](auto zero, auto predict) {
      core::search_single<W, decltype(zero)::value, decltype(predict)::value>(weave, in, path);
    });
  constexpr decltype(&search_states<W, 2>) kSearches[] = {search_states<W, 2>, search_states<W, 3>, search_states<W, 4>,
                                                          search_states<W, 5>, search_states<W, 6>, search_states<W, 7>,
                                                          search_states<W, 8>};
  kSearches[mode.states_log2 - core::kMinStatesLog2](mode, weave, in, scratch, path);
}

template <core::Warp W>
void follow(TrellisMode mode, const core::Weave& weave, const core::SearchInput& in, const std::uint8_t* path,
            std::uint32_t* entries, std::uint16_t* levels) {
  with_flags(mode, [&](auto zero, auto predict) {
    core::follow_path<W, decltype(zero)::value, decltype(predict)::value>(weave, mode.states_log2, in, path, entries,
                                                                          levels);
  });
}

template <core::Warp W>
std::uint32_t encode_woven(const core::Weave& weave, const std::uint32_t* entries, const core::EncodeTable* tables,
                           std::uint16_t* end) {
  return core::rans_encode_woven<W>(weave, entries, tables, end);
}

template <core::Warp W>
core::Status decode_woven(TrellisMode mode, const core::Weave& weave, const core::Predictor& predictor,
                          const std::uint32_t* places, const std::uint8_t* classes, const std::uint16_t* words,
                          std::uint32_t word_count, const std::uint32_t* tables, std::uint16_t* levels) {
  return with_flags(mode, [&](auto zero, auto predict) {
    return core::trellis_decode<W, decltype(zero)::value, decltype(predict)::value>(
        weave, mode.states_log2, predictor, places, classes, words, word_count, tables, levels);
  });
}

template <core::Warp W>
constexpr TrellisKernels make_trellis_kernels() {
  return {W::kWidth, search<W>, follow<W>, encode_woven<W>, decode_woven<W>};
}

}  // namespace
}  // namespace weft::cpu
