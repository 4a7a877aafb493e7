// Compiled without sanitizers, for it runs between their threads; so there are no containers here while threads run, whose
// code is the linker's choice among all sources'.
#include "emulation/thread_block.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "emulation/fiber.hpp"

namespace weft::emulation {
namespace {

[[noreturn]] void fail(const char* format, const char* a, const char* b, unsigned thread) {
  std::fprintf(stderr, format, a, b, thread, blockIdx.x);
  std::fputc('\n', stderr);
  std::abort();
}

constexpr std::uint32_t kMostThreads = 1024;

// Threads by their numbers, in the order in which they came.
class ThreadList {
 public:
  [[nodiscard]] std::uint32_t size() const { return size_; }
  [[nodiscard]] unsigned front() const { return threads_[begin_ % kMostThreads]; }
  void push(unsigned thread) { threads_[(begin_ + size_++) % kMostThreads] = thread; }
  // Takes out the i-th; those behind it may change places.
  unsigned take(std::uint32_t i) {
    const unsigned thread = threads_[(begin_ + i) % kMostThreads];
    size_--;
    if (i == 0)
      begin_++;
    else
      threads_[(begin_ + i) % kMostThreads] = threads_[(begin_ + size_) % kMostThreads];
    return thread;
  }

 private:
  std::array<unsigned, kMostThreads> threads_{};
  std::uint32_t begin_ = 0, size_ = 0;
};

// Threads that have arrived where they wait for each other. A thread may be at the next meeting before another one has
// read what this one gave; two sets of values are enough, for nobody gets to the one after that.
struct Meeting {
  const char* what = nullptr;
  std::uint32_t turn = 0;
  bool all = true;
  std::array<bool, 2> answers{};
  std::array<Values, 2> values{};
  ThreadList waiting;
};

// Copies that are under way, and those that have been ordered but not closed yet.
struct CopyGroup {
  std::array<AsyncCopy, 4> copies{};
  std::size_t count = 0;
};

struct Thread {
  std::unique_ptr<Fiber> fiber;
  Dim index;
  std::array<CopyGroup, 8> groups{};  // the last ones; older ones have landed
  std::size_t closed = 0, landed = 0;
  CopyGroup& group(std::size_t number) { return groups[number % groups.size()]; }
};

// The threads of one host thread, which are used again for every thread block.
class Block {
 public:
  void run(std::uint32_t threads, const std::function<void()>& f) {
    body_ = &f;
    while (threads_.size() < threads) threads_.push_back(make_thread());
    left_ = threads;
    left_of_warp_.assign((threads + kWarp - 1) / kWarp, kWarp);
    if (threads % kWarp != 0) left_of_warp_.back() = threads % kWarp;
    warps_.resize(left_of_warp_.size());
    for (unsigned i = 0; i < threads; i++) {
      threads_[i]->index.x = i;
      ready_.push(i);
    }
    release(&all_);
    order_ = static_cast<Order>(launches_++ % 3);
    while (left_ > 0) {
      if (ready_.size() == 0) say_who_waits();
      current_ = take_ready();
      threadIdx = threads_[current_]->index;
      threads_[current_]->fiber->enter();
    }
    acquire(&all_);
  }

  const Values& meet_warp(const char* what, std::uint32_t value) {
    const unsigned warp = current_ / kWarp;
    Meeting& meeting = warps_[warp];
    const std::uint32_t turn = meeting.turn;
    if (meeting.waiting.size() == 0) meeting.values[turn] = {};
    meeting.values[turn][current_ % kWarp] = value;
    arrive(meeting, what, left_of_warp_[warp]);
    return meeting.values[turn];
  }

  void sync_warp() {
    Meeting& meeting = warps_[current_ / kWarp];
    release(&meeting);
    (void)meet_warp("__syncwarp", 0);
    acquire(&meeting);
  }

  bool meet_block(const char* what, bool yes) {
    const std::uint32_t turn = all_.turn;
    if (all_.waiting.size() == 0) all_.all = true;
    all_.all = all_.all && yes;
    all_.answers[turn] = all_.all;
    release(&all_);
    arrive(all_, what, left_);
    acquire(&all_);
    return all_.answers[turn];
  }

  Thread& current() { return *threads_[current_]; }
  bool toss() { return (random_() & 1) != 0; }

 private:
  enum class Order { kLastFirst, kFirstFirst, kAny };

  std::unique_ptr<Thread> make_thread() {
    auto thread = std::make_unique<Thread>();
    thread->fiber = std::make_unique<Fiber>([this] {
      acquire(&all_);
      (*body_)();
      end_of_thread();
    });
    return thread;
  }

  void arrive(Meeting& meeting, const char* what, std::uint32_t expected) {
    if (meeting.waiting.size() == 0) meeting.what = what;
    if (std::strcmp(meeting.what, what) != 0)
      fail("emulation: threads that must act together are in %s and in %s (thread %u of thread block %u)", meeting.what,
           what, current_);
    meeting.waiting.push(current_);
    if (meeting.waiting.size() == expected) let_go(meeting);
    current().fiber->leave();
  }

  void let_go(Meeting& meeting) {
    while (meeting.waiting.size() > 0) ready_.push(meeting.waiting.take(0));
    meeting.turn ^= 1;
  }

  // Those that are left may have waited for nobody but this one.
  void end_of_thread() {
    close_copies();
    wait_for_copies(0);
    Meeting& warp = warps_[current_ / kWarp];
    left_--;
    if (--left_of_warp_[current_ / kWarp] > 0 && warp.waiting.size() == left_of_warp_[current_ / kWarp]) let_go(warp);
    if (left_ > 0 && all_.waiting.size() == left_) let_go(all_);
    release(&all_);
  }

  unsigned take_ready() {
    switch (order_) {
      case Order::kFirstFirst:
        return ready_.take(0);
      case Order::kLastFirst:
        return ready_.take(ready_.size() - 1);
      default:
        return ready_.take(static_cast<std::uint32_t>(random_() % ready_.size()));
    }
  }

  [[noreturn]] void say_who_waits() {
    for (const Meeting& meeting : warps_)
      if (meeting.waiting.size() > 0)
        fail("emulation: %s waits for lanes that are not coming%s (thread %u of thread block %u)", meeting.what, "",
             meeting.waiting.front());
    fail("emulation: %s waits for threads that are not coming%s (thread %u of thread block %u)", all_.what, "",
         all_.waiting.front());
  }

  const std::function<void()>* body_ = nullptr;
  std::vector<std::unique_ptr<Thread>> threads_;
  std::vector<Meeting> warps_;
  Meeting all_;
  std::vector<std::uint32_t> left_of_warp_;
  std::uint32_t left_ = 0;
  ThreadList ready_;
  unsigned current_ = 0;
  Order order_ = Order::kLastFirst;
  std::uint32_t launches_ = 0;
  std::minstd_rand random_{1};
};

Block& block() {
  static thread_local Block mine;
  return mine;
}

void land(CopyGroup& group) {
  for (std::size_t i = 0; i < group.count; i++) {
    const AsyncCopy& copy = group.copies[i];
    std::memcpy(copy.to, copy.from, copy.n);
    std::memset(static_cast<std::byte*>(copy.to) + copy.n, 0, copy.zeros);
  }
  group.count = 0;
}

}  // namespace

const Values& meet_warp(const char* what, std::uint32_t value) { return block().meet_warp(what, value); }
void sync_warp() { block().sync_warp(); }
bool meet_block(const char* what, bool yes) { return block().meet_block(what, yes); }

void order_copy(const AsyncCopy& copy) {
  Thread& thread = block().current();
  CopyGroup& open = thread.group(thread.closed);
  if (open.count == open.copies.size()) std::abort();
  open.copies[open.count++] = copy;
}

// Some arrive at once, the others as late as they may.
void close_copies() {
  Thread& thread = block().current();
  if (block().toss()) land(thread.group(thread.closed));
  thread.closed++;
  wait_for_copies(thread.groups.size() - 1);
}

void wait_for_copies(std::size_t groups_left) {
  Thread& thread = block().current();
  while (thread.closed - thread.landed > groups_left) land(thread.group(thread.landed++));
}

void run_grid(std::uint32_t blocks, std::uint32_t threads, const std::function<void()>& f) {
  std::vector<std::uint32_t> order(blocks);
  std::iota(order.begin(), order.end(), 0u);
  static std::atomic<std::uint32_t> launches{0};
  std::shuffle(order.begin(), order.end(), std::minstd_rand(launches++));
  gridDim = {blocks, 1, 1};
  blockDim = {threads, 1, 1};
  for (const std::uint32_t b : order) {
    blockIdx.x = b;
    block().run(threads, f);
  }
}

}  // namespace weft::emulation
