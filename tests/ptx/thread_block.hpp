// A thread block that runs PTX: its warps, in lockstep as far as lanes go the same way, and its shared memory.
//
// Read me first:
// * It checks what a GPU traps or leaves undefined: addresses that are not aligned to what is loaded or stored, shared
//   memory that was not asked for, a lane outside of its own mask, a shuffle from a lane that is not there, lanes or threads
//   that wait for others in vain. Device memory is the emulation's, with a guard page behind each allocation.
// * Of lanes that have parted, those that are furthest behind go on, until they meet the others.
// * Registers and memory begin as garbage; asynchronous copies arrive at once or when somebody waits for them; warps take
//   turns in an order that differs.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <vector>

#include "ptx/program.hpp"

namespace weft::ptx {

inline constexpr int kLanes = 32;

// f(lane) for each of these lanes.
template <class F>
void for_lanes(std::uint32_t lanes, F f) {
  for (int lane = 0; lane < kLanes; lane++)
    if ((lanes >> lane & 1) != 0) f(lane);
}

struct Grid {
  std::uint32_t block = 0, blocks = 1, threads = kLanes;
  std::size_t dynamic_bytes = 0;          // of shared memory
  const std::byte* parameters = nullptr;  // as the kernel has them
};

class ThreadBlock {
 public:
  ThreadBlock(const Kernel& kernel, const Grid& grid);
  // Throws std::runtime_error that names kernel and instruction.
  void run();

 private:
  enum class State : std::uint8_t { kRuns, kMeetsWarp, kMeetsBlock, kIsDone };
  struct AsyncCopy {
    std::byte* to;
    const std::byte* from;
    std::size_t bytes, zeros;
  };
  struct Warp {
    std::uint32_t first = 0;  // thread
    int lanes = 0;
    std::vector<std::uint64_t> registers;  // [register][lane]
    std::array<int, kLanes> at{};          // the next instruction; where all that run have the same one, `together`
    std::array<State, kLanes> state{};
    std::array<std::uint32_t, kLanes> mask{};  // of those that a lane waits for
    std::array<bool, kLanes> answer{};         // to the block
    std::array<std::uint64_t, kLanes> carry{};
    bool is_together = false;
    int together = 0;
    std::uint32_t running = 0;
    std::vector<std::byte> local;                                    // of all lanes
    std::array<std::vector<std::vector<AsyncCopy>>, kLanes> copies;  // by group, the open one last
  };

  bool step(Warp& warp);
  void part(Warp& warp);
  void rejoin(Warp& warp);
  void execute(Warp& warp, const Instruction& one, std::uint32_t lanes);
  void wait(Warp& warp, const Instruction& one, std::uint32_t lanes, std::uint32_t others, int at);
  bool meet_warp(Warp& warp);
  void act_together(Warp& warp, const Instruction& one, std::uint32_t lanes);
  void shuffle(Warp& warp, const Instruction& one, std::uint32_t lanes);
  bool meet_block();
  void move(Warp& warp, const Instruction& one, std::uint32_t lanes);
  void access(Warp& warp, const Instruction& one, std::uint32_t lanes);
  void change_atomically(Warp& warp, const Instruction& one, std::uint32_t lanes);
  void copy(Warp& warp, const Instruction& one, int lane);
  static void land(std::vector<AsyncCopy>& group);

  [[nodiscard]] std::uint64_t get(const Warp& warp, const Operand& operand, int lane) const;
  [[nodiscard]] bool holds(const Warp& warp, const Operand& predicate, int lane) const;
  std::uint64_t& destination(Warp& warp, const Instruction& one, int lane) const;
  [[nodiscard]] std::byte* place(const Warp& warp, const Instruction& one, const Operand& address, int lane,
                                 std::size_t bytes, Space space) const;
  [[nodiscard]] std::uint32_t guarded(const Warp& warp, const Instruction& one, std::uint32_t lanes) const;
  [[noreturn]] void fail(const char* what, const Instruction& one) const;

  const Kernel& kernel_;
  Grid grid_;
  std::size_t dynamic_begin_, shared_bytes_;
  std::vector<std::byte> memory_;
  std::byte* shared_;  // where address 0 would be
  std::vector<Warp> warps_;
  std::minstd_rand random_;
};

}  // namespace weft::ptx
