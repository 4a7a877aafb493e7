#!/usr/bin/env bash
# Runs the fuzz targets from their seeds. usage: fuzz.sh [SECONDS] [NAME...]
set -euo pipefail
source tools/common.sh

seconds=60
if [[ ${1:-} =~ ^[0-9]+$ ]]; then
  seconds=$1
  shift
fi

need "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
configure fuzz
names=("$@")
if ((${#names[@]} == 0)); then
  for source in tests/fuzz/*_fuzz.cpp; do
    [[ -e $source ]] && names+=("$(basename "$source" _fuzz.cpp)")
  done
fi
((${#names[@]} > 0)) || { say "no fuzz targets in tests/fuzz"; exit 0; }
cmake --build build/fuzz -j "$JOBS" --target "${names[@]/%/_fuzz}"

# One target per processor at a time. What is found new stays in build/, what fails is left there and named.
fuzz_one() {
  local name=$1 work=build/fuzz/corpus/$1 seeds=tests/fuzz/corpus/$1 log=build/fuzz/$1.log
  mkdir -p "$work"
  [[ -d $seeds ]] || seeds=
  if "build/fuzz/tests/fuzz/${name}_fuzz" -max_total_time="$2" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/$name-" "$work" $seeds >"$log" 2>&1; then
    printf '   %-20s %s runs, %s MB at most\n' "$name" "$(awk '/number_of_executed_units/ {print $2}' "$log")" \
      "$(awk '/peak_rss_mb/ {print $2}' "$log")"
  else
    tail -n 40 "$log"
    printf 'error: %s_fuzz failed; its input is build/fuzz/%s-*\n' "$name" "$name"
    return 1
  fi
}
export -f fuzz_one
say "fuzzing ${#names[@]} targets for $seconds s each"
printf '%s\n' "${names[@]}" | xargs -P "$JOBS" -I{} bash -c 'fuzz_one "$1" "$2"' _ {} "$seconds"
