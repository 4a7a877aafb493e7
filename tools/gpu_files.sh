#!/usr/bin/env bash
# Whole runs of the program on the GPU, for gpu.sh: archives are those of the CPU, goldens restore their bytes, a damaged
# one is an error. Prints what is wrong, and fails then. usage: gpu_files.sh golden PROCESSES | archive FILE | damaged | saved EXAMPLE
# In the environment: $weft, a folder $work, and $slow, which the time limits are multiplied by.
set -uo pipefail

# weft takes a plain SIGTERM for a wish, hence -k; and whoever ends this script has to reach it, hence --foreground.
try() {
  local code=0
  timeout --foreground -k 2 $((20 * slow)) "$@" || code=$?
  ((code != 124 && code != 137)) || echo "timed out: $*"
  return "$code"
}

wrong=0
complain() {
  echo "$1"
  wrong=1
}

golden() {
  printf '%s\n' tests/golden/*.weft | xargs -P "$1" -I{} bash "$0" archive {}
}

archive() {
  local original=${1%.weft} own preset
  own=$(mktemp -d "$work/XXXXXX")
  [[ -e $original ]] || original=$original.safetensors
  { try "$weft" decompress "$1" -o "$own/restored" -f -q --device cuda && diff -r "$own/restored" "$original"; } ||
    complain "$1 does not restore its bytes"
  for preset in lossless balanced small lut4 deep-compression; do
    { try "$weft" compress "$original" -c "$preset" -o "$own/cpu.weft" -f -q --device cpu &&
      try "$weft" compress "$original" -c "$preset" -o "$own/gpu.weft" -f -q --device cuda &&
      cmp "$own/cpu.weft" "$own/gpu.weft"; } || complain "$original with $preset gives another archive"
  done
}

damaged() {
  local file=$work/damaged.weft code=0
  cp tests/golden/large_blocks.weft "$file"
  printf '\xff\xff\xff\xff' | dd of="$file" bs=1 seek=3000 conv=notrunc status=none
  try "$weft" verify "$file" --device cuda -q 2>&1 | tee "$work/message" || code=$?
  { ((code == 3)) && grep -q 'tensor .*, block ' "$work/message"; } ||
    complain "a damaged archive ends with exit code $code"
}

saved() {
  { try "$1" "$work/saved.weft" && try "$weft" verify "$work/saved.weft" --device cpu -q; } ||
    complain "saving from the device fails"
}

"$@" || exit 1
exit "$wrong"
