# SPDX-License-Identifier: Apache-2.0
# For the other scripts to source: what takes long says so on stderr before it begins, and how long it took.

# Microseconds since 1970, whatever the locale's decimal point is.
now_us() {
  local now=$EPOCHREALTIME
  echo "${now//[.,]/}"
}

# seconds_since US: "12.3 s"
seconds_since() {
  local tenths=$((($(now_us) - $1 + 50000) / 100000))
  echo "$((tenths / 10)).$((tenths % 10)) s"
}

# [about=HOW_LONG] timed WHAT COMMAND…: runs one command between the lines "WHAT (HOW_LONG) ..." and "WHAT: 12.3 s";
# returns its status.
timed() {
  local what=$1 start
  shift
  start=$(now_us)
  echo "$what${about:+ ($about)} ..." >&2
  "$@" || return
  echo "$what: $(seconds_since "$start")" >&2
}
