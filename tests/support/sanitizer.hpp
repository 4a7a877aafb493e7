// Whether these tests run under a sanitizer: one that changes how much memory a process takes, or the one for threads.
#pragma once

namespace weft::testing {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
inline constexpr bool kSanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
inline constexpr bool kSanitized = false;
#endif

#if defined(__SANITIZE_THREAD__)
inline constexpr bool kThreadSanitized = true;
#else
inline constexpr bool kThreadSanitized = false;
#endif

// For loops over many cases of the same code: sanitizers take 5 to 20 times as long, and a part of the cases shows them what
// they look for.
inline constexpr unsigned kEvery = kSanitized ? 5 : 1;

}  // namespace weft::testing
