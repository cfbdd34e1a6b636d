# SPDX-License-Identifier: Apache-2.0
"""Architecture tables (scripts/architectures/*.json): loading, and hyperparameters of a checkpoint by their rules.
scripts/README.md describes the fields."""

from __future__ import annotations

import json
import math
import pathlib

import numpy as np

from .errors import ConvertError, one_line
from .rows import to_f32
from .source import Source

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "architectures"
OWN_NAMES = "none"  # --arch none: no table
MAX_SIZE = 1 << 40  # of a hyperparameter; far beyond any model, far below overflow of products


def known() -> list:
    return sorted(p.stem for p in FOLDER.glob("*.json"))


def find(source: Source, asked: str | None) -> dict | None:
    """The table that the user asked for, or the one for what the checkpoint says it is."""
    if asked not in (None, OWN_NAMES, *known()):
        raise ConvertError(f"--arch {asked}: there is no such table; there are {', '.join(known())}, and {OWN_NAMES} keeps the checkpoint's names")
    for name in known():
        table = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
        if name == asked or (asked is None and source.architecture in table[source.kind]):
            return table
    return None


def expand(pattern: str, **indices) -> str:
    for name, value in indices.items():
        pattern = pattern.replace(f"{{{name}}}", str(value))
    return pattern


def evaluate(text, values: dict) -> int:
    """A size of a table: a number, a name, or a product of them."""
    return text if isinstance(text, int) else math.prod(int(t) if t.isdigit() else values[t] for t in text.split("*"))


def _first(source: Source, keys: list):
    return next((v for v in map(source.get, keys) if v is not None), None)


def _default(rule: dict, values: dict, table: dict, source: Source):
    default = rule.get("default")
    if not isinstance(default, str):
        return default
    if default.startswith("rows("):
        entry = next(t for t in table["tensors"] if f"rows({t['key']})" == default)
        return next((source.tensors[n].shape[0] for n in entry[source.kind] if n in source.tensors and source.tensors[n].shape), None)
    over, _, under = default.partition("/")
    if not under:
        return values[over]
    if values[under] == 0 or values[over] % values[under]:
        raise ConvertError(f"{source.path}: {rule['key']} is not given and {over} = {values[over]} is no multiple of {under} = {values[under]}")
    return values[over] // values[under]


def hyperparameters(table: dict, source: Source) -> dict:
    """key -> int or float. Errors: one that is missing, of another type, or out of range, by the checkpoint's name."""
    for rule in table["expect"]:
        value = source.get(rule[source.kind]) if source.kind in rule else None
        if value is not None and value not in rule["values"]:
            raise ConvertError(f"{source.path}: {rule[source.kind]} is {one_line(value)}, which {table['architecture']} packages do not "
                               "know; --arch none converts the tensors under their own names")
    values: dict = {}
    for rule in table["hyperparameters"]:
        value = _first(source, rule[source.kind])
        if value is None:
            value = _default(rule, values, table, source)
        where = f"{source.path}: {rule['key']} ({' or '.join(rule[source.kind]).replace('{arch}', source.architecture or '')})"
        if value is None:
            raise ConvertError(f"{where} is missing")
        values[rule["key"]] = _checked(where, value, rule["type"])
    if values.get("n_layers", 0) > len(source.tensors):
        raise ConvertError(f"{source.path}: n_layers is {values['n_layers']}, but there are only {len(source.tensors)} tensors")
    return values


def _checked(where: str, value, kind: str):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConvertError(f"{where} is {one_line(value)}: one number is needed")
    if kind == "real":
        if not math.isfinite(value) or value <= 0:
            raise ConvertError(f"{where} is {value}: a positive number is needed")
        return float(value)
    if value != value or value in (math.inf, -math.inf) or value != int(value) or not 1 <= value <= MAX_SIZE:
        raise ConvertError(f"{where} is {value}: a whole number from 1 to 2^40 is needed")
    return int(value)


def rope_scaling(table: dict, source: Source, values: dict) -> dict:
    """rope_scaling.* entries. A kind that graphs do not know is kept by its name: they refuse it. Used: factors tensors."""
    rule = table.get("rope_scaling")
    if rule is None:
        return {}
    factors = source.tensors.get(rule["factors_tensor"]) if source.kind == "gguf" else None
    if factors is not None:
        return _from_factors(factors, values)
    kind = _first(source, rule[source.kind]["type"])
    factor = _first(source, rule[source.kind]["factor"])
    if kind is None:
        kind = "linear" if source.kind == "gguf" and factor not in (None, 0, 1) else "none"
    if not isinstance(kind, str):
        raise ConvertError(f"{source.path}: the kind of rope scaling is {one_line(kind)}, not a name")
    kind = "none" if kind == "default" else kind
    out = {"type": kind}
    for key, names in rule[source.kind].items():
        value = _first(source, names)
        if key != "type" and kind != "none" and value is not None:
            out[key] = _checked(f"{source.path}: rope_scaling.{key}", value, "int" if key == "original_ctx_len" else "real")
    if kind in ("linear", "llama3") and "factor" not in out:
        raise ConvertError(f"{source.path}: rope scaling {kind} has no factor")
    return out


def _from_factors(rows, values: dict) -> dict:
    """GGUF gives Llama 3's scaling as one factor a frequency. Its four numbers come back by trying the published ones;
    kind "factors" says that they did not, and graphs refuse it."""
    stored = to_f32(rows, 0, rows.count).reshape(-1) if rows.dtype in ("f32", "f16", "f64") else np.zeros(0)
    half = values["rope_dim"] // 2
    guess = {"type": "llama3", "factor": float(stored[-1]) if len(stored) else 0.0, "low_freq_factor": 1.0,
             "high_freq_factor": 4.0, "original_ctx_len": 8192}
    if len(stored) != half or not math.isfinite(guess["factor"]) or guess["factor"] < 1:
        return {"type": "factors"}
    wavelength = 2 * np.pi * values["rope_theta"] ** (np.arange(half) / half)
    smooth = np.clip((guess["original_ctx_len"] / wavelength - 1) / (4 - 1), 0, 1)
    expected = 1 / ((1 - smooth) / guess["factor"] + smooth)
    # The factors were computed in f32 from f32 frequencies: a few units of 2^-24 in every step.
    return guess if np.allclose(stored, expected, rtol=1e-5, atol=0) else {"type": "factors"}
