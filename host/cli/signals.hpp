// SIGINT, SIGTERM and SIGHUP end a run cleanly: the engine sees the flag, removes its temporary files and throws
// Error(kInterrupted). A second signal of the same kind kills at once.
#pragma once

#include <atomic>

namespace weft::cli {

// Installs the handlers; returns the flag for RunOptions::cancel.
[[nodiscard]] const std::atomic<bool>* catch_signals();

// The one that came first; 0 before any has.
[[nodiscard]] int caught_signal() noexcept;

}  // namespace weft::cli
