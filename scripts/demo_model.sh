#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes build/models/smollm2.oinf: fetches the checkpoint and converts it, unless it is newer than all it is made from.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

package=build/models/smollm2.oinf
scripts/fetch_models.sh smollm2
checkpoint=$(find build/models/smollm2 -name '*.gguf' | head -n 1)
[[ -n $checkpoint ]] || { echo "demo_model: error: fetch_models.sh left no .gguf in build/models/smollm2" >&2; exit 1; }
if [[ -f $package && -z $(find "$checkpoint" scripts -newer "$package" \
    \( -name '*.gguf' -o -name 'convert*' -o -name 'opnf.py' -o -path '*/architectures/*' -o -path '*/openinfer_convert/*.py' \) -print -quit) ]]; then
  echo "demo_model: $package is up to date" >&2
else
  build/venv/bin/python scripts/convert.py "$checkpoint" -o "$package"
fi
