#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs libFuzzer targets: scripts/fuzz.sh [TARGET] [SECONDS]
# TARGET is X of tests/fuzz/X_fuzz.cpp (default: each), SECONDS the time for each (default 60). New inputs go to
# build/fuzz/corpus/X; a crash is left in build/fuzz/crashes and its input printed. `graphs` is no such target: it makes random
# graphs (tests/random) from OPENINFER_SEED on; a failure prints its seed. Examples:
#   scripts/fuzz.sh                     scripts/fuzz.sh opnf_reader 600                     scripts/fuzz.sh graphs 600
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '3,7s/^# //p' "$0"; exit 0 ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${1:-all}
seconds=${2:-60}
[[ $seconds =~ ^[0-9]+$ ]] || { echo "fuzz.sh: error: SECONDS is a number, not '$seconds'" >&2; exit 2; }
if [[ $target == graphs ]]; then
  cmake --preset release >/dev/null
  cmake --build --preset release --target random_tests
  echo "fuzz.sh: graphs for $seconds s" >&2
  OPENINFER_SECONDS=$seconds exec build/release/bin/random_tests "[.fuzz]"
fi
targets=()
for source in tests/fuzz/*_fuzz.cpp; do
  name=$(basename "$source" _fuzz.cpp)
  [[ $target == all || $target == "$name" ]] && targets+=("$name")
done
[[ ${#targets[@]} -gt 0 ]] || { echo "fuzz.sh: error: there is no tests/fuzz/${target}_fuzz.cpp; \`graphs\` makes random graphs" >&2; exit 2; }

cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --target "${targets[@]/%/_fuzz}"
mkdir -p build/fuzz/crashes
for name in "${targets[@]}"; do
  mkdir -p "build/fuzz/corpus/$name"
  echo "fuzz.sh: $name for $seconds s" >&2
  "build/fuzz/bin/${name}_fuzz" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/crashes/$name-" "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name"
done
