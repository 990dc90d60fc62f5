#!/usr/bin/env bash
# Builds, tests and measures the CUDA half on a machine with a GPU, offline: with the Python, nvcc,
# CMake, pybind11, pytest and (for the comparison) torch that are installed there.
#
#   bash scripts/gpu_check.sh [build] [test] [sanitize] [bench]      all of them by default
#
# The package goes to build/gpu/package, results and logs to $OUT (build/gpu/results by default): the
# table is printed last and written as compare.json. JOBS, ARCH (an sm number, the GPU's by default)
# and PYTHON may be set. Ten minutes on a large machine are enough for all stages.
set -uo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
JOBS=${JOBS:-$(nproc)}
OUT=${OUT:-$PWD/build/gpu/results}
package=$PWD/build/gpu/package
stages=${*:-build test sanitize bench}
mkdir -p "$OUT" "$package"
failed=()
step() { printf '\n=== %s (%ss)\n' "$1" "$SECONDS"; }
wants() { [[ " $stages " == *" $1 "* ]]; }

if ! command -v nvidia-smi >/dev/null || ! nvidia-smi -L >/dev/null 2>&1; then
  echo "no NVIDIA GPU can be used here: nothing was measured" >&2
  exit 2
fi
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
ARCH=${ARCH:-$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)}
[ "$ARCH" = 90 ] && ARCH=90a

if wants build; then
  step "build for sm_$ARCH"
  cp -r minitorch tests "$package/"
  find "$package" -name '_C*.so' -delete
  isa=$(grep -q avx512f /proc/cpuinfo && echo avx512 || { grep -q avx2 /proc/cpuinfo && echo avx2; })
  generator=(); command -v ninja >/dev/null && generator=(-G Ninja)
  cmake -S . -B build/gpu/tree "${generator[@]}" -DMINITORCH_CUDA=ON -DMINITORCH_BENCH=ON -DMINITORCH_CUDA_ARCHITECTURES="$ARCH-real" \
    ${isa:+-DMINITORCH_ONLY_ISA=$isa} -DPython_EXECUTABLE="$("$PYTHON" -c 'import sys; print(sys.executable)')" \
    -DCMAKE_LIBRARY_OUTPUT_DIRECTORY="$package/minitorch" >"$OUT/configure.log" 2>&1 &&
    cmake --build build/gpu/tree -j "$JOBS" --target _C minitorch_cuda_bench >"$OUT/build.log" 2>&1 ||
    { tail -n 30 "$OUT/configure.log" "$OUT/build.log"; exit 1; }
fi
root=$PWD
export PYTHONPATH=$package${PYTHONPATH:+:$PYTHONPATH}
cd "$package" || exit 1  # pytest puts the folder above the tests first in the path
"$PYTHON" -c 'import minitorch.cuda as c; print(c.get_device_properties(), c.get_arch_list())' || exit 1

if wants test; then
  step "tests"
  parallel=(); "$PYTHON" -c 'import xdist' 2>/dev/null && parallel=(-n 6)
  timeout 240 "$PYTHON" -m pytest -q -p no:cacheprovider -o addopts= "${parallel[@]}" tests/ops tests/cuda tests/test_dlpack.py \
    -k "cuda or gpu" >"$OUT/tests.log" 2>&1 || failed+=(tests)
  grep -E "^(FAILED|ERROR)" "$OUT/tests.log" | cut -c1-160 | head -n 40
  tail -n 1 "$OUT/tests.log"
fi

if wants sanitize && command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck; do
    step "compute-sanitizer $tool"
    timeout 100 compute-sanitizer --tool "$tool" --error-exitcode 9 "$PYTHON" -m pytest -q -x -p no:cacheprovider -o addopts= \
      tests/ops/test_softmax.py tests/ops/test_gemm.py tests/ops/test_attention.py tests/ops/test_reduce.py \
      tests/ops/test_conv.py tests/ops/test_sort.py tests/ops/test_topk.py \
      -k "test_cuda and not gradient" >"$OUT/$tool.log" 2>&1
    code=$?
    [ $code = 0 ] || { [ $code = 124 ] && echo "stopped after 100 s"; } || failed+=("$tool")
    grep -E "ERROR SUMMARY|RACECHECK SUMMARY|passed|failed" "$OUT/$tool.log" | tail -n 3
  done
fi

if wants bench; then
  step "microbenchmarks of the kernels"
  timeout 150 "$root/build/gpu/tree/minitorch_cuda_bench" --seconds 120 --json "$OUT/kernels.json" >"$OUT/kernels.txt" 2>&1 ||
    failed+=(kernels)
  cat "$OUT/kernels.txt"
  step "comparison with PyTorch"
  timeout 260 "$PYTHON" "$root/benchmarks/cuda_compare.py" --json "$OUT/compare.json" 2>"$OUT/compare.err" | tee "$OUT/compare.txt"
  [ "${PIPESTATUS[0]}" = 0 ] || { tail -n 5 "$OUT/compare.err"; failed+=(bench); }
fi

step "done: ${failed[*]:-nothing} failed"
[ ${#failed[@]} = 0 ]
