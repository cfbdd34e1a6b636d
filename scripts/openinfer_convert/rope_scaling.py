# SPDX-License-Identifier: Apache-2.0
"""rope_scaling.* of a package: what a checkpoint says of scaled rotary positions, with every default filled in, so that a graph needs
the formulas of scripts/architectures/README.md and nothing else. Defaults: transformers, modeling_rope_utils.py."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from .errors import ConvertError, one_line
from .rows import to_f32
from .source import Source

HF = ("rope_scaling.", "rope_parameters.full_attention.", "rope_parameters.")


def _hf(*names: str) -> list:
    return [prefix + name for prefix in HF for name in names]


NAMES = {
    "huggingface": {
        "type": _hf("rope_type", "type"), "factor": _hf("factor"), "low_freq_factor": _hf("low_freq_factor"), "high_freq_factor": _hf("high_freq_factor"),
        "original_ctx_len": ["original_max_position_embeddings", *_hf("original_max_position_embeddings")], "beta_fast": _hf("beta_fast"),
        "beta_slow": _hf("beta_slow"), "attention_factor": _hf("attention_factor"), "mscale": _hf("mscale"), "mscale_all_dim": _hf("mscale_all_dim"),
        "truncate": _hf("truncate"), "short_factors": _hf("short_factor"), "long_factors": _hf("long_factor"),
    },
    "gguf": {
        "type": ["{arch}.rope.scaling.type"], "factor": ["{arch}.rope.scaling.factor", "{arch}.rope.scale_linear"],
        "original_ctx_len": ["{arch}.rope.scaling.original_context_length"], "beta_fast": ["{arch}.rope.scaling.yarn_beta_fast"],
        "beta_slow": ["{arch}.rope.scaling.yarn_beta_slow"], "attention_factor": ["{arch}.rope.scaling.attn_factor", "{arch}.rope.scaling.yarn_attn_factor"],
    },
}
FACTORS, SHORT, LONG = "rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight"  # tensors of GGUF
PARTS = {"none": (), "linear": ("factor",), "dynamic": ("factor",), "llama3": ("factor", "low_freq_factor", "high_freq_factor", "original_ctx_len"),
         "yarn": ("factor", "original_ctx_len", "beta_fast", "beta_slow", "attention_factor", "truncate"),
         "longrope": ("original_ctx_len", "attention_factor", "short_factors", "long_factors"), "factors": ("factors",)}
ALIASES = {"default": "none", "su": "longrope"}


@dataclass
class Scaling:
    values: dict = field(default_factory=dict)  # what follows rope_scaling. in the package's keys
    used: set = field(default_factory=set)  # tensors of the source that say it


def read(table: dict, source: Source, values: dict, first) -> Scaling:
    """first(keys): the first of those that the source has. An unknown kind is kept by its name: graphs refuse it."""
    if "rope_scaling" not in table:
        return Scaling()
    for key in ("rope_scaling", "rope_parameters") if source.kind == "huggingface" else ():
        if (given := first([key])) is not None:
            raise ConvertError(f"{source.path}: {key} is {one_line(given)}: an object with a rope_type is needed")
    used = {n for n in (SHORT, LONG) if source.kind == "gguf" and n in source.tensors}
    if len(used) == 1:
        raise ConvertError(f"{source.path}: has the tensor {used.pop()} alone: {SHORT} and {LONG} belong together")
    if source.kind == "gguf" and FACTORS in source.tensors:
        return _from_factors(_vector(source, FACTORS), values)
    out = _given(source, {key: first(names) for key, names in NAMES[source.kind].items()})
    out = {**table["rope_scaling"], **out}
    if used:
        out |= {"type": "longrope", "short_factors": _vector(source, SHORT).tolist(), "long_factors": _vector(source, LONG).tolist()}
    kind = _kind(source, out)
    if kind in table["rope_scaling"].get("as_longrope", ()):
        kind = "longrope"
    made = _complete(source, kind, out, values) | {"type": kind}
    return Scaling({k: v for k, v in made.items() if k == "type" or kind not in PARTS or k in PARTS[kind]}, used)


def _given(source: Source, found: dict) -> dict:
    out = {}
    for key, value in found.items():
        where = f"{source.path}: rope_scaling.{key}"
        if value is None or (value == 0 and source.kind == "gguf"):
            continue
        if key == "type":
            if not isinstance(value, str):
                raise ConvertError(f"{source.path}: the kind of rope scaling is {one_line(value)}, not a name")
        elif key == "truncate":
            if not isinstance(value, bool):
                raise ConvertError(f"{where} is {one_line(value)}, not true or false")
        elif key.endswith("_factors"):
            if not isinstance(value, list) or not all(_is_positive(v) for v in value):
                raise ConvertError(f"{where} is no list of positive numbers")
        elif not _is_positive(value) and not (key.startswith("mscale") and value == 0):
            raise ConvertError(f"{where} is {one_line(value)}: a positive number is needed")
        elif key == "original_ctx_len" and (value != int(value) or value > 1 << 40):
            raise ConvertError(f"{where} is {value}: a whole number from 1 to 2^40 is needed")
        out[key] = value if isinstance(value, (str, bool, list)) else int(value) if key == "original_ctx_len" else float(value)
    return out


def _is_positive(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf


def _kind(source: Source, out: dict) -> str:
    kind = out.get("type")
    if kind is None:
        kind = "linear" if source.kind == "gguf" and out.get("factor", 1) != 1 else "none"
    return ALIASES.get(kind, kind)


def _complete(source: Source, kind: str, out: dict, values: dict) -> dict:
    """With the defaults of its kind. Errors: what has none is missing."""
    where = f"{source.path}: rope scaling {kind}"
    if kind in ("linear", "dynamic", "llama3", "yarn") and "factor" not in out:
        raise ConvertError(f"{where} has no factor")
    if kind in ("llama3", "yarn", "longrope"):
        out.setdefault("original_ctx_len", values["ctx_len"])
    if kind == "llama3":
        for key in ("low_freq_factor", "high_freq_factor"):
            if key not in out:
                raise ConvertError(f"{where} has no {key}")
    elif kind == "yarn":
        out = {"beta_fast": 32.0, "beta_slow": 1.0, "truncate": True} | out
        out["attention_factor"] = _yarn_attention(source, out)
    elif kind == "longrope":
        _check_lengths(where, out, values)
        out.setdefault("factor", values["ctx_len"] / out["original_ctx_len"])
        grown = math.log(out["factor"]) / math.log(out["original_ctx_len"]) if out["factor"] > 1 and out["original_ctx_len"] > 1 else 0.0
        out.setdefault("attention_factor", math.sqrt(1 + grown))
    return out


def _check_lengths(where: str, out: dict, values: dict):
    for key in ("short_factors", "long_factors"):
        if len(out.get(key, ())) != values["rope_dim"] // 2:
            raise ConvertError(f"{where} has {len(out.get(key, ()))} {key}, rope_dim {values['rope_dim']} needs {values['rope_dim'] // 2}")


def _yarn_attention(source: Source, out: dict) -> float:
    def scale(by: float) -> float:
        return 0.1 * by * math.log(out["factor"]) + 1 if out["factor"] > 1 else 1.0

    if source.kind == "gguf":  # there it is a factor on top of the paper's
        return out.get("attention_factor", 1.0) * scale(1)
    if "attention_factor" in out:
        return out["attention_factor"]
    return scale(out["mscale"]) / scale(out["mscale_all_dim"]) if out.get("mscale") and out.get("mscale_all_dim") else scale(1)


def _vector(source: Source, name: str) -> np.ndarray:
    """Of a few numbers; empty if it is none."""
    rows = source.tensors[name]
    small = rows.dtype in ("f32", "f16", "f64") and len(rows.shape) == 1 and rows.count <= 1 << 16
    found = to_f32(rows, 0, rows.count).reshape(-1) if small else np.zeros(0, "<f4")
    return found if np.isfinite(found).all() and (found > 0).all() else np.zeros(0, "<f4")


def _from_factors(stored: np.ndarray, values: dict) -> Scaling:
    """GGUF gives Llama 3's scaling as one divisor a frequency. Its four numbers come back by trying the published ones;
    kind "factors" says that they did not: the divisors themselves are kept."""
    half = values["rope_dim"] // 2
    guess = {"type": "llama3", "factor": float(stored[-1]) if len(stored) else 0.0, "low_freq_factor": 1.0,
             "high_freq_factor": 4.0, "original_ctx_len": 8192}
    if len(stored) != half or guess["factor"] < 1:
        return Scaling({"type": "factors", "factors": stored.tolist()} if len(stored) == half else {"type": "factors"})
    wavelength = 2 * np.pi * values["rope_theta"] ** (np.arange(half) / half)
    smooth = np.clip((guess["original_ctx_len"] / wavelength - 1) / (4 - 1), 0, 1)
    expected = 1 / ((1 - smooth) / guess["factor"] + smooth)
    # The factors were computed in f32 from f32 frequencies: a few units of 2^-24 in every step.
    if np.allclose(stored, expected, rtol=1e-5, atol=0):
        return Scaling(guess, {FACTORS})
    return Scaling({"type": "factors", "factors": stored.tolist()})
