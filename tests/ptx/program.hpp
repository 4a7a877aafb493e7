// PTX as the interpreter runs it: kernels whose operands and labels are resolved (PTX ISA 9.0, as far as weft's kernels use it).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace weft::ptx {

enum class Space { kGeneric, kGlobal, kShared, kLocal, kParameter, kConstant };

struct Type {
  char kind = 'b';  // b, u, s, f, or p for a predicate
  int bits = 32;
};

enum class Special {
  kThread,
  kThreads,
  kBlock,
  kBlocks,
  kLane,
  kLanesBelow,
  kLanesAbove,
  kLanesUpTo,
  kLanesFrom,
  kOneLane
};

// A value, or the place that an address names: what `kind` says, and `value` more than that.
struct Operand {
  enum class Kind { kNone, kRegister, kImmediate, kSpecial, kParameter, kLocal, kDynamicShared, kList };
  Kind kind = Kind::kNone;
  int reg = -1;
  std::uint64_t value = 0;
  Special special = Special::kThread;
  bool negated = false;            // a predicate
  std::vector<Operand> list = {};  // of a vector
};

enum class Opcode {
  kLoad,
  kStore,
  kMove,
  kChangeSpace,
  kBinary,
  kUnary,
  kCompare,
  kSelect,
  kBranch,
  kExit,
  kMultiplyAdd,
  kAddCarry,
  kInsertBits,
  kExtractBits,
  kLogic,
  kPermute,
  kFunnel,
  kMask,
  kDot,
  kConvert,
  kVote,
  kShuffle,
  kReduce,
  kMeetWarp,
  kMeetBlock,
  kAskBlock,
  kAtomic,
  kCopy,
  kCloseCopies,
  kAwaitCopies,
  kNothing
};

enum class Math {
  kAdd,
  kSub,
  kAnd,
  kOr,
  kXor,
  kShiftLeft,
  kShiftRight,
  kMin,
  kMax,
  kDivide,
  kRemainder,
  kMultiply,
  kMultiplyHigh,
  kMultiplyWide,
  kMinOrZero,
  kNegate,
  kNot,
  kAbs,
  kCountOnes,
  kLeadingZeros,
  kReverse,
  kReciprocal
};

struct Instruction {
  Opcode opcode = Opcode::kNothing;
  Math math = Math::kAdd;
  Type type = {}, from = {};  // of what it makes, and, of a conversion, of what it takes
  Space space = Space::kGeneric;
  int count = 1;  // values of a load or store
  int guard = -1;
  bool guard_negated = false;
  int second = -1;  // a predicate that it sets, too
  int target = -1;  // of a branch
  bool takes_carry = false;
  std::vector<Operand> operands = {};
  std::vector<std::string> modifiers = {};
  std::string text;
  [[nodiscard]] bool has(const char* modifier) const;
};

struct Parameter {
  std::size_t offset, bytes;
};

struct Kernel {
  std::string name;
  std::vector<Instruction> code;
  int registers = 0;
  std::vector<Parameter> parameters;
  std::size_t parameter_bytes = 0, local_bytes = 0;
  std::size_t shared_end = 0;  // of what it declares, from kSharedBegin on
};

// Of a thread block's shared memory: what comes before is the system's, as on sm_90.
inline constexpr std::size_t kSharedBegin = 1024;

[[nodiscard]] constexpr std::size_t round_up(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

// Kernels of modules, and the variables that they share.
class Program {
 public:
  // Adds the kernels of a module's text. Throws std::runtime_error where it finds what it does not know.
  void add(const std::string& text);
  [[nodiscard]] const Kernel* find(const std::string& name) const;
  [[nodiscard]] std::size_t kernels() const { return kernels_.size(); }

 private:
  std::map<std::string, Kernel> kernels_;
  std::vector<std::unique_ptr<std::byte[]>> variables_;
};

}  // namespace weft::ptx
