#!/usr/bin/env bash
# Runs the tests of the emulated GPU with the kernels' PTX, as nvcc makes it for sm_90 (tests/ptx): instructions, addresses and
# inline assembly as a GPU's driver gets them. usage: ptx.sh [FILTER]
# Without a FILTER of tests it is those that launch kernels, ten minutes on one processor; WEFT_TEST_SEGMENTS=20 takes
# fewer random segments.
set -euo pipefail
source tools/common.sh

DEFAULT='*Cuda*:*ResidentRows*:*TensorEncoder*:*EngineDevice*:*LargeModels*:*Steps*'

(($# <= 1)) || die "usage: ./dev ptx [FILTER]"
need "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
configure release
cmake --build build/release -j "$JOBS" --target weft_emulated_tests weft_ptx ||
  die "the kernels' PTX wants a CUDA toolkit: install one, or set CUDA_HOME"
folder=build/release/ptx tests=build/release/tests/emulation/weft_emulated_tests
rm -rf "$folder"
mkdir -p "$folder"
find build/release/CMakeFiles/weft_ptx.dir -name '*.ptx' -exec cp {} "$folder/" \;
nm "$tests" >"$folder/symbols"
WEFT_PTX=$folder "$tests" --gtest_filter="${1:-$DEFAULT}"
