#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Do two builds of the command, by two compilers say, emit the same bytes? For every device that there is source for: the graph's
# text, graph and plan before and after each pass, and the project: fused, without fusion, in numerics fast and bf16, of GPUs with CUDA its
# kernels too.
#   scripts/check_determinism.sh [A [B [PACKAGE | PACKAGE:GRAPH.oig]…]]
# Without A: build/release's command; without B: what clang++ makes of these sources in build/clang; without packages: the graphs of
# the golden tests, and build/models/smollm2.oinf where it is there. DEVICES="this-cpu lavapipe" keeps to those.
# Ends with "N files of M devices: all the same"; exit 1 if any differs, and says which; 77 without clang++.
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '3,/^set /s/^# \{0,1\}//p' "$0" | head -n -1; exit 0 ;; esac
root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")
python=$root/build/venv/bin/python
[[ -x $python ]] || python=python3

[[ $# -gt 0 ]] || set -- "$root/build/release/bin/openinfer"
if [[ $# -eq 1 ]]; then
  command -v clang++ >/dev/null || { echo "check_determinism.sh: skipped: no clang++" >&2; exit 77; }
  cmake -S "$root" -B "$root/build/clang" -G Ninja --log-level=WARNING -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_BUILD_TYPE=Debug \
    -DCMAKE_CXX_FLAGS_DEBUG=-O1 -DOPENINFER_UNITY=ON -DOPENINFER_TESTS=OFF -DOPENINFER_BENCH=OFF -DOPENINFER_EXAMPLES=OFF >&2
  cmake --build "$root/build/clang" --target openinfer_command >&2
  set -- "$1" "$root/build/clang/bin/openinfer"
fi
a=$(realpath "$1") b=$(realpath "$2")
shift 2

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [[ $# -eq 0 ]]; then
  OPENINFER_COMMAND=$a "$python" -B - "$root/tests/emit" "$folder" <<'END'
import os, sys
sys.path.insert(0, sys.argv[1])
import emitted
os.chdir(sys.argv[2])
emitted.write_package("small.oinf")
emitted.tiny_llama.write("tiny.oinf")
for name, text in (("small", emitted.GRAPH), ("switched", emitted.SWITCHED)):
    with open(f"{name}.oig", "w", encoding="utf-8") as file:
        file.write(text)
END
  set -- "$folder"/small.oinf:"$folder"/{small,switched}.oig "$folder/tiny.oinf"
  [[ ! -f $root/build/models/smollm2.oinf ]] || set -- "$@" "$root/build/models/smollm2.oinf"
fi
devices=${DEVICES:-$("$a" devices --json | python3 -c 'import json, sys; print(*(d["name"] for d in json.load(sys.stdin)["devices"]))')}

# emit COMMAND FOLDER PACKAGE[:GRAPH]: errors are compared as well; what a device has no source for fails alike.
emit() {
  local command=$1 package graph=() device how
  package=$(realpath "${3%%:*}")
  [[ $3 == *:* ]] && graph=(--graph "$(realpath "${3#*:}")")
  mkdir -p "$2" && cd "$2"
  "$command" graph "$package" "${graph[@]}" >graph.oig
  for device in $devices; do
    for how in "--dump-pass all" "--no-fuse" "--numerics fast" "--numerics bf16" "--api cuda --no-cubins" "--api cuda --no-cubins --numerics fast"; do
      # shellcheck disable=SC2086
      "$command" emit "$package" "${graph[@]}" --name compared --device "$device" -o "$device$how" $how \
        2>"$device$how.txt" || true
      sed -i 's/, in [0-9.]* s$//' "$device$how.txt"
    done
  done
}

files=0 status=0 count=0
for package in "$@"; do
  rm -rf "$folder"/[ab]
  (emit "$a" "$folder/a" "$package")
  (emit "$b" "$folder/b" "$package")
  diff -rq "$folder/a" "$folder/b" || status=1
  count=$(find "$folder/a" -name plan.txt -path '*--no-fuse/*' | wc -l)
  [[ $count -gt 0 ]] || { echo "check_determinism.sh: nothing is emitted for $package:" >&2; cat "$folder"/a/*.txt >&2; exit 1; }
  files=$((files + $(find "$folder/a" -type f | wc -l)))
done
((status == 0)) && how="all the same" || how="some differ"
echo "$files files of $count devices: $how"
exit $status
