// Compiled without sanitizers, for it runs between their threads.
#include "emulation/fiber.hpp"

#include <boost/context/protected_fixedsize_stack.hpp>
#include <memory>
#include <utility>

// Sanitizers' own, by the names in <sanitizer/common_interface_defs.h> and <sanitizer/tsan_interface.h>; null without them.
extern "C" {
[[gnu::weak]] void __sanitizer_start_switch_fiber(void** fake_stack, const void* stack, std::size_t bytes);
[[gnu::weak]] void __sanitizer_finish_switch_fiber(void* fake_stack, const void** old_stack, std::size_t* old_bytes);
[[gnu::weak]] void* __tsan_get_current_fiber();
[[gnu::weak]] void* __tsan_create_fiber(unsigned flags);
[[gnu::weak]] void __tsan_destroy_fiber(void* fiber);
[[gnu::weak]] void __tsan_switch_to_fiber(void* fiber, unsigned flags);
[[gnu::weak]] void __tsan_acquire(void* at);
[[gnu::weak]] void __tsan_release(void* at);
}

namespace weft::emulation {
namespace {

constexpr std::size_t kStackBytes = 256 << 10;
constexpr unsigned kOrdersNothing = 1;

void start_switch(void** fake_stack, const void* stack, std::size_t bytes, void* thread) {
  if (__sanitizer_start_switch_fiber != nullptr) __sanitizer_start_switch_fiber(fake_stack, stack, bytes);
  if (__tsan_switch_to_fiber != nullptr) __tsan_switch_to_fiber(thread, kOrdersNothing);
}
void finish_switch(void* fake_stack, const void** old_stack, std::size_t* old_bytes) {
  if (__sanitizer_finish_switch_fiber != nullptr) __sanitizer_finish_switch_fiber(fake_stack, old_stack, old_bytes);
}

}  // namespace

// Ends at a page that nobody may touch, and remembers where it is.
class Fiber::Stack {
 public:
  explicit Stack(Fiber& fiber) : fiber_(&fiber) {}
  boost::context::stack_context allocate() {
    boost::context::stack_context context = memory_.allocate();
    fiber_->stack_ = static_cast<std::byte*>(context.sp) - context.size;
    fiber_->stack_bytes_ = context.size;
    return context;
  }
  void deallocate(boost::context::stack_context& context) noexcept { memory_.deallocate(context); }

 private:
  Fiber* fiber_;
  boost::context::protected_fixedsize_stack memory_{kStackBytes};
};

Fiber::Fiber(std::function<void()> f) : f_(std::move(f)) {
  if (__tsan_create_fiber != nullptr) thread_ = __tsan_create_fiber(0);
  inside_ = boost::context::fiber(std::allocator_arg, Stack(*this),
                                  [this](boost::context::fiber&& outside) -> boost::context::fiber {
                                    outside_ = std::move(outside);
                                    finish_switch(nullptr, &outer_stack_, &outer_stack_bytes_);
                                    for (;;) {
                                      f_();
                                      leave();
                                    }
                                  });
}
Fiber::~Fiber() {
  inside_ = {};
  if (__tsan_destroy_fiber != nullptr) __tsan_destroy_fiber(thread_);
}

void Fiber::enter() {
  if (__tsan_get_current_fiber != nullptr) outer_thread_ = __tsan_get_current_fiber();
  start_switch(&outer_fake_stack_, stack_, stack_bytes_, thread_);
  inside_ = std::move(inside_).resume();
  finish_switch(outer_fake_stack_, nullptr, nullptr);
}
void Fiber::leave() {
  start_switch(&fake_stack_, outer_stack_, outer_stack_bytes_, outer_thread_);
  outside_ = std::move(outside_).resume();
  finish_switch(fake_stack_, &outer_stack_, &outer_stack_bytes_);
}

void release(void* at) {
  if (__tsan_release != nullptr) __tsan_release(at);
}
void acquire(void* at) {
  if (__tsan_acquire != nullptr) __tsan_acquire(at);
}

}  // namespace weft::emulation
