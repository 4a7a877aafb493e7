// What single instructions of a warp do.
#include <cstring>

#include "ptx/arithmetic.hpp"
#include "ptx/thread_block.hpp"

namespace weft::ptx {
std::uint64_t ThreadBlock::get(const Warp& warp, const Operand& operand, int lane) const {
  switch (operand.kind) {
    case Operand::Kind::kRegister:
      return warp.registers[static_cast<std::size_t>(operand.reg * kLanes + lane)] + operand.value;
    case Operand::Kind::kImmediate:
      return operand.value;
    case Operand::Kind::kParameter:
      return reinterpret_cast<std::uint64_t>(grid_.parameters) + operand.value;
    case Operand::Kind::kLocal:
      return reinterpret_cast<std::uint64_t>(warp.local.data()) +
             warp.local.size() / kLanes * static_cast<std::size_t>(lane) + operand.value;
    case Operand::Kind::kDynamicShared:
      return dynamic_begin_ + operand.value;
    case Operand::Kind::kSpecial:
      break;
    default:
      return 0;
  }
  const auto l = static_cast<std::uint32_t>(lane);
  switch (operand.special) {
    case Special::kThread:
      return warp.first + l;
    case Special::kThreads:
      return grid_.threads;
    case Special::kBlock:
      return grid_.block;
    case Special::kBlocks:
      return grid_.blocks;
    case Special::kLane:
      return l;
    case Special::kLanesBelow:
      return (1u << l) - 1;
    case Special::kLanesAbove:
      return ~((2u << l) - 1);
    case Special::kLanesUpTo:
      return (2u << l) - 1;
    case Special::kLanesFrom:
      return ~((1u << l) - 1);
    default:
      return 1u << l;
  }
}

bool ThreadBlock::holds(const Warp& warp, const Operand& predicate, int lane) const {
  return ((get(warp, predicate, lane) & 1) != 0) != predicate.negated;
}

std::uint64_t& ThreadBlock::destination(Warp& warp, const Instruction& one, int lane) const {
  return warp.registers[static_cast<std::size_t>(one.operands[0].reg * kLanes + lane)];
}

std::byte* ThreadBlock::place(const Warp& warp, const Instruction& one, const Operand& address, int lane,
                              std::size_t bytes, Space space) const {
  std::uint64_t at = get(warp, address, lane);
  if (space == Space::kShared) at &= UINT32_MAX;
  if (at % bytes != 0) fail("an address is not aligned to what it is for", one);
  if (space != Space::kShared) return reinterpret_cast<std::byte*>(at);
  if (at < kSharedBegin || at + bytes > shared_bytes_) fail("an address outside of the shared memory", one);
  return shared_ + at;
}

void ThreadBlock::access(Warp& warp, const Instruction& one, std::uint32_t lanes) {
  const bool loads = one.opcode == Opcode::kLoad;
  const Operand &address = one.operands[loads ? 1 : 0], &all = one.operands[loads ? 0 : 1];
  const std::size_t each = static_cast<std::size_t>(one.type.bits) / 8;
  for_lanes(lanes, [&](int lane) {
    std::byte* at = place(warp, one, address, lane, each * static_cast<std::size_t>(one.count), one.space);
    for (int i = 0; i < one.count; i++, at += each) {
      const Operand& value = one.count == 1 ? all : all.list[static_cast<std::size_t>(i)];
      std::uint64_t bits = loads ? 0 : get(warp, value, lane);
      if (!loads) {
        std::memcpy(at, &bits, each);
      } else if (value.kind == Operand::Kind::kRegister) {
        std::memcpy(&bits, at, each);
        if (one.type.kind == 's') bits = static_cast<std::uint64_t>(signed_value(bits, one.type.bits));
        warp.registers[static_cast<std::size_t>(value.reg * kLanes + lane)] = bits;
      }
    }
  });
}

// Also between a register and the parts of one.
void ThreadBlock::move(Warp& warp, const Instruction& one, std::uint32_t lanes) {
  const Operand &to = one.operands[0], &from = one.operands[1];
  const std::vector<Operand>& parts = to.kind == Operand::Kind::kList ? to.list : from.list;
  const int bits = parts.empty() ? one.type.bits : one.type.bits / static_cast<int>(parts.size());
  for_lanes(lanes, [&](int lane) {
    if (to.kind == Operand::Kind::kList) {
      const std::uint64_t value = get(warp, from, lane);
      for (std::size_t i = 0; i < parts.size(); i++)
        if (parts[i].kind == Operand::Kind::kRegister)
          warp.registers[static_cast<std::size_t>(parts[i].reg * kLanes + lane)] =
              lower(value >> (bits * static_cast<int>(i)), bits);
      return;
    }
    std::uint64_t value = from.kind == Operand::Kind::kList ? 0 : get(warp, from, lane);
    for (std::size_t i = 0; i < parts.size(); i++)
      value |= lower(get(warp, parts[i], lane), bits) << (bits * static_cast<int>(i));
    destination(warp, one, lane) = value;
  });
}

void ThreadBlock::change_atomically(Warp& warp, const Instruction& one, std::uint32_t lanes) {
  const std::size_t bytes = static_cast<std::size_t>(one.type.bits) / 8;
  if (!one.has("add")) fail("an atomic operation that is not known", one);
  for_lanes(lanes, [&](int lane) {
    std::byte* at = place(warp, one, one.operands[1], lane, bytes, one.space);
    std::uint64_t before = 0;
    std::memcpy(&before, at, bytes);
    const std::uint64_t after = before + get(warp, one.operands[2], lane);
    std::memcpy(at, &after, bytes);
    if (one.operands[0].kind == Operand::Kind::kRegister) destination(warp, one, lane) = before;
  });
}

void ThreadBlock::land(std::vector<AsyncCopy>& group) {
  for (const AsyncCopy& one : group) {
    std::memcpy(one.to, one.from, one.bytes);
    std::memset(one.to + one.bytes, 0, one.zeros);
  }
  group.clear();
}

void ThreadBlock::copy(Warp& warp, const Instruction& one, int lane) {
  auto& groups = warp.copies[static_cast<std::size_t>(lane)];
  if (one.opcode == Opcode::kCopy) {
    const auto room = static_cast<std::size_t>(get(warp, one.operands[2], lane));
    const auto bytes = one.operands.size() > 3 ? static_cast<std::size_t>(get(warp, one.operands[3], lane)) : room;
    if (bytes > room) fail("a copy of more bytes than there is room for", one);
    groups.back().push_back({place(warp, one, one.operands[0], lane, room, Space::kShared),
                             place(warp, one, one.operands[1], lane, room, Space::kGlobal), bytes, room - bytes});
  } else if (one.opcode == Opcode::kCloseCopies) {
    if ((random_() & 16) != 0) land(groups.back());
    groups.emplace_back();
  } else {
    const bool all = one.has("wait_all");
    const std::size_t left = all ? 0 : static_cast<std::size_t>(get(warp, one.operands[0], lane));
    if (all) land(groups.back());
    while (groups.size() - 1 > left) {
      land(groups.front());
      groups.erase(groups.begin());
    }
  }
}

void ThreadBlock::execute(Warp& warp, const Instruction& one, std::uint32_t lanes) {
  const auto value = [&](std::size_t i, int lane) { return get(warp, one.operands[i], lane); };
  const auto word = [&](std::size_t i, int lane) { return static_cast<std::uint32_t>(value(i, lane)); };
  const auto set = [&](auto f) { for_lanes(lanes, [&](int lane) { destination(warp, one, lane) = f(lane); }); };
  switch (one.opcode) {
    case Opcode::kNothing:
      return;
    case Opcode::kLoad:
    case Opcode::kStore:
      return access(warp, one, lanes);
    case Opcode::kMove:
      return move(warp, one, lanes);
    case Opcode::kAtomic:
      return change_atomically(warp, one, lanes);
    case Opcode::kCopy:
    case Opcode::kCloseCopies:
    case Opcode::kAwaitCopies:
      return for_lanes(lanes, [&](int lane) { copy(warp, one, lane); });
    case Opcode::kChangeSpace: {  // generic addresses are those of the host
      const std::uint64_t begin = one.space == Space::kShared ? reinterpret_cast<std::uint64_t>(shared_) : 0;
      return set([&](int lane) { return one.has("to") ? value(1, lane) - begin : value(1, lane) + begin; });
    }
    case Opcode::kBinary:
      if (one.type.kind == 'p')
        return set([&](int lane) {
          return binary(one.math, one.type, holds(warp, one.operands[1], lane), holds(warp, one.operands[2], lane));
        });
      return set([&](int lane) { return binary(one.math, one.type, value(1, lane), value(2, lane)); });
    case Opcode::kUnary:
      return set([&](int lane) { return unary(one.math, one.type, value(1, lane)); });
    case Opcode::kCompare:
      return set([&](int lane) -> std::uint64_t {
        const bool result = compare(one.modifiers[0], one.type, value(1, lane), value(2, lane));
        if (one.operands.size() < 4) return result;
        const bool other = holds(warp, one.operands[3], lane);
        return one.has("and") ? result && other : one.has("or") ? result || other : result != other;
      });
    case Opcode::kSelect:
      return set(
          [&](int lane) { return lower(value(holds(warp, one.operands[3], lane) ? 1 : 2, lane), one.type.bits); });
    case Opcode::kMultiplyAdd:
      return set([&](int lane) { return multiply_add(one, value(1, lane), value(2, lane), value(3, lane)); });
    case Opcode::kAddCarry:
      return set([&](int lane) {
        if (one.type.bits != 64) fail("a carry of other than 64 bits", one);
        std::uint64_t& carry = warp.carry[static_cast<std::size_t>(lane)];
        const std::uint64_t in = one.takes_carry ? carry : 0;
        std::uint64_t sum = 0, all = 0;
        const bool first = __builtin_add_overflow(value(1, lane), value(2, lane), &sum);
        carry = (__builtin_add_overflow(sum, in, &all) || first) ? 1 : 0;
        return all;
      });
    case Opcode::kInsertBits:
      return set([&](int lane) {
        return insert_bits(one.type, value(1, lane), value(2, lane), word(3, lane), word(4, lane));
      });
    case Opcode::kExtractBits:
      return set([&](int lane) { return extract_bits(one.type, value(1, lane), word(2, lane), word(3, lane)); });
    case Opcode::kLogic:
      return set([&](int lane) { return logic(word(1, lane), word(2, lane), word(3, lane), word(4, lane)); });
    case Opcode::kPermute:
      return set([&](int lane) { return permute(word(1, lane), word(2, lane), word(3, lane)); });
    case Opcode::kFunnel:
      if (!one.has("wrap")) fail("a funnel shift that does not wrap", one);
      return set([&](int lane) {
        const std::uint64_t both = std::uint64_t{word(2, lane)} << 32 | word(1, lane);
        const std::uint32_t by = word(3, lane) & 31;
        return lower(one.has("r") ? both >> by : both << by >> 32, 32);
      });
    case Opcode::kMask:
      if (!one.has("clamp")) fail("a mask that does not clamp", one);
      return set([&](int lane) {
        const std::uint32_t at = word(1, lane), count = word(2, lane);
        return at >= 32 ? 0 : lower(lower(~std::uint64_t{0}, static_cast<int>(count > 32 ? 32 : count)) << at, 32);
      });
    case Opcode::kDot:
      return set([&](int lane) { return dot(one, word(1, lane), word(2, lane), word(3, lane)); });
    case Opcode::kConvert:
      return set([&](int lane) { return convert(one, value(1, lane)); });
    default:
      fail("an instruction that is not for single lanes", one);
  }
}

}  // namespace weft::ptx
