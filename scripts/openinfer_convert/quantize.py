# SPDX-License-Identifier: Apache-2.0
"""--quantize: which tensor becomes which dtype, and the re-encoding, a chunk of rows at a time. The gguf library
encodes, so the bytes are those that it gives for the whole tensor."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

import opnf_format as opnf
from .blocks import bad_block
from .errors import ConvertError
from .rows import Rows, to_f32, wide

TYPES = ("f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1")
KEEP = "keep"
READABLE = {"f64", "f32", "f16", "bf16"} | {d for d, (_, block, _) in opnf.DTYPES.items() if block >= 32} - {"q8_1", "q8_k"}
TINY = np.float32(2.0**-100)  # below it the f16 scales of a block are 0, and 1/scale may overflow


class UsageError(ValueError):
    """A --quantize argument that cannot be understood."""


@dataclass
class Rule:
    text: str
    pattern: re.Pattern
    dtype: str
    matched: int = 0


@dataclass
class Choice:
    """What the arguments say. Patterns (regular expressions, found anywhere in the package's key or the checkpoint's
    name) go before the bare type; the last one that matches counts."""
    bare: str | None = None
    rules: list = field(default_factory=list)

    @staticmethod
    def parse(arguments: list) -> "Choice":
        choice = Choice()
        for text in arguments:
            pattern, equals, dtype = text.rpartition("=")
            if dtype not in (*TYPES, *([KEEP] if equals else [])):
                raise UsageError(f"--quantize {text}: {dtype!r} is none of {', '.join(TYPES)}" + (" or keep" if equals else ""))
            if not equals:
                if choice.bare not in (None, dtype):
                    raise UsageError(f"--quantize {choice.bare} and --quantize {dtype}: give one for all, others as PATTERN=TYPE")
                choice.bare = dtype
                continue
            if not pattern:
                raise UsageError(f"--quantize {text}: the pattern is empty; {dtype} alone is for every tensor")
            try:
                choice.rules.append(Rule(text, re.compile(pattern), dtype))
            except (re.error, RecursionError, OverflowError) as e:
                raise UsageError(f"--quantize {text}: not a regular expression: {e}") from None
        return choice

    def wanted(self, key: str, names: list) -> tuple[str | None, bool]:
        """The dtype that the arguments ask for, KEEP, or None; whether a pattern asks for it."""
        found = None
        for rule in self.rules:
            if any(rule.pattern.search(n) for n in (key, *names)):
                rule.matched += 1
                found = rule.dtype
        return found or self.bare, found is not None

    def check_all_matched(self):
        for rule in self.rules:
            if not rule.matched:
                raise ConvertError(f"--quantize {rule.text}: no tensor has a name with that pattern")


def why_not(rows: Rows, dtype: str, by_pattern: bool) -> str | None:
    """Why a tensor cannot or should not become that dtype, or None."""
    if dtype == KEEP:
        return "asked to be kept"
    if rows.dtype == dtype:
        return f"is {dtype}"
    if rows.dtype not in READABLE:
        return f"{rows.dtype} is not re-encoded"
    if len(rows.shape) < 2 and not (by_pattern and opnf.DTYPES[dtype][1] == 1):
        return "has one dimension" if rows.shape else "is a scalar"
    block = opnf.DTYPES[dtype][1]
    if rows.row_elements % block:
        return f"rows of {rows.row_elements} are no multiple of {block}"
    return None


@dataclass
class QuantizedRows(Rows):
    base: Rows
    name: str

    def read(self, first: int, count: int) -> np.ndarray:
        values = to_f32(self.base, first, count)
        return encode(values, self.dtype, self.name).reshape(count, self.row_bytes)


def quantize(rows: Rows, dtype: str, name: str) -> Rows:
    return QuantizedRows(dtype, rows.shape, rows, name, granule=rows.granule)


def encode(values: np.ndarray, dtype: str, name: str) -> np.ndarray:
    """values (rows, n) f32 -> bytes. Errors: a finite value that f16 cannot hold; for blocks any NaN or infinity."""
    import gguf
    if dtype == "f16":
        with np.errstate(over="ignore"):
            halves = values.astype("<f2")
        if (np.isinf(halves) & np.isfinite(values)).any():
            raise ConvertError(f"tensor {name}: {np.abs(values[np.isfinite(values)]).max():g} is beyond f16's 65504: use bf16 for it")
        return halves.view("u1")
    kind = gguf.GGMLQuantizationType[dtype.upper()]
    if dtype == "bf16":
        return gguf.quantize(wide(values, 1), kind)
    if not np.isfinite(values).all():
        raise ConvertError(f"tensor {name}: holds NaN or infinity, which {dtype} cannot: keep it with --quantize '{name}=keep'")
    blocks = values.reshape(-1, opnf.DTYPES[dtype][1])
    largest = np.abs(blocks).max(axis=1, initial=0)
    if ((largest > 0) & (largest < TINY)).any():
        values = np.where((largest < TINY)[:, None], np.float32(0), blocks).reshape(values.shape)
    with np.errstate(all="ignore"):
        raw = gguf.quantize(wide(values, opnf.DTYPES[dtype][1]), kind)
    if bad_block(dtype, opnf.DTYPES[dtype][2], raw) is not None:
        raise ConvertError(f"tensor {name}: {largest.max():g} is too large for the f16 scales of {dtype}: keep it with --quantize '{name}=keep'")
    return raw
