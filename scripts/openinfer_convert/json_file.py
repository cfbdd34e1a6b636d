# SPDX-License-Identifier: Apache-2.0
"""JSON files of a Hugging Face folder, read with bounds."""

from __future__ import annotations

import codecs
import json
import os

from .errors import ConvertError, one_line
from .regular_file import open_regular

MAX_JSON = 256 << 20
MAX_NESTING = 64  # objects and lists in one another; real files have about ten
MAX_DIGITS = 300  # more are beyond f64


def first_repeated(values):
    """The first that was there before; None if all differ."""
    seen = set()
    return next((v for v in values if v in seen or seen.add(v)), None)


def parse_json(raw: bytes, path: str) -> dict:
    """The object. Errors: not UTF-8, not JSON, a key twice, nested too deep, an integer too long, not an object."""
    def unique(pairs):
        out = dict(pairs)
        if len(out) != len(pairs):
            raise ConvertError(f"{path}: the key {one_line(first_repeated(k for k, _ in pairs))!r} is there twice")
        return out

    def integer(digits):
        if len(digits) > MAX_DIGITS:
            raise ConvertError(f"{path}: holds a number of {len(digits)} digits")
        return int(digits)

    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=unique, parse_int=integer)
    except RecursionError:
        raise ConvertError(f"{path}: is nested too deep") from None
    except ValueError as e:
        raise ConvertError(f"{path}: not JSON: {one_line(e)}") from None
    if not isinstance(value, dict):
        raise ConvertError(f"{path}: holds no JSON object")
    if is_deeper(value, MAX_NESTING):
        raise ConvertError(f"{path}: is nested too deep: {MAX_NESTING} levels are allowed")
    return value


def is_deeper(value, levels: int) -> bool:
    """Whether objects and lists lie in one another for more levels than that."""
    level = [value]
    for _ in range(levels):
        level = [v for outer in level for v in (outer.values() if isinstance(outer, dict) else outer) if isinstance(v, (dict, list))]
        if not level:
            return False
    return True


def read_bytes(path: str, limit: int = MAX_JSON) -> bytes:
    try:
        with open(open_regular(path), "rb") as file:
            raw = file.read(limit + 1)
    except OSError as e:
        raise ConvertError(f"{path}: {e.strerror}") from None
    if len(raw) > limit:
        raise ConvertError(f"{path}: has more than {limit} bytes")
    return raw


def read_text(path: str) -> bytes:
    """A text's bytes, without the byte order mark that editors put in front of it."""
    return read_bytes(path).removeprefix(codecs.BOM_UTF8)


def read_json(folder: str, name: str) -> dict:
    """The file's object; {} if there is no such file."""
    path = os.path.join(folder, name)
    return parse_json(read_text(path), path) if os.path.lexists(path) else {}


def leaves(value: dict, prefix: str = ""):
    """(dotted key, item) of nested objects; lists stay."""
    for key, item in value.items():
        if isinstance(item, dict):
            yield from leaves(item, f"{prefix}{key}.")
        else:
            yield prefix + key, item


def flatten(value: dict, path: str) -> tuple[dict, set]:
    """Nested objects of that file as dotted keys, and the dotted keys that are null. Errors: two ways to one dotted key."""
    pairs = list(leaves(value))
    if (key := first_repeated(k for k, _ in pairs)) is not None:
        raise ConvertError(f"{path}: the key {one_line(key)!r} is there twice, as it stands and nested")
    return {k: v for k, v in pairs if v is not None}, {k for k, v in pairs if v is None}
