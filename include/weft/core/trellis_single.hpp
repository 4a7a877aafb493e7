// The search of a trellis of one state, which is a uniform quantizer: its levels are the even ones, and what a weight's
// index costs depends on nothing that later weights choose.
//
// Read me first:
// * So the cheapest of a weight's branches is taken at once, no decisions are kept and nothing is traced back. What is
//   predicted follows from the indices taken, not from a survivor: the path is priced exactly.
// * Ties go to the even index, as in trellis_search.hpp.
#pragma once

#include "weft/core/trellis_search.hpp"

namespace weft::core {

// What the lanes' next weights become, one after the other. Rows: as branches_of() has them.
template <Warp W, bool kZero, bool kPredict, class Rows>
class SingleWalk {
 public:
  using U32 = typename W::U32;

  // place: where in the predictor's period the lanes begin.
  WEFT_HD SingleWalk(const Rows& rows, const std::uint32_t* reaches, const Predictor& predictor, U32 place,
                     std::uint32_t far_cost, bool pins_zero)
      : rows_(rows),
        reaches_(reaches),
        predictor_(predictor),
        place_(place, predictor.period),
        far_cost_(far_cost),
        pins_zero_(pins_zero) {}

  // The index, biased by 128, of weight x of the class that its scales expect.
  WEFT_HD U32 take(U32 x, U32 expected) {
    U32 mean = W::splat(0), classes = expected;
    if constexpr (kPredict) {
      if (!kZero)
        mean = predict_mean<W>(W::gather(predictor_.taps, place_.next()), history_,
                               W::gather(predictor_.deviations, expected));
      classes = moved_class<W>(expected, energy_, predictor_.shifts);
    }
    const U32 reach = W::gather(reaches_, classes);
    const Placement<W> p = core::place<W>(mean);
    const U32 row = rows_.natural(rows_.of_class(classes), 0, p.table);
    Branch<W> even = natural_branch<W>(x, 0, 0, p, reach, rows_.prices, row, far_cost_);
    Branch<W> odd = natural_branch<W>(x, 0, 1, p, reach, rows_.prices, row, far_cost_);
    if (kZero && pins_zero_) {
      even.cost = even.cost + stray_cost<W>(x, even.level);
      odd.cost = odd.cost + stray_cost<W>(x, odd.level);
    }
    const auto is_odd = W::less(odd.cost, even.cost);
    if constexpr (kPredict) {
      const U32 scale = W::gather(predictor_.error_scales, expected), level = W::select(is_odd, odd.level, even.level);
      if (!kZero) history_ = push_level<W>(history_, leave<W>(level, scale));
      energy_ = next_energy<W>(energy_, error_of<W>(level, mean, scale));
    }
    return W::select(is_odd, odd.index, even.index);
  }

 private:
  const Rows rows_;
  const std::uint32_t* reaches_;
  const Predictor predictor_;
  PeriodWalk<W> place_;
  const std::uint32_t far_cost_;
  const bool pins_zero_;
  U32 history_ = W::splat(0), energy_ = W::splat(kFirstEnergy);
};

// search_trellis() with one state: needs no scratch memory.
template <Warp W, bool kZero, bool kPredict>
WEFT_HD void search_single(const Weave& weave, const SearchInput& in, std::uint8_t* path) {
  SingleWalk<W, kZero, kPredict, PriceRows<W>> walk({in.prices}, in.reach, in.predictor,
                                                    kPredict && !kZero ? W::load_table(in.places) : W::splat(0),
                                                    in.far_cost, in.pins_zero);
  for (std::uint32_t t = 0; t < weave.run; t++) {
    const std::size_t at = std::size_t{t} * W::kWidth;
    W::store_bytes(path + at, walk.take(W::load_table(in.fixed + at), W::load_bytes(in.classes + at)));
  }
}

}  // namespace weft::core
