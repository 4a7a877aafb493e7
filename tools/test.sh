#!/usr/bin/env bash
# Everything that must pass before a change lands. Parts by name, or all of them.
#   unit        the release build and all its tests, by ctest
#   sanitizers  the unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
#   fuzz        every fuzz target for a few seconds, from its seeds (the build of `sanitizers`)
#   tsan        the tests of what has threads, under ThreadSanitizer; those of emulated kernels are among them
#   cuda        only the tests of the CUDA code (`unit` has them too)
set -euo pipefail
source tools/common.sh

FUZZ_SECONDS=5
parts=("$@")
((${#parts[@]} > 0)) || parts=(unit sanitizers fuzz tsan)
summary=()

need "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}"

run_ctest() {
  configure release
  cmake --build build/release -j "$JOBS"
  ctest --test-dir build/release -j "$JOBS" --output-on-failure --no-tests=error "$@" | tee build/release/ctest.log
}

# A process for each processor, not for each test: under a sanitizer, starting a program costs more than most tests.
run_gtest() {
  local build=$1
  configure "$build"
  cmake --build "build/$build" -j "$JOBS"
  local program
  for program in weft_tests emulation/weft_emulated_tests; do
    seq 0 $((JOBS - 1)) | GTEST_TOTAL_SHARDS=$JOBS xargs -P "$JOBS" -I{} \
      env GTEST_SHARD_INDEX={} "build/$build/tests/$program" --gtest_brief=1
  done
}

unit() { run_ctest; }
cuda() { run_ctest -R '[Cc]uda'; }
sanitizers() { run_gtest fuzz; }
# Some tests take so many random segments as are wished for.
tsan() { TSAN_OPTIONS=halt_on_error=1 WEFT_TEST_SEGMENTS=100 run_gtest tsan; }
fuzz() { bash tools/fuzz.sh "$FUZZ_SECONDS"; }

for part in "${parts[@]}"; do
  case $part in
    unit | sanitizers | fuzz | tsan | cuda) ;;
    asan) part=sanitizers ;;
    *) die "no such part of the tests: $part (unit, sanitizers, fuzz, tsan, cuda)" ;;
  esac
  say "test: $part"
  started=$SECONDS
  "$part"
  summary+=("$part passed in $((SECONDS - started)) s")
done

printf '== %s\n' "${summary[@]}"
# ctest's closing lines once more, where they are looked for.
[[ -f build/release/ctest.log ]] && grep -E 'tests passed|Total Test time' build/release/ctest.log || true
