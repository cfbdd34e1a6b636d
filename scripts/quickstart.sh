#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From a fresh clone to a language model's answer: installs what is missing, builds, fetches SmolLM2-135M-Instruct,
# converts it to a package, asks it a question; then emits it as C++ for this CPU and as shaders for lavapipe, builds both,
# and compares their tokens with the simulator's. A second run redoes only what changed.
#   scripts/quickstart.sh [QUESTION]
set -euo pipefail
usage() { sed -n '3,/^set /s/^# \{0,1\}//p' "$0"; }
refuse() { echo "quickstart.sh: $1" >&2; usage >&2; exit 2; }
case "${1:-}" in
  -h | --help) usage; exit 0 ;;
  -*) refuse "unknown option $1" ;;
esac
[[ $# -le 1 ]] || refuse "$2 is one argument too many: put the question in quotes"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/steps.sh

question=${1:-What is gravity?}
command=build/release/bin/openinfer
package=build/models/smollm2.oinf
answer_tokens=96  # at most
tokens=24  # that the three streams are compared over
summary=()

# step DONE WHAT COMMAND…: runs it, and keeps how long it took to be DONE.
step() {
  local done=$1 what=$2 start
  shift 2
  start=$(now_us)
  echo "== $what" >&2
  "$@" >&2
  summary+=("$(printf '%-24s %10s' "$done" "$(seconds_since "$start")")")
}

build() {
  # What it prints on stdout is what the preset says; errors and warnings go to stderr.
  timed "configuring build/release" cmake --preset release -DOPENINFER_CLI=ON -DOPENINFER_EXAMPLES=ON --log-level=WARNING > /dev/null
  about="the first time some ten minutes on two cores" timed "compiling the library, the command and the examples" \
    cmake --build --preset release -j"$(nproc)" --target openinfer_command openinfer_examples
}

# The page that the README points to: examples/03_llama.cpp.
answer() {
  build/release/bin/example_03_llama "$package" "$question" "$answer_tokens" | tee build/models/answer.txt
}

# emitted API DEVICE: the model as a program in build/models/smollm2_API.
emitted() {
  local folder=build/models/smollm2_$1
  about="seconds" timed "emitting $folder" "$command" emit "$package" --device "$2" --name smollm2 -o "$folder"
  timed "configuring $folder/b" cmake -S "$folder" -B "$folder/b" > /dev/null
  about="up to a minute if it has changed" timed "compiling $folder/b" cmake --build "$folder/b" -j"$(nproc)" > /dev/null
}

# The same prompt through the simulator and both programs: ids of what each answers, one line each.
streams() {
  local ids run
  ids=$("$command" tokenize "$package" --chat "$question")
  run=(--prompt-ids "$ids" --ignore-eos --ids)
  about="some ten seconds: it is the reference" timed "$tokens tokens in the simulator" \
    "$command" run "$package" --backend sim "${run[@]}" -n "$tokens" > build/models/sim.ids
  timed "$tokens tokens in emitted C++" \
    build/models/smollm2_cpu/b/model "$package" "${run[@]}" --generate "$tokens" > build/models/cpu.ids
  timed "$tokens tokens in emitted shaders" \
    build/models/smollm2_vulkan/b/model "$package" "${run[@]}" --generate "$tokens" > build/models/vulkan.ids
  if ! cmp -s build/models/{sim,cpu}.ids || ! cmp -s build/models/{sim,vulkan}.ids; then
    echo "quickstart: error: the token streams differ: build/models/{sim,cpu,vulkan}.ids" >&2
    return 1
  fi
}

size() { du -hL --apparent-size "$1" | cut -f 1; }

step "installed" "looking for what has to be installed" scripts/setup.sh
step "built" "building" build
step "model fetched, converted" "fetching the model and converting it" scripts/demo_model.sh
step "question answered" "asking: $question" answer
step "emitted for this CPU" "emitting the model as C++ for this CPU" emitted cpu this-cpu
step "emitted for lavapipe" "emitting the model as shaders for lavapipe" emitted vulkan lavapipe
step "three token streams" "comparing what the three answer" streams

checkpoint=$(find build/models/smollm2 -name '*.gguf' | head -n 1)
cat <<EOF

Question: $question
Answer:   $(cat build/models/answer.txt)
          ($answer_tokens tokens at most: it may end within a sentence)
Tokens:   identical over $tokens tokens: simulator, emitted C++ on this CPU, emitted shaders on lavapipe

What happened:
$(printf '  %s\n' "${summary[@]}")
Where things are:
  command     $command ($(size "$command"))
  checkpoint  $checkpoint ($(size "$checkpoint"))
  package     $package ($(size "$package"))
  examples    build/release/bin/example_*
  programs    build/models/smollm2_cpu, build/models/smollm2_vulkan: yours, see their README.md
Try next:
  $command run $package --chat
  $command inspect $package
  $command graph $package --text
EOF
