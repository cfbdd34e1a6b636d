# SPDX-License-Identifier: Apache-2.0
"""What sentence-transformers says beside a model: how the rows of a text become one vector. Files: modules.json,
1_Pooling/config.json, sentence_bert_config.json."""

from __future__ import annotations

import json
import os

from .errors import ConvertError
from .json_file import read_json, read_text

# Of several modes a model would concatenate the vectors; that is "custom", and graphs refuse it.
MODES = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls", "pooling_mode_max_tokens": "max", "pooling_mode_lasttoken": "last",
         "pooling_mode_mean_sqrt_len_tokens": "custom", "pooling_mode_weightedmean_tokens": "custom"}


def read(folder: str) -> dict:
    """sentence.pooling, sentence.normalize and sentence.max_tokens, as far as the folder says them."""
    out = {}
    pooling = read_json(folder, os.path.join("1_Pooling", "config.json"))
    if pooling:
        modes = {name for key, name in MODES.items() if pooling.get(key) is True}
        out["sentence.pooling"] = modes.pop() if len(modes) == 1 else "custom" if modes else "none"
    path = os.path.join(folder, "modules.json")
    if os.path.lexists(path):
        out["sentence.normalize"] = any(kind.endswith(".Normalize") for kind in _types(path))
    most = read_json(folder, "sentence_bert_config.json").get("max_seq_length")
    return out if most is None else out | {"sentence.max_tokens": most}


def _types(path: str) -> list:
    """The kinds of a model's modules: a list of objects, which JSON files of configurations never are."""
    try:
        modules = json.loads(read_text(path).decode("utf-8"))
    except (ValueError, RecursionError):
        raise ConvertError(f"{path}: not JSON") from None
    return [m["type"] for m in modules if isinstance(m, dict) and isinstance(m.get("type"), str)] if isinstance(modules, list) else []
