// The search of trellis_search.hpp on a device: the same paths, with a chain's states where a device wants them.
//
// Read me first:
// * Up to 8 states stay in the registers of the chain's own lane. More are spread over 2, 4, ... lanes that keep 8 each
//   (trellis_states.hpp), and are exchanged through shared memory.
// * Without prediction a weight's branches are computed by one lane for all that search its chain, a tile of steps at
//   once.
// * Path metrics are the CPU's but for what is subtracted from all states of a chain at times, which decides nothing.
#pragma once

#include "weft/core/trellis_states.hpp"

namespace weft::core {

// A butterfly: the cheaper ways to a state and to its pair, of which `odd` says whether they are those by odd indices.
template <Warp W>
struct Butterfly {
  typename W::U32 cost[2];
  typename W::Mask odd[2];
};
template <Warp W>
WEFT_HD Butterfly<W> butterfly(typename W::U32 old0, typename W::U32 old1, typename W::U32 even, typename W::U32 odd) {
  Butterfly<W> r;
  r.cost[0] = W::least(old0 + even, old1 + odd, r.odd[0]);
  r.cost[1] = W::least(old1 + even, old0 + odd, r.odd[1]);
  return r;
}

// What a search knows of its block, and the passes over its steps. kStates: of a lane; kSpread: a chain has more.
template <KernelWarp W, std::uint32_t kStates, bool kSpread, bool kZero, bool kPredict>
class BlockSearch {
 public:
  using U32 = typename W::U32;
  using Mask = typename W::Mask;

  // Chains part * 32 / search_warps() and the next ones.
  WEFT_HD BlockSearch(const TrellisEncodeJob& job, std::uint32_t part, const std::uint32_t* memory, std::uint32_t* room)
      : woven_(job.woven),
        classes_(job.classes),
        path_(job.path),
        prices_(*job.stream, memory),
        memory_(memory),
        room_(room),
        weave_(job.weave()),
        far_cost_(job.stream->far_cost),
        pins_zero_(job.stream->pins_zero != 0),
        log2_(job.stream->states_log2),
        parity_(parity_of(states_log2())),
        chains_(kSpread ? kLanes / search_warps(states_log2()) : kLanes),
        first_chain_(part * chains_),
        decisions_(job.decisions + std::size_t{part} * (padded_run(weave_.run) / 4 * kLanes)),
        own_chain_(W::lane_numbers() & W::splat(chains_ - 1)),
        place_(W::splat(0), job.stream->period) {
    length_ = W::each_lane_value([&](std::uint32_t lane) -> std::uint32_t {
      const std::uint32_t chain = first_chain_ + (lane & (chains_ - 1)), begin = chain * weave_.run;
      if (chain >= weave_.lanes || begin >= weave_.n) return 0;
      return weave_.n - begin < weave_.run ? weave_.n - begin : weave_.run;
    });
    if constexpr (kPredict && !kZero) {
      const std::uint64_t first = job.first_element + std::uint64_t{first_chain_} * weave_.run;
      const std::uint32_t period = job.stream->period;
      place_ = {places_of_lanes<W>(first, weave_.run, period, chains_), period};
    }
    if constexpr (kSpread) choose_places();
    WEFT_UNROLL(8)
    for (std::uint32_t r = 0; r < kStates; r++) {
      costs_[r] = W::splat(r == 0 && !kSpread ? 0 : kUnreached);
      if (kSpread && r == 0) costs_[0] = W::select(W::less(part_, W::splat(1)), W::splat(0), costs_[0]);
      if (kPredict) histories_[r] = W::splat(0), energies_[r] = W::splat(kFirstEnergy);
    }
  }

  WEFT_HD void run() {
    if (first_chain_ >= weave_.lanes) return;  // a small block has fewer
    if constexpr (kSpread) share(0);
    if constexpr (kSpread && !kPredict)
      search_tiles();
    else
      search_steps();
    trace_back();
  }

 private:
  static constexpr std::uint32_t kUnreached = 1u << 29;

  // 8 states and fewer are known when this is compiled.
  WEFT_HD int states_log2() const { return kSpread ? log2_ : kStates == 4 ? 2 : 3; }
  WEFT_HD std::uint32_t half() const { return (1u << states_log2()) / 2; }
  WEFT_HD Mask active(std::uint32_t t) const { return W::less(W::splat(t), length_); }
  // Whether all chains of the block have a weight in all steps before `end`.
  WEFT_HD bool all_active(std::uint32_t end) const { return weave_.lanes == kLanes && end <= weave_.whole_steps(); }

  // Where a lane's states came from, and what they are.
  WEFT_HD void choose_places() {
    part_ = W::each_lane_value([&](std::uint32_t lane) { return lane / chains_; });
    first_state_ = W::each_lane_value([&](std::uint32_t lane) { return state_at(states_log2(), {lane / chains_, 0}); });
    for (std::uint32_t r = 0; r < kStates; r++) states_[r] = state_at(states_log2(), {0, r});
    q_ = first_state_ >> (states_log2() - 1);
    WEFT_UNROLL(8)
    for (std::uint32_t i = 0; i < kStates; i++)
      from_[i] = W::each_lane_value([&](std::uint32_t lane) {
        const std::uint32_t n = state_at(states_log2(), {lane / chains_, i}), q = n >= half() ? 1 : 0;
        const std::uint32_t before = 2 * ((n ^ (q != 0 ? parity_.h0 : 0)) & (half() - 1)) + q;
        const StatePlace place = place_of_state(states_log2(), before);
        return slot(place.part * chains_ + lane % chains_, place.number);
      });
  }
  // Of a state, in a warp's room.
  WEFT_HD static std::uint32_t slot(std::uint32_t lane, std::uint32_t number) {
    return (number >> 2) * 4 * kLanes + 4 * lane + (number & 3);
  }

  // Shows the states to the other lanes, as those that step t begins with.
  WEFT_HD void share(std::uint32_t t) {
    store(shared(0, t), costs_);
    if constexpr (kPredict) {
      if (!kZero) store(shared(1, t), histories_);
      store(shared(2, t), energies_);
    }
    W::sync();
  }
  WEFT_HD static void store(std::uint32_t* buffer, U32 (&states)[kStates]) {
    if constexpr (kSpread) WEFT_UNROLL(8)
    for (std::uint32_t first = 0; first < kStates; first += 4)
      W::for_each_lane(
          [=](std::uint32_t lane, std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
            store_aligned(reinterpret_cast<std::uint8_t*>(buffer + slot(lane, first)), Words4{{a, b, c, d}});
          },
          states[first], states[first + 1], states[first + 2], states[first + 3]);
  }

  // The least of a number over the lanes of a chain.
  WEFT_HD U32 least_of_chain(U32 mine) const {
    if constexpr (kSpread) {
      WEFT_UNROLL(8)
      for (std::uint32_t distance = 1; distance < kLanes; distance *= 2) {  // less than `chains_` leads to other chains
        const U32 other = W::lane_numbers() ^ W::splat(distance & (0 - chains_));
        mine = smaller<W>(mine, W::from_lane(mine, other));
      }
    }
    return mine;
  }
  WEFT_HD U32 least_cost() const {
    U32 least = costs_[0];
    WEFT_UNROLL(8)
    for (std::uint32_t r = 1; r < kStates; r++) least = smaller<W>(least, costs_[r]);
    return least_of_chain(least);
  }
  // Which state that is; the first one of several.
  WEFT_HD U32 state_of_cost(U32 cost) const {
    U32 state = W::splat(1u << kMaxStatesLog2);
    WEFT_UNROLL(8)
    for (std::uint32_t r = 0; r < kStates; r++) {
      const U32 number = kSpread ? first_state_ ^ W::splat(states_[r]) : W::splat(r);
      state = smaller<W>(state, W::select(W::less(cost, costs_[r]), W::splat(1u << kMaxStatesLog2), number));
    }
    return least_of_chain(state);
  }

  // What a step adds to survivors, by quantizer and parity; a lane of a chain that is spread has one quantizer.
  struct Added {
    U32 cost[2][2], left[2][2], error[2][2];
  };

  // Steps t to t + 3: step(t + i) takes all states over one and returns the decisions, a bit for each state of a lane.
  template <class Step>
  WEFT_HD void four_steps(std::uint32_t t, Step step) {
    U32 taken = W::splat(0);
    WEFT_UNROLL(4)
    for (std::uint32_t i = 0; i < 4; i++) taken = taken | step(t + i) << static_cast<int>(8 * i);
    W::store_table(decisions_ + std::size_t{t / 4} * kLanes, taken);
  }

  // Without prediction, the branches of a tile are computed first: as many weights at once as there are lanes.
  WEFT_HD void search_tiles() {
    const std::uint32_t steps = kLanes / chains_ < 4 ? 4 : kLanes / chains_;
    std::uint32_t* branches = room_ + 2 * kWarpStates;
    for (std::uint32_t first = 0; first < padded_run(weave_.run); first += steps) {
      const U32 base = (first & 15) == 0 ? least_cost() : W::splat(0);
      for (std::uint32_t item = 0; item < steps * chains_; item += kLanes)
        compute_branches(first, item, item == 0 ? base : W::splat(0), branches);
      W::sync();
      if (all_active(first + steps))
        take_tile<true>(first, steps, branches);
      else
        take_tile<false>(first, steps, branches);
    }
  }
  template <bool kAll>
  WEFT_HD void take_tile(std::uint32_t first, std::uint32_t steps, const std::uint32_t* branches) {
    U32 at = (own_chain_ << 2) + (q_ << 1);
    for (std::uint32_t t = first; t < first + steps; t += 4)
      four_steps(t, [&](std::uint32_t now) {
        Added added;
        added.cost[0][0] = W::gather(branches, at);
        added.cost[0][1] = W::gather(branches + 1, at);
        at = at + W::splat(4 * chains_);
        return advance<kAll>(now, added);
      });
  }
  // Lane i: step (item + i) / chains of the tile, which is of chain i % chains.
  WEFT_HD void compute_branches(std::uint32_t first, std::uint32_t item, U32 base, std::uint32_t* branches) {
    const U32 step = part_ + W::splat(item / chains_);
    const U32 at = ((W::splat(first) + step) << kLanesLog2) + W::splat(first_chain_) + own_chain_;
    const U32 x = W::gather(woven_, at);
    const U32 classes = W::each_lane_value([&](std::uint32_t lane) -> std::uint32_t {
      return classes_[(first + (item + lane) / chains_) * kLanes + first_chain_ + lane % chains_];
    });
    const Branches<W> found = branches_of<W, kZero>(x, W::splat(0), classes, prices_, memory_ + SearchMemory::kReaches,
                                                    far_cost_, pins_zero_);
    std::uint32_t* indices = woven_;
    W::for_each_lane([=](std::uint32_t, std::uint32_t to, std::uint32_t four) { indices[to] = four; }, at,
                     found.indices);
    const U32 less = W::select(W::less(step, W::splat(1)), base, W::splat(0));
    const U32 cost[4] = {found.of[0][0].cost - less, found.of[0][1].cost - less, found.of[1][0].cost - less,
                         found.of[1][1].cost - less};
    W::for_each_lane(
        [=](std::uint32_t lane, std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
          store_aligned(reinterpret_cast<std::uint8_t*>(branches + 4 * (item + lane)), Words4{{a, b, c, d}});
        },
        cost[0], cost[1], cost[2], cost[3]);
  }

  // With prediction, or with all states of a chain in a lane: one step after the other. Weights are fetched a step
  // before.
  WEFT_HD void search_steps() {
    const std::uint32_t steps = padded_run(weave_.run);
    const U32 chain = W::splat(first_chain_) + own_chain_;
    const auto weight_of = [&](std::uint32_t t) { return W::gather(woven_ + std::size_t{t} * kLanes, chain); };
    const auto class_of = [&](std::uint32_t t) {
      return W::each_lane_value([&](std::uint32_t lane) -> std::uint32_t {
        return classes_[std::size_t{t} * kLanes + first_chain_ + lane % chains_];
      });
    };
    U32 next_x = weight_of(0), next_class = class_of(0);
    W::sync();  // step 0 writes over its weights
    U32 taken = W::splat(0);
    for (std::uint32_t t = 0; t < steps; t++) {
      const U32 x = next_x, expected = next_class;
      const std::uint32_t then = t + 1 < steps ? t + 1 : 0;  // not t, which other lanes may have written over
      next_x = weight_of(then);
      next_class = class_of(then);
      taken = (taken >> 8) | one_step(t, x, expected, chain) << 24;
      if ((t & 3) == 3) W::store_table(decisions_ + std::size_t{t / 4} * kLanes, taken);
    }
  }
  WEFT_HD U32 one_step(std::uint32_t t, U32 x, U32 expected, U32 chain) {
    U32 mean = W::splat(0), base = W::splat(0), classes = expected;
    if (kPredict || (t & 15) == 0) base = least_cost();
    if constexpr (kPredict) {
      U32 history = W::splat(0), energy = W::splat(0);
      look_back(t, base, history, energy);
      if (!kZero)
        mean = predict_mean<W>(W::gather(memory_ + SearchMemory::kTaps, place_.next()), history,
                               W::gather(memory_ + SearchMemory::kDeviations, expected));
      classes = moved_class<W>(expected, energy, memory_ + SearchMemory::kShifts);
    }
    const Branches<W> branches =
        branches_of<W, kZero>(x, mean, classes, prices_, memory_ + SearchMemory::kReaches, far_cost_, pins_zero_);
    std::uint32_t* indices = woven_ + std::size_t{t} * kLanes;
    const std::uint32_t chains = chains_;
    W::for_each_lane(
        [=](std::uint32_t lane, std::uint32_t to, std::uint32_t four) {
          if (lane < chains) indices[to] = four;
        },
        chain, branches.indices);
    const U32 scale = kPredict ? W::gather(memory_ + SearchMemory::kErrorScales, expected) : W::splat(0);
    Added added;
    for (int z = 0; z < 2; z++) {
      for (int q = 0; q < 2; q++) {
        added.cost[q][z] = branches.of[q][z].cost - base;
        if (kPredict) added.error[q][z] = error_of<W>(branches.of[q][z].level, mean, scale);
        if (kPredict && !kZero) added.left[q][z] = leave<W>(branches.of[q][z].level, scale);
      }
      if constexpr (kSpread) {
        const Mask odd = W::less(W::splat(0), q_);
        added.cost[0][z] = W::select(odd, added.cost[1][z], added.cost[0][z]);
        added.left[0][z] = W::select(odd, added.left[1][z], added.left[0][z]);
        added.error[0][z] = W::select(odd, added.error[1][z], added.error[0][z]);
      }
    }
    return all_active(t + 1) ? advance<true>(t, added) : advance<false>(t, added);
  }
  // What the cheapest survivor has seen.
  WEFT_HD void look_back(std::uint32_t t, U32 least, U32& history, U32& energy) const {
    const U32 state = state_of_cost(least);
    if constexpr (kSpread) {
      const U32 place = W::gather(memory_ + SearchMemory::kPlaces, state);
      U32 at = (place & W::splat(255)) + own_chain_;
      W::for_each_lane([](std::uint32_t, std::uint32_t& lane, std::uint32_t number) { lane = slot(lane, number >> 8); },
                       at, place);
      if (!kZero) history = W::gather(shared(1, t), at);
      energy = W::gather(shared(2, t), at);
    } else {
      WEFT_UNROLL(8)
      for (std::uint32_t s = 0; s < kStates; s++) {
        const Mask others = W::less(W::splat(0), state ^ W::splat(s));
        if (!kZero) history = W::select(others, history, histories_[s]);
        energy = W::select(others, energy, energies_[s]);
      }
    }
  }

  // Takes all states over step t; returns the decisions. kAll: all chains have a weight there.
  template <bool kAll>
  WEFT_HD U32 advance(std::uint32_t t, const Added& added) {
    constexpr int kLog2 = kStates == 4 ? 2 : 3;
    constexpr Parity kParity = parity_of(kLog2);
    U32 decisions = W::splat(0), costs[kStates], histories[kStates], energies[kStates];
    WEFT_UNROLL(8)
    for (std::uint32_t n = 0; n < kStates; n++) {
      const std::uint32_t pair = n ^ (kSpread ? 1 : kParity.h1), q = !kSpread && n >= kStates / 2 ? 1 : 0;
      if (pair < n) continue;
      const auto before = [=](std::uint32_t state) {
        return 2 * ((state ^ (q != 0 ? kParity.h0 : 0)) & (kStates / 2 - 1)) + q;
      };
      const auto old = [&](std::uint32_t what, const U32(&states)[kStates], std::uint32_t state) {
        if constexpr (kSpread)
          return W::gather(shared(what, t), from_[state]);
        else
          return states[before(state)];
      };
      const Butterfly<W> b = butterfly<W>(old(0, costs_, n), old(0, costs_, pair), added.cost[q][0], added.cost[q][1]);
      costs[n] = b.cost[0];
      costs[pair] = b.cost[1];
      decisions = W::select(b.odd[0], decisions | W::splat(1u << n), decisions);
      decisions = W::select(b.odd[1], decisions | W::splat(1u << pair), decisions);
      if constexpr (kPredict) {
        const auto survivors = [&](std::uint32_t what, const U32(&states)[kStates], U32& to, U32& to_pair) {
          const U32 first = old(what, states, n), second = old(what, states, pair);
          to = W::select(b.odd[0], second, first);
          to_pair = W::select(b.odd[1], first, second);
        };
        if constexpr (!kZero) {
          survivors(1, histories_, histories[n], histories[pair]);
          histories[n] = push_level<W>(histories[n], W::select(b.odd[0], added.left[q][1], added.left[q][0]));
          histories[pair] = push_level<W>(histories[pair], W::select(b.odd[1], added.left[q][1], added.left[q][0]));
        }
        survivors(2, energies_, energies[n], energies[pair]);
        energies[n] = next_energy<W>(energies[n], W::select(b.odd[0], added.error[q][1], added.error[q][0]));
        energies[pair] = next_energy<W>(energies[pair], W::select(b.odd[1], added.error[q][1], added.error[q][0]));
      }
    }
    const Mask here = active(t);
    WEFT_UNROLL(8)
    for (std::uint32_t r = 0; r < kStates; r++) {
      costs_[r] = kAll ? costs[r] : W::select(here, costs[r], costs_[r]);
      if constexpr (kPredict && !kZero) histories_[r] = histories[r];
      if constexpr (kPredict) energies_[r] = energies[r];
    }
    if constexpr (kSpread) share(t + 1);
    return decisions;
  }

  // From the cheapest state of the last step back to the first: the path's indices. What is far away is fetched before.
  WEFT_HD void trace_back() {
    W::sync();
    const U32 chain = W::splat(first_chain_) + own_chain_;
    U32 state = state_of_cost(least_cost());
    U32 word = W::splat(0), candidates[4];
    const auto fetch = [&](std::uint32_t t) {
      word = W::load_table(decisions_ + std::size_t{t / 4} * kLanes);
      for (std::uint32_t i = 0; i < 4; i++) candidates[i] = W::gather(woven_ + std::size_t{t + i} * kLanes, chain);
    };
    std::uint32_t* to = path_;
    const std::uint32_t chains = chains_;
    const auto store = [=](std::uint32_t t, U32 four) {
      W::for_each_lane(
          [=](std::uint32_t lane, std::uint32_t at, std::uint32_t indices) {
            if (lane < chains) to[t * (kLanes / 4) + at] = indices;
          },
          chain, four);
    };
    const std::uint32_t whole = weave_.lanes == kLanes ? weave_.whole_steps() / 4 * 4 : 0;
    for (std::uint32_t t = padded_run(weave_.run); t > whole; t -= 4) {
      fetch(t - 4);
      store(t - 4, trace_four<false>(t - 4, word, candidates, state));
    }
    if (whole > 0) fetch(whole - 4);
    for (std::uint32_t t = whole; t > 0; t -= 4) {
      const U32 decisions = word, indices[4] = {candidates[0], candidates[1], candidates[2], candidates[3]};
      fetch(t > 4 ? t - 8 : 0);
      store(t - 4, trace_four<true>(t - 4, decisions, indices, state));
    }
  }
  // Steps t to t + 3, whose indices it returns, a byte each.
  template <bool kAll>
  WEFT_HD U32 trace_four(std::uint32_t t, U32 decisions, const U32 (&indices)[4], U32& state) const {
    U32 path = W::splat(0);
    WEFT_UNROLL(4)
    for (std::uint32_t i = 4; i-- > 0;) {
      U32 here = decisions, number = state;
      if constexpr (kSpread) {
        const U32 place = W::gather(memory_ + SearchMemory::kPlaces, state);
        here = W::from_lane(decisions, (place & W::splat(255)) + own_chain_);
        number = place >> 8;
      }
      const U32 z = W::shift_right(here, number + W::splat(8 * i)) & W::splat(1);
      const U32 q = state >> (states_log2() - 1);
      path = (path << 8) | (W::shift_right(indices[i], (q << 4) + (z << 3)) & W::splat(255));
      const U32 before =
          (state ^ when_bit<W>(q, W::splat(parity_.h0)) ^ when_bit<W>(z, W::splat(parity_.h1))) & W::splat(half() - 1);
      const U32 previous = (before << 1) + q;
      state = kAll ? previous : W::select(active(t + i), previous, state);
    }
    return path;
  }

  // Costs, histories and energies (0, 1, 2) that step t begins with, in the warp's room.
  WEFT_HD std::uint32_t* shared(std::uint32_t what, std::uint32_t t) const {
    return room_ + (2 * what + (t & 1)) * kWarpStates;
  }

  std::uint32_t* woven_;
  const std::uint8_t* classes_;
  std::uint32_t* path_;
  const NearPrices<W, kZero, kPredict> prices_;
  const std::uint32_t* memory_;
  std::uint32_t* room_;
  const Weave weave_;
  const std::uint32_t far_cost_;
  const bool pins_zero_;
  const int log2_;
  const Parity parity_;
  const std::uint32_t chains_, first_chain_;  // of this warp
  std::uint32_t* decisions_;
  const U32 own_chain_;  // of a lane, counted from the first one
  U32 length_ = W::splat(0), part_ = W::splat(0), q_ = W::splat(0);
  U32 from_[kStates] = {}, first_state_ = W::splat(0);  // of a lane; a lane's state r is that one xor states_[r]
  std::uint32_t states_[kStates] = {};
  U32 costs_[kStates], histories_[kStates], energies_[kStates];
  PeriodWalk<W> place_;
};

}  // namespace weft::core
