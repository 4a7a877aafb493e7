#include "ptx/thread_block.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <stdexcept>

#include "ptx/arithmetic.hpp"

namespace weft::ptx {
namespace {

constexpr std::byte kGarbage{0xA5};

bool meets_warp(Opcode opcode) {
  return opcode == Opcode::kVote || opcode == Opcode::kShuffle || opcode == Opcode::kReduce ||
         opcode == Opcode::kMeetWarp;
}
bool meets_block(Opcode opcode) { return opcode == Opcode::kMeetBlock || opcode == Opcode::kAskBlock; }

}  // namespace

ThreadBlock::ThreadBlock(const Kernel& kernel, const Grid& grid)
    : kernel_(kernel),
      grid_(grid),
      dynamic_begin_(round_up(kernel.shared_end, 16)),
      shared_bytes_(dynamic_begin_ + grid.dynamic_bytes),
      memory_(shared_bytes_ + kSharedBegin, kGarbage),
      shared_(reinterpret_cast<std::byte*>(round_up(reinterpret_cast<std::uintptr_t>(memory_.data()), kSharedBegin))),
      warps_((grid.threads + kLanes - 1) / kLanes),
      random_(grid.block + 1) {
  for (std::size_t w = 0; w < warps_.size(); w++) {
    Warp& warp = warps_[w];
    warp.first = static_cast<std::uint32_t>(w) * kLanes;
    warp.lanes = static_cast<int>(std::min<std::uint32_t>(kLanes, grid.threads - warp.first));
    warp.registers.assign(static_cast<std::size_t>(kernel.registers) * kLanes, 0xA5A5A5A5A5A5A5A5u);
    warp.state.fill(State::kIsDone);
    std::fill_n(warp.state.begin(), warp.lanes, State::kRuns);
    warp.local.assign(round_up(kernel.local_bytes, 16) * kLanes, kGarbage);
    for (auto& groups : warp.copies) groups.resize(1);
    rejoin(warp);
  }
}

void ThreadBlock::fail(const char* what, const Instruction& one) const {
  throw std::runtime_error("PTX: " + std::string(what) + ", in thread block " + std::to_string(grid_.block) + " of " +
                           kernel_.name + ": " + one.text);
}

void ThreadBlock::run() {
  std::vector<std::size_t> order(warps_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (;;) {
    bool has_moved = false;
    std::shuffle(order.begin(), order.end(), random_);
    for (const std::size_t w : order)
      while (step(warps_[w]) || meet_warp(warps_[w])) has_moved = true;
    const auto is_done = [](const Warp& warp) {
      return std::all_of(warp.state.begin(), warp.state.end(), [](State s) { return s == State::kIsDone; });
    };
    if (std::all_of(warps_.begin(), warps_.end(), is_done)) return;
    if (meet_block() || has_moved) continue;
    for (const Warp& warp : warps_)
      for (int lane = 0; lane < warp.lanes; lane++)
        if (warp.state[static_cast<std::size_t>(lane)] != State::kIsDone)
          fail("threads wait for others that are not coming",
               kernel_.code[static_cast<std::size_t>(warp.at[static_cast<std::size_t>(lane)])]);
  }
}

// Lanes may go different ways from here on.
void ThreadBlock::part(Warp& warp) {
  if (!warp.is_together) return;
  for_lanes(warp.running, [&](int lane) { warp.at[static_cast<std::size_t>(lane)] = warp.together; });
  warp.is_together = false;
}

void ThreadBlock::rejoin(Warp& warp) {
  std::uint32_t running = 0;
  int together = -1;
  for (int lane = 0; lane < warp.lanes; lane++) {
    const auto l = static_cast<std::size_t>(lane);
    if (warp.state[l] != State::kRuns) continue;
    if (together >= 0 && warp.at[l] != together) return;
    together = warp.at[l];
    running |= 1u << lane;
  }
  if (together < 0) return;
  warp.is_together = true;
  warp.together = together;
  warp.running = running;
}

std::uint32_t ThreadBlock::guarded(const Warp& warp, const Instruction& one, std::uint32_t lanes) const {
  if (one.guard < 0) return lanes;
  const std::uint64_t* predicate = warp.registers.data() + static_cast<std::size_t>(one.guard) * kLanes;
  std::uint32_t yes = 0;
  for (int lane = 0; lane < kLanes; lane++) yes |= static_cast<std::uint32_t>(predicate[lane] & 1) << lane;
  return lanes & (one.guard_negated ? ~yes : yes);
}

// The next instruction of those that are furthest behind; whether there was one.
bool ThreadBlock::step(Warp& warp) {
  int at = warp.together;
  std::uint32_t here = warp.running;
  if (!warp.is_together) {
    at = static_cast<int>(kernel_.code.size());
    for (int lane = 0; lane < warp.lanes; lane++) {
      const auto l = static_cast<std::size_t>(lane);
      if (warp.state[l] == State::kRuns && warp.at[l] <= at) {
        here = warp.at[l] < at ? 0 : here;
        at = warp.at[l];
        here |= 1u << lane;
      }
    }
    if (at == static_cast<int>(kernel_.code.size())) return false;
  }
  const Instruction& one = kernel_.code[static_cast<std::size_t>(at)];
  const std::uint32_t lanes = guarded(warp, one, here);
  const auto move_on = [&](std::uint32_t whose, int to) {
    for_lanes(whose, [&](int lane) { warp.at[static_cast<std::size_t>(lane)] = to; });
  };
  if (one.opcode == Opcode::kBranch && warp.is_together && (lanes == here || lanes == 0)) {
    warp.together = lanes == here ? one.target : at + 1;
  } else if (one.opcode == Opcode::kBranch) {
    part(warp);
    move_on(lanes, one.target);
    move_on(here & ~lanes, at + 1);
    rejoin(warp);
  } else if (one.opcode == Opcode::kExit || meets_warp(one.opcode) || meets_block(one.opcode)) {
    part(warp);
    wait(warp, one, lanes, here & ~lanes, at);
    rejoin(warp);
  } else {
    execute(warp, one, lanes);
    if (warp.is_together) {
      warp.together = at + 1;
    } else {
      move_on(here, at + 1);
      rejoin(warp);
    }
  }
  return true;
}

// What ends these lanes' run for now; the others pass by.
void ThreadBlock::wait(Warp& warp, const Instruction& one, std::uint32_t lanes, std::uint32_t others, int at) {
  for_lanes(others, [&](int lane) { warp.at[static_cast<std::size_t>(lane)] = at + 1; });
  for_lanes(lanes, [&](int lane) {
    const auto l = static_cast<std::size_t>(lane);
    if (one.opcode == Opcode::kExit) {
      warp.state[l] = State::kIsDone;
    } else if (meets_block(one.opcode)) {
      warp.state[l] = State::kMeetsBlock;
      warp.answer[l] = one.opcode == Opcode::kAskBlock && holds(warp, one.operands[2], lane);
    } else {
      warp.state[l] = State::kMeetsWarp;
      warp.mask[l] = static_cast<std::uint32_t>(get(warp, one.operands.back(), lane));
      if ((warp.mask[l] >> lane & 1) == 0) fail("a lane is not in its own mask", one);
    }
  });
}

// Lets lanes go on that have met all of their mask which are still there; whether there were some.
bool ThreadBlock::meet_warp(Warp& warp) {
  part(warp);
  for (int lane = 0; lane < warp.lanes; lane++) {
    const auto l = static_cast<std::size_t>(lane);
    if (warp.state[l] != State::kMeetsWarp) continue;
    std::uint32_t met = 0;
    bool all = true;
    for_lanes(warp.mask[l], [&](int other) {
      const auto o = static_cast<std::size_t>(other);
      if (other >= warp.lanes || warp.state[o] == State::kIsDone) return;
      all = all && warp.state[o] == State::kMeetsWarp && warp.at[o] == warp.at[l] && warp.mask[o] == warp.mask[l];
      met |= 1u << other;
    });
    if (!all) continue;
    act_together(warp, kernel_.code[static_cast<std::size_t>(warp.at[l])], met);
    for_lanes(met, [&](int other) {
      const auto o = static_cast<std::size_t>(other);
      warp.state[o] = State::kRuns;
      warp.at[o]++;
    });
    rejoin(warp);
    return true;
  }
  return false;
}

// The same for all threads of the thread block.
bool ThreadBlock::meet_block() {
  bool all = true, yes = true, any = false;
  const auto for_waiting = [&](auto f) {
    for (Warp& warp : warps_)
      for (int lane = 0; lane < warp.lanes; lane++)
        if (warp.state[static_cast<std::size_t>(lane)] != State::kIsDone) f(warp, static_cast<std::size_t>(lane));
  };
  for_waiting([&](const Warp& warp, std::size_t l) {
    all = all && warp.state[l] == State::kMeetsBlock;
    yes = yes && warp.answer[l];
    any = any || warp.answer[l];
  });
  if (!all) return false;
  for_waiting([&](Warp& warp, std::size_t l) {
    const Instruction& one = kernel_.code[static_cast<std::size_t>(warp.at[l])];
    if (one.opcode == Opcode::kAskBlock) destination(warp, one, static_cast<int>(l)) = one.has("and") ? yes : any;
    warp.state[l] = State::kRuns;
    warp.at[l]++;
  });
  for (Warp& warp : warps_) rejoin(warp);
  return true;
}

void ThreadBlock::act_together(Warp& warp, const Instruction& one, std::uint32_t lanes) {
  if (one.opcode == Opcode::kShuffle) return shuffle(warp, one, lanes);
  if (one.opcode == Opcode::kMeetWarp) return;
  std::uint32_t result = 0;
  if (one.opcode == Opcode::kVote) {
    for_lanes(lanes, [&](int lane) { result |= (holds(warp, one.operands[1], lane) ? 1u : 0u) << lane; });
    if (!one.has("ballot")) result = one.has("any") ? result != 0 : result == lanes;
  } else {
    for_lanes(lanes, [&](int lane) {
      const auto value = static_cast<std::uint32_t>(get(warp, one.operands[1], lane));
      result = one.has("add") ? result + value : one.has("or") ? result | value : result ^ value;
    });
    if (!one.has("add") && !one.has("or") && !one.has("xor")) fail("a reduction that is not known", one);
  }
  for_lanes(lanes, [&](int lane) { destination(warp, one, lane) = result; });
}

void ThreadBlock::shuffle(Warp& warp, const Instruction& one, std::uint32_t lanes) {
  std::array<std::uint64_t, kLanes> values{}, results{};
  std::array<bool, kLanes> inside{};
  for_lanes(lanes, [&](int lane) { values[static_cast<std::size_t>(lane)] = get(warp, one.operands[1], lane); });
  for_lanes(lanes, [&](int lane) {
    const auto by = static_cast<int>(get(warp, one.operands[2], lane) & 31);
    const auto control = static_cast<int>(get(warp, one.operands[3], lane));
    const int segment = control >> 8 & 31, first = lane & segment, last = first | (control & 31 & ~segment);
    int from = first | (by & ~segment);
    if (one.has("up")) from = lane - by;
    if (one.has("down")) from = lane + by;
    if (one.has("bfly")) from = lane ^ by;
    const bool is_inside = one.has("up") ? from >= last : from <= last;
    from = is_inside ? from : lane;
    if ((lanes >> from & 1) == 0) fail("a shuffle from a lane that is not there", one);
    results[static_cast<std::size_t>(lane)] = values[static_cast<std::size_t>(from)];
    inside[static_cast<std::size_t>(lane)] = is_inside;
  });
  for_lanes(lanes, [&](int lane) {
    destination(warp, one, lane) = results[static_cast<std::size_t>(lane)];
    if (one.second >= 0)
      warp.registers[static_cast<std::size_t>(one.second * kLanes + lane)] = inside[static_cast<std::size_t>(lane)];
  });
}

}  // namespace weft::ptx
