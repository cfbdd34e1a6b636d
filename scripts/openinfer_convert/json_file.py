# SPDX-License-Identifier: Apache-2.0
"""JSON files of a Hugging Face folder, read with bounds."""

from __future__ import annotations

import codecs
import json
import os

from .errors import ConvertError, one_line
from .regular_file import open_regular

MAX_JSON = 256 << 20


def first_repeated(values):
    """The first that was there before; None if all differ."""
    seen = set()
    return next((v for v in values if v in seen or seen.add(v)), None)


def parse_json(raw: bytes, path: str) -> dict:
    """The object. Errors: not UTF-8, not JSON, a key twice, nested too deep, not an object."""
    def unique(pairs):
        out = dict(pairs)
        if len(out) != len(pairs):
            raise ConvertError(f"{path}: the key {one_line(first_repeated(k for k, _ in pairs))!r} is there twice")
        return out

    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=unique)
    except RecursionError:
        raise ConvertError(f"{path}: is nested too deep") from None
    except ValueError as e:
        raise ConvertError(f"{path}: not JSON: {one_line(e)}") from None
    if not isinstance(value, dict):
        raise ConvertError(f"{path}: holds no JSON object")
    return value


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


def flatten(value: dict, prefix: str = "") -> dict:
    """Nested objects as dotted keys; null is left out, lists stay."""
    out = {}
    for key, item in value.items():
        if isinstance(item, dict):
            out |= flatten(item, f"{prefix}{key}.")
        elif item is not None:
            out[prefix + key] = item
    return out


def nulls(value: dict, prefix: str = "") -> set:
    """The dotted keys that flatten leaves out."""
    deeper = (nulls(item, f"{prefix}{key}.") for key, item in value.items() if isinstance(item, dict))
    return {prefix + key for key, item in value.items() if item is None}.union(*deeper)
