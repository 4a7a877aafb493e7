#include "cli/signals.hpp"

#include <csignal>

namespace weft::cli {
namespace {

std::atomic<bool> g_cancelled{false};
std::atomic<int> g_signal{0};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free,
              "a signal handler may only touch lock-free atomics");

void on_signal(int signal) {
  int none = 0;
  g_signal.compare_exchange_strong(none, signal);
  g_cancelled.store(true);
}

}  // namespace

const std::atomic<bool>* catch_signals() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before = {};
    // Whoever started us may want a signal ignored, as nohup does with SIGHUP.
    if (sigaction(signal, nullptr, &before) == 0 && before.sa_handler == SIG_IGN) continue;
    struct sigaction action = {};
    action.sa_handler = on_signal;
    action.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, nullptr);
  }
  return &g_cancelled;
}

int caught_signal() noexcept { return g_signal.load(); }

}  // namespace weft::cli
