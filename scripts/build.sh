#!/usr/bin/env bash
# Builds the extension in place (minitorch/_C*.so) for work on the sources. One build at a time on a
# machine; ccache is used where it is installed.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
exec 9>"${TMPDIR:-/tmp}/minitorch-build.lock"
flock 9
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
[ -f build/dev/build.ninja ] || cmake -S . -B build/dev -G Ninja -DPython_EXECUTABLE="$("$python" -c 'import sys; print(sys.executable)')" \
  -DCMAKE_LIBRARY_OUTPUT_DIRECTORY="$PWD/minitorch" "$@" >/dev/null
cmake --build build/dev
