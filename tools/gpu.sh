#!/usr/bin/env bash
# Builds for the GPU of this machine, tests the CUDA backend and times its kernels on it, and writes FOLDER/gpu.json.
# Needs no network once the packages are there; ends well within nine minutes. usage: gpu.sh FOLDER [PACKED]
# Without a GPU, `gpu.sh --rehearse FOLDER` does the same on the emulated one (tests/emulation), with a benchmark on little data.
# For a GPU machine that has neither the packages nor a network, `gpu.sh --pack PACKED` builds the programs elsewhere, for
# sm_80 and sm_90, and leaves them in a folder that is then taken along.
set -euo pipefail
source tools/common.sh

TARGETS=(weft_gpu_tests weft_cuda_bench weft_cli layer_by_layer save_from_device)
PROGRAMS=(weft tests/cuda/weft_gpu_tests bench/cuda/weft_cuda_bench examples/layer_by_layer examples/save_from_device)
EMULATED=(emulated_weft weft_emulated_tests emulated_bench emulated_layer_by_layer emulated_save_from_device)

if [[ ${1:-} == --pack ]]; then
  (($# == 2)) || die "usage: ./dev gpu --pack PACKED"
  need "${BUILD_PACKAGES[@]}"
  configure gpu "-DCMAKE_CUDA_ARCHITECTURES=${WEFT_GPU_ARCHITECTURES:-80-real;90-real}"
  cmake --build build/gpu -j "$JOBS" --target "${TARGETS[@]}"
  for program in "${PROGRAMS[@]}"; do
    install -D -s "build/gpu/$program" "$2/$program"
    # Other systems have another libfmt, or none.
    ldd "build/gpu/$program" | awk '/libfmt/ { print $3 }' | xargs -I{} cp {} "$2/"
  done
  say "packed into $2"
  exit
fi

rehearse=no
if [[ ${1:-} == --rehearse ]]; then
  rehearse=yes
  shift
  set -- "${1:-}" build/release/rehearsal
  need "${BUILD_PACKAGES[@]}"
  configure release
  cmake --build build/release -j "$JOBS" --target "${EMULATED[@]}"
  for i in "${!PROGRAMS[@]}"; do
    mkdir -p "$2/$(dirname "${PROGRAMS[i]}")"
    ln -sf "$PWD/build/release/tests/emulation/${EMULATED[i]}" "$2/${PROGRAMS[i]}"
  done
fi
[[ -n ${1:-} ]] && (($# <= 2)) ||
  die "usage: ./dev gpu FOLDER [PACKED], ./dev gpu --pack PACKED, or ./dev gpu --rehearse FOLDER"
out=$1
programs=${2:-build/gpu}
[[ $rehearse == yes ]] || nvidia-smi --query-gpu=name,driver_version --format=csv,noheader >/dev/null 2>&1 ||
  die "No NVIDIA GPU was found on this machine (nvidia-smi does not answer). ./dev test checks that the kernels compile."
mkdir -p "$out"
out=$(realpath "$out")

name="the emulated GPU" capability=" 9.0"
[[ $rehearse == yes ]] ||
  IFS=, read -r name capability < <(nvidia-smi --query-gpu=name,compute_cap --format=csv,noheader | head -n 1)
options=() limit=150  # seconds, of the tests and of the benchmark
[[ $rehearse == no ]] || options=(--rehearse) limit=900 WEFT_TEST_SEGMENTS=100
started=$SECONDS
if (($# == 1)); then
  need "${BUILD_PACKAGES[@]}"
  say "building for $name, compute capability$capability"
  configure gpu "-DCMAKE_CUDA_ARCHITECTURES=$(tr -d ' .' <<<"$capability")-real"
  cmake --build build/gpu -j "$JOBS" --target "${TARGETS[@]}"
else
  say "running what is in $2 on $name, compute capability$capability"
  export LD_LIBRARY_PATH=$(realpath "$2")${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
fi
export WEFT_SOURCE_DIR=$PWD WEFT_CLI_PATH ${WEFT_TEST_SEGMENTS:+WEFT_TEST_SEGMENTS}
WEFT_CLI_PATH=$(realpath "$programs/weft")
built=$((SECONDS - started))

# What fails is in the report too, so nothing below stops the script.
tests=$programs/tests/cuda/weft_gpu_tests
status=0
say "tests"
timeout "$limit" "$tests" --gtest_brief=1 --gtest_output="json:$out/tests.json" || status=1

# Whole runs of the program: archives are those of the CPU, goldens restore their bytes, a damaged one is an error.
say "archives through the program"
files=passed
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
weft=$programs/weft
differ() {
  echo "$1" >&2
  files="failed: $1"
  status=1
}
# Prints what is wrong with an archive.
check_archive() {
  local archive=$1 original=${1%.weft} own preset
  own=$(mktemp -d "$work/XXXXXX")
  [[ -e $original ]] || original=$original.safetensors
  "$weft" decompress "$archive" -o "$own/restored" -f -q --device cuda &&
    diff -r "$own/restored" "$original" >/dev/null || echo "$archive does not restore its bytes"
  for preset in lossless balanced small lut4 deep-compression; do
    "$weft" compress "$original" -c "$preset" -o "$own/cpu.weft" -f -q --device cpu &&
      "$weft" compress "$original" -c "$preset" -o "$own/gpu.weft" -f -q --device cuda &&
      cmp -s "$own/cpu.weft" "$own/gpu.weft" || echo "$original with $preset gives another archive"
  done
}
export -f check_archive
export weft work
# Starting CUDA a hundred times takes longer than the rest, so several do it at once, if the GPU lets them.
processes=4
[[ $rehearse == yes || $(nvidia-smi --query-gpu=compute_mode --format=csv,noheader | head -n 1) == Default ]] || processes=1
printf '%s\n' tests/golden/*.weft | xargs -P "$processes" -I{} bash -c 'check_archive {}' >"$work/complaints" ||
  echo "not all archives could be checked" >>"$work/complaints"
while read -r complaint; do differ "$complaint"; done <"$work/complaints"
cp tests/golden/large_blocks.weft "$work/damaged.weft"
printf '\xff\xff\xff\xff' | dd of="$work/damaged.weft" bs=1 seek=3000 conv=notrunc status=none
code=0
"$weft" verify "$work/damaged.weft" --device cuda -q 2>"$work/message" || code=$?
[[ $code == 3 ]] && grep -q 'tensor .*, block ' "$work/message" || differ "a damaged archive ends with exit code $code"
"$programs/examples/layer_by_layer" tests/golden/large_blocks.weft || differ "the example fails"
"$programs/examples/save_from_device" "$work/saved.weft" && "$weft" verify "$work/saved.weft" --device cpu -q || differ "saving from the device fails"
echo "$files" >"$out/files.result"

sanitizer=$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)
if [[ -x $sanitizer && $rehearse == no ]]; then
  for tool in memcheck racecheck; do
    say "tests under compute-sanitizer, $tool"
    result=passed
    WEFT_TEST_SEGMENTS=50 timeout 60 "$sanitizer" --tool "$tool" --error-exitcode 9 "$tests" --gtest_brief=1 \
      --gtest_filter='Devices/CudaBackend.*/gpu0:Devices/CudaClustering.*TheCpu*/gpu0:-*TheClusters*:*TheVectors*' >"$out/$tool.txt" 2>&1 || result="failed with exit code $?"
    echo "$result" >"$out/$tool.result"
    if [[ $result != passed ]]; then
      tail -n 20 "$out/$tool.txt"
      status=1
    fi
  done
else
  say "compute-sanitizer is not here, or has no GPU; left out"
fi
say "throughput of the kernels"
timeout "$limit" "$programs/bench/cuda/weft_cuda_bench" "${options[@]}" >"$out/bench.json" || status=1

"$PYTHON" tools/gpu_report.py "$out" "$built" "$(git rev-parse HEAD 2>/dev/null || echo unknown)" || status=1
say "wrote $out/gpu.json"
exit $status
