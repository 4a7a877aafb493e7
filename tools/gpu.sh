#!/usr/bin/env bash
# Builds for the GPU of this machine, tests the CUDA backend and times its kernels on it, and writes FOLDER/gpu.json, and what
# was printed to FOLDER/gpu.log. Needs no network once the packages are there. usage: gpu.sh FOLDER [PACKED]
# Without a GPU, `gpu.sh --rehearse FOLDER` does the same on the emulated one (tests/emulation), with a benchmark on little data.
# For a GPU machine that has neither the packages nor a network, `gpu.sh --pack PACKED` builds the programs elsewhere, for
# sm_90 (WEFT_GPU_ARCHITECTURES names others, as CMake does), and leaves them in a folder that is then taken along.
#
# Some kernels run for the first time, and one that fails or hangs must not cost the results of the others. So everything
# is done in parts, each a process with a time limit, and gpu.json is written again after every part.
# Once built, it ends within nine minutes, come what may: tests have 170 s, the same with few thread blocks 45 s, archives
# 130 s, the benchmark 140 s, and failed tests once more and compute-sanitizer what is left of 510 s. Each stage can be late
# by the 5 s that a process has to end.
set -euo pipefail
source tools/common.sh

TARGETS=(weft_gpu_tests weft_cuda_bench weft_cli layer_by_layer save_from_device)
PROGRAMS=(weft tests/cuda/weft_gpu_tests bench/cuda/weft_cuda_bench examples/layer_by_layer examples/save_from_device)
EMULATED=(emulated_weft weft_emulated_tests emulated_bench emulated_layer_by_layer emulated_save_from_device)
ALL_SECONDS=510

this_commit() { git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null || echo unknown; }

if [[ ${1:-} == --pack ]]; then
  (($# == 2)) || die "usage: ./dev gpu --pack PACKED"
  need "${BUILD_PACKAGES[@]}"
  architectures=${WEFT_GPU_ARCHITECTURES:-90-real}
  say "packing for the architectures $architectures (WEFT_GPU_ARCHITECTURES names others)"
  configure gpu "-DCMAKE_CUDA_ARCHITECTURES=$architectures"
  cmake --build build/gpu -j "$JOBS" --target "${TARGETS[@]}"
  for program in "${PROGRAMS[@]}"; do
    install -D -s "build/gpu/$program" "$2/$program"
    # Other systems have another libfmt, or none.
    ldd "build/gpu/$program" | awk '/libfmt/ { print $3 }' | xargs -I{} cp {} "$2/"
  done
  this_commit >"$2/commit"
  # Both travel to a machine that is lent, which takes so much and no more.
  most=64
  tree=$({ git ls-files -co --exclude-standard -z | xargs -0 stat -c %s || true; } 2>/dev/null |
    awk '{ n += $1 } END { print n + 0 }')
  packed=$(du -sb "$2" | cut -f 1)
  say "packed into $2: $(((packed >> 20) + 1)) MiB, and $(((tree >> 20) + 1)) MiB of sources; at most $most MiB can travel"
  ((packed + tree <= most << 20)) || die "that is more than $most MiB; name fewer architectures"
  exit
fi

rehearse=no slow=1
if [[ ${1:-} == --rehearse ]]; then
  rehearse=yes slow=6
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
ask_gpu() { timeout -k 5 30 nvidia-smi "--query-gpu=$1" --format=csv,noheader 2>/dev/null; }
name="the emulated GPU" capability=" 9.0" driver=none mode=Default
if [[ $rehearse == no ]]; then
  IFS=, read -r name capability driver mode < <(ask_gpu name,compute_cap,driver_version,compute_mode | head -n 1) ||
    die "No NVIDIA GPU was found on this machine (nvidia-smi does not answer). ./dev test checks that the kernels compile."
fi
mkdir -p "$out"
out=$(realpath "$out")

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
# What is packed may be older than the sources beside it, which may have come without their history.
commit=$(cat "$programs/commit" 2>/dev/null || this_commit)
export WEFT_SOURCE_DIR=$PWD WEFT_CLI_PATH
WEFT_CLI_PATH=$(realpath "$programs/weft")
facts=("commit=$commit" "driver=${driver# }" "build_seconds=$((SECONDS - started))")

export weft=$programs/weft work slow
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/parts"
: >"$out/gpu.log"
status=0 parts=0
last=$((SECONDS + ALL_SECONDS * slow)) end=0

# What comes next has so many seconds, altogether.
stage() {
  say "$1"
  end=$((SECONDS + $2 * slow))
  ((end < last)) || end=$last
}

report() { "$PYTHON" tools/gpu_report.py "$out" "$work/parts" "${facts[@]}"; }

# part STAGE NAME SECONDS COMMAND...: runs it within the time limit, and leaves a folder for the report: what it is and how
# it ended, its output and its JSON, whose path stands in for {json}. What fails is in the report, and no reason to stop.
# Leaves in `ending` how it ended.
part() {
  local folder code=0 result=passed limit=$(($3 * slow)) begin=$SECONDS
  local about=("$1" "$2")
  shift 3
  parts=$((parts + 1))
  printf -v folder '%s/parts/%03d' "$work" "$parts"
  mkdir "$folder"
  ((limit <= end - begin)) || limit=$((end - begin))
  if ((limit > 0)); then
    timeout -k 5 "$limit" "${@//\{json\}/$folder/result.json}" >"$folder/log" 2>&1 || code=$?
    if ((code == 124 || code == 137 && SECONDS - begin >= limit)); then
      result="timed out after $limit s"
    elif ((code > 128)); then
      result="killed by signal $((code - 128))"
    elif ((code != 0)); then
      result="failed with exit code $code"
    fi
  else
    result="no time left"
    : >"$folder/log"
  fi
  printf '%s\n' "${about[@]}" "$result" "$((SECONDS - begin))" >"$folder/about"
  say "${about[0]}, ${about[1]}: $result, $((SECONDS - begin)) s"
  {
    echo "== ${about[0]}, ${about[1]}: $result"
    tail -c 300000 "$folder/log"
  } >>"$out/gpu.log"
  [[ $result == passed ]] || tail -n 20 "$folder/log"
  report || true
  ending=$result
  [[ $result == passed ]]
}

tests=$programs/tests/cuda/weft_gpu_tests
# Each with the suite before it: suite.test
timeout -k 5 30 "$tests" --gtest_list_tests |
  awk '/^[^ ]+\.( |$)/ { suite = $1 } /^ / { print suite $1 }' >"$work/tests" || status=1
suites_like() { sed 's/[.].*/./' "$work/tests" | grep -E "$1" | uniq || true; }
run_suites() { # STAGE SUITE...
  local stage=$1 suite
  shift
  for suite in "$@"; do
    part "$stage" "$suite" 40 "$tests" --gtest_output=json:{json} --gtest_filter="$suite*" ||
      failed+=("$stage $suite")
  done
}
failed=()
[[ $rehearse == no ]] || export WEFT_TEST_SEGMENTS=${WEFT_TEST_SEGMENTS:-100}
stage "tests" 170
run_suites tests $(suites_like ^Devices/) $(suites_like '^[^/]*$')
# The emulated GPU is small, so persistent grids go round in its tests; on a large one they do with few thread blocks.
stage "tests with 3 thread blocks" 45
WEFT_MAX_BLOCKS=3 WEFT_TEST_SEGMENTS=${WEFT_TEST_SEGMENTS:-300} run_suites tests_few_blocks \
  $(suites_like '^Devices/Cuda(Backend|Trellis)') $(suites_like '^Devices/Cuda[^BT]')

stage "archives through the program" 130
# Starting CUDA a hundred times takes longer than the rest, so several do it at once, if the GPU lets them.
processes=4
[[ ${mode# } == Default ]] || processes=1
part files "golden archives" 100 bash tools/gpu_files.sh golden "$processes" || status=1
part files "a damaged archive" 20 bash tools/gpu_files.sh damaged || status=1
part files "layer by layer" 20 "$programs/examples/layer_by_layer" tests/golden/large_blocks.weft || status=1
part files "save from the device" 20 bash tools/gpu_files.sh saved "$programs/examples/save_from_device" || status=1

stage "throughput of the kernels" 140
bench=$programs/bench/cuda/weft_cuda_bench
options=()
[[ $rehearse == no ]] || options=(--rehearse)
for section in $("$bench" --list); do
  part bench "$section" 30 "$bench" "${options[@]}" --json {json} "$section" || status=1
done

if ((${#failed[@]} > 0)); then
  status=1
  # After a fault of a kernel, CUDA answers nothing else in that process, so later tests failed without a reason of their own.
  stage "tests of the suites that failed, one by one" 100
  for entry in "${failed[@]}"; do
    read -r kind suite <<<"$entry"
    blocks=()
    [[ $kind == tests ]] || blocks=(env WEFT_MAX_BLOCKS=3)
    for test in $(awk -v suite="$suite" 'index($0, suite) == 1' "$work/tests"); do
      part "$kind" "$test" 20 "${blocks[@]}" "$tests" --gtest_output=json:{json} --gtest_filter="$test" || true
    done
  done
fi

sanitizer=$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)
if [[ -x $sanitizer && $rehearse == no ]]; then
  stage "tests under compute-sanitizer" "$ALL_SECONDS"
  export WEFT_TEST_SEGMENTS=20
  for tool in memcheck racecheck; do
    for filter in 'Devices/CudaBackend.*/gpu0:Devices/CudaClustering.*TheCpu*/gpu0:-*TheClusters*:*TheVectors*' \
      'Devices/CudaTrellisDecode.*/gpu0:Devices/CudaTrellis.EncodesAnyBits/gpu0'; do
      # It is slow: running out of time is no failure of the tests.
      part sanitizer "$tool ${filter%%:*}" 60 "$sanitizer" --tool "$tool" --error-exitcode 9 "$tests" \
        --gtest_filter="$filter" || [[ $ending == "timed out"* || $ending == "no time"* ]] || status=1
    done
  done
else
  say "compute-sanitizer is not here, or has no GPU; left out"
fi

report || status=1
say "wrote $out/gpu.json and $out/gpu.log"
exit $status
