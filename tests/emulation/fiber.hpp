// A function that runs until it leaves, and goes on where it left when it is entered again.
//
// Sanitizers are told of every switch, if they are there. To ThreadSanitizer a fiber is a thread, and a switch puts
// nothing in order: release() and acquire() do.
#pragma once

#include <boost/context/fiber.hpp>
#include <cstddef>
#include <functional>

namespace weft::emulation {

class Fiber {
 public:
  // Once the function has ended, the next enter() calls it again.
  explicit Fiber(std::function<void()> f);
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  ~Fiber();
  // From the host thread that owns it, until it leaves or ends.
  void enter();
  // From inside.
  void leave();

 private:
  class Stack;

  std::function<void()> f_;
  boost::context::fiber inside_, outside_;
  const void *stack_ = nullptr, *outer_stack_ = nullptr;
  std::size_t stack_bytes_ = 0, outer_stack_bytes_ = 0;
  void *fake_stack_ = nullptr, *outer_fake_stack_ = nullptr;  // AddressSanitizer's
  void *thread_ = nullptr, *outer_thread_ = nullptr;          // ThreadSanitizer's
};

// What happened before release(at) comes before what happens after acquire(at).
void release(void* at);
void acquire(void* at);

}  // namespace weft::emulation
