#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Do two builds of the command, by two compilers say, emit the same bytes? For every device that there is source for: the graph's
# text, graph and plan before and after each pass, and the project, with fusion and without.
#   scripts/check_determinism.sh A B [PACKAGE | PACKAGE:GRAPH.oig]…      without packages: build/models/smollm2.oinf
# Ends with "N files of M devices: all the same"; exit 1 if any differs, and says which.
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '3,/^set /s/^# \{0,1\}//p' "$0" | head -n -1; exit 0 ;; esac
[[ $# -ge 2 ]] || { echo "check_determinism.sh: give two commands to compare; see --help" >&2; exit 2; }
a=$(realpath "$1") b=$(realpath "$2")
shift 2
[[ $# -gt 0 ]] || set -- "$(dirname "${BASH_SOURCE[0]}")/../build/models/smollm2.oinf"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
devices=$("$a" devices --json | python3 -c 'import json, sys; print(*(d["name"] for d in json.load(sys.stdin)["devices"]))')

# emit COMMAND FOLDER PACKAGE[:GRAPH]: errors are compared as well; what a device has no source for fails alike.
emit() {
  local command=$1 package graph=() device flag
  package=$(realpath "${3%%:*}")
  [[ $3 == *:* ]] && graph=(--graph "$(realpath "${3#*:}")")
  mkdir -p "$2" && cd "$2"
  "$command" graph "$package" "${graph[@]}" >graph.oig
  for device in $devices; do
    for flag in --dump-pass=all --no-fuse; do
      "$command" emit "$package" "${graph[@]}" --name compared --device "$device" -o "$device$flag" "$flag" \
        2>"$device$flag.txt" || true
      sed -i 's/, in [0-9.]* s$//' "$device$flag.txt"
    done
  done
}

files=0 status=0
for package in "$@"; do
  rm -rf "$folder"/[ab]
  (emit "$a" "$folder/a" "$package")
  (emit "$b" "$folder/b" "$package")
  diff -rq "$folder/a" "$folder/b" || status=1
  count=$(find "$folder/a" -name plan.txt | wc -l)
  [[ $count -gt 0 ]] || { echo "check_determinism.sh: nothing is emitted for $package:" >&2; cat "$folder"/a/*.txt >&2; exit 1; }
  files=$((files + $(find "$folder/a" -type f | wc -l)))
done
((status == 0)) && how="all the same" || how="some differ"
echo "$files files of $((count / 2)) devices: $how"
exit $status
