#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From a fresh clone to a language model's answer: installs what is missing, builds, fetches SmolLM2-135M-Instruct,
# converts it to a package, asks it a question. A second run redoes only what changed.
#   scripts/quickstart.sh [QUESTION]
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '3,/^set /s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
export LC_ALL=C  # EPOCHREALTIME and awk with a decimal point
cd "$(dirname "${BASH_SOURCE[0]}")/.."

question=${1:-What is gravity?}
command=build/release/bin/openinfer
package=build/models/smollm2.oinf
summary=()

# step NAME COMMAND…: runs it, and keeps how long it took.
step() {
  local name=$1 start=$EPOCHREALTIME
  shift
  echo "== $name" >&2
  "$@" >&2
  summary+=("$(awk -v a="$start" -v b="$EPOCHREALTIME" -v n="$name" 'BEGIN { printf "%-24s %8.1f s", n, b - a }')")
}

build() {
  cmake --preset release -DOPENINFER_CLI=ON -DOPENINFER_EXAMPLES=ON --log-level=WARNING
  cmake --build --preset release -j"$(nproc)" --target openinfer_command openinfer_examples
}

# The page that the README points to: examples/03_llama.cpp.
answer() {
  build/release/bin/example_03_llama "$package" "$question" 96 | tee build/models/answer.txt
}

size() { du -hL --apparent-size "$1" | cut -f 1; }

step "installed" scripts/setup.sh
step "built" build
step "model fetched, converted" scripts/demo_model.sh
step "question answered" answer

checkpoint=$(find build/models/smollm2 -name '*.gguf' | head -n 1)
cat <<EOF

Question: $question
Answer:   $(cat build/models/answer.txt)

What happened:
$(printf '  %s\n' "${summary[@]}")
Where things are:
  command     $command ($(size "$command"))
  checkpoint  $checkpoint ($(size "$checkpoint"))
  package     $package ($(size "$package"))
  examples    build/release/bin/example_*
Try next:
  $command run $package --chat
  $command inspect $package
  $command graph $package --text
EOF
