#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Unit and model tests: installs what is missing, builds, runs them in release, then the unit tests again under
# AddressSanitizer and UBSan (what takes long: ctest -L matrix, tests/README.md). Ends with a line "N passed, N failed"; exit 1 if a test failed or could not run.
#   scripts/test.sh [ARGUMENTS OF CTEST]      for example: scripts/test.sh -R graph
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '3,/^set /s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."

jobs=$(nproc)
passed=0
failed=0
export CTEST_OUTPUT_ON_FAILURE=1
export ASAN_OPTIONS=${ASAN_OPTIONS:-malloc_context_size=6}  # of 30 callers, which take a sixth of the time to write down

say() { echo "== $*"; }

# run_ctest FOLDER ARGUMENTS…: adds what passed and failed to the sums. A skipped test counts as failed: setup.sh has just
# installed what tests need.
run_ctest() {
  local folder=$1 log=$1/test.log status=0 total bad skipped
  shift
  ctest --test-dir "$folder" -j"$jobs" --no-tests=ignore "$@" 2>&1 | tee "$log" || status=$?
  read -r bad total < <(sed -n 's/.*, \([0-9]*\) tests\{0,1\} failed out of \([0-9]*\).*/\1 \2/p' "$log" | tail -n 1) ||
    { bad=$((status != 0)) total=$bad; }
  skipped=$(grep -c '\*\*\*Skipped' "$log" || true)
  [[ $skipped == 0 ]] || say "$skipped tests were skipped (see above): they count as failed"
  bad=$((bad + skipped))
  passed=$((passed + total - bad))
  failed=$((failed + bad))
}

build() {
  local preset=$1
  shift
  say "build $preset"
  cmake --preset "$preset" --log-level=WARNING > /dev/null  # where it says what the preset says
  cmake --build --preset "$preset" -j"$jobs" "$@"
}

scripts/setup.sh
build release

say "model"
labels='unit|model'
if ! { scripts/demo_model.sh && scripts/fetch_models.sh minilm; }; then
  say "the model tests cannot run: the demo models could not be fetched or converted (see above)"
  labels=unit
  failed=$((failed + 1))
fi

say "tests, release; beside them the unit tests are built again, under AddressSanitizer and UBSan"
mkdir -p build/asan-ubsan
build asan-ubsan --target openinfer_unit_tests > build/asan-ubsan/build.log 2>&1 &  # no processor waits for a last long test
sanitized=$!
trap 'kill "$sanitized" 2> /dev/null || true' EXIT  # of a run that is interrupted
run_ctest build/release -L "$labels" "$@"
wait "$sanitized" || { tail -n 60 build/asan-ubsan/build.log; say "the sanitized tests do not build: build/asan-ubsan/build.log"; exit 1; }
trap - EXIT

say "unit tests, AddressSanitizer and UBSan"
run_ctest build/asan-ubsan -L unit -LE release_only "$@"

if ((passed + failed == 0)); then
  say "no test matches: $*"
  failed=1
fi
echo "$passed passed, $failed failed"
[[ $failed == 0 ]]
