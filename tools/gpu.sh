#!/usr/bin/env bash
# Builds for the GPU of this machine, tests and times the kernels on it, and writes FOLDER/gpu.json.
# Needs no network once the packages are there; ends well within nine minutes. usage: gpu.sh FOLDER
set -euo pipefail
source tools/common.sh

(($# == 1)) || die "usage: ./dev gpu FOLDER"
out=$1
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader >/dev/null 2>&1 ||
  die "No NVIDIA GPU was found on this machine (nvidia-smi does not answer). ./dev test checks that the kernels compile."
mkdir -p "$out"
need "${BUILD_PACKAGES[@]}"

IFS=, read -r name capability < <(nvidia-smi --query-gpu=name,compute_cap --format=csv,noheader | head -n 1)
say "building for $name, compute capability$capability"
started=$SECONDS
configure gpu "-DCMAKE_CUDA_ARCHITECTURES=$(tr -d ' .' <<<"$capability")-real"
cmake --build build/gpu -j "$JOBS" --target weft_cuda_tests weft_cuda_bench
built=$((SECONDS - started))

# What fails is in the report too, so nothing below stops the script.
tests=build/gpu/tests/cuda/weft_cuda_tests
status=0
say "tests"
timeout 120 "$tests" --gtest_brief=1 --gtest_output="json:$out/tests.json" || status=1
sanitizer=$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)
if [[ -x $sanitizer ]]; then
  for tool in memcheck racecheck; do
    say "tests under compute-sanitizer, $tool"
    result=passed
    timeout 100 "$sanitizer" --tool "$tool" --error-exitcode 9 "$tests" --gtest_brief=1 \
      --gtest_filter='-*ManyJobs*' >"$out/$tool.txt" 2>&1 || result="failed with exit code $?"
    echo "$result" >"$out/$tool.result"
    if [[ $result != passed ]]; then
      tail -n 20 "$out/$tool.txt"
      status=1
    fi
  done
else
  say "compute-sanitizer is not installed; left out"
fi
say "throughput of the thin kernels"
timeout 100 build/gpu/bench/cuda/weft_cuda_bench >"$out/bench.json" || status=1

"$PYTHON" tools/gpu_report.py "$out" "$built" "$(git rev-parse HEAD 2>/dev/null || echo unknown)" || status=1
say "wrote $out/gpu.json"
exit $status
