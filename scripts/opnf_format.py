# SPDX-License-Identifier: Apache-2.0
"""What the writer and the reader of OPNF packages share: constants, dtypes, keys, sizes and typed values (formats/opnf/spec.md)."""

from __future__ import annotations

import math
import re
import struct

import numpy as np
import xxhash

# name: (code, elements of a block, bytes of a block)
DTYPES = {
    "f64": (1, 1, 8), "f32": (2, 1, 4), "f16": (3, 1, 2), "bf16": (4, 1, 2), "f8e4m3": (5, 1, 1), "f8e5m2": (6, 1, 1),
    "i1": (16, 8, 1), "i2": (17, 4, 1), "i4": (18, 2, 1), "i8": (19, 1, 1), "i16": (20, 1, 2), "i32": (21, 1, 4),
    "i64": (22, 1, 8), "u1": (32, 8, 1), "u2": (33, 4, 1), "u4": (34, 2, 1), "u8": (35, 1, 1), "u16": (36, 1, 2),
    "u32": (37, 1, 4), "u64": (38, 1, 8), "bool": (48, 1, 1), "t1": (49, 5, 1), "t2": (50, 4, 1),
    "q4_0": (64, 32, 18), "q4_1": (65, 32, 20), "q5_0": (66, 32, 22), "q5_1": (67, 32, 24), "q8_0": (68, 32, 34),
    "q2_k": (69, 256, 84), "q3_k": (70, 256, 110), "q4_k": (71, 256, 144), "q5_k": (72, 256, 176),
    "q6_k": (73, 256, 210), "mxfp4": (74, 32, 17), "iq4_nl": (80, 32, 18), "iq4_xs": (81, 256, 136),
    "iq2_xxs": (82, 256, 66), "iq2_xs": (83, 256, 74), "iq2_s": (84, 256, 82), "iq3_xxs": (85, 256, 98),
    "iq3_s": (86, 256, 110), "iq1_s": (87, 256, 50), "iq1_m": (88, 256, 56), "tq1_0": (89, 256, 54),
    "tq2_0": (90, 256, 66), "q8_1": (91, 32, 36), "q8_k": (92, 256, 292),
}
DTYPE_OF_CODE = {code: name for name, (code, _, _) in DTYPES.items()}
PANEL16 = ("q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q4_k", "q5_k", "q6_k")
NUMPY = {"f64": "<f8", "f32": "<f4", "f16": "<f2", "bf16": "<u2", "i8": "i1", "i16": "<i2", "i32": "<i4", "i64": "<i8",
         "u8": "u1", "u16": "<u2", "u32": "<u4", "u64": "<u8", "bool": "u1"}
MAGIC, SHARD_MAGIC, ENDIAN = b"OINF\r\n\x1a\n", b"OINS\r\n\x1a\n", 0x01020304
METADATA, DIMS, STATES, TOKENIZER, GRAPH, TENSORS, KEYHASH, SHARDS, DATA = range(1, 10)
SECTION_NAMES = dict(enumerate("METADATA DIMS STATES TOKENIZER GRAPH TENSORS KEYHASH SHARDS DATA".split(), 1))
FILE_ORDER = (METADATA, DIMS, STATES, SHARDS, TENSORS, KEYHASH, TOKENIZER, GRAPH, DATA)
IN_INDEX = (METADATA, DIMS, STATES, SHARDS, TENSORS)
REQUIRED = IN_INDEX + (DATA,)
STRING, SCALAR, ARRAY, TENSOR = 128, 0, 1, 2
NONE = 0xFFFFFFFF
LAYOUTS = ("rows", "panel16")
DATA_ROW, SPLAT, ALIAS = 0, 1, 2
HEADER_SIZE, ENTRY_SIZE, ROW_SIZE, PAGE = 64, 40, 48, 4096
MAX_STRING = 1 << 24
KEY = re.compile(r"[A-Za-z0-9._/-]{1,255}\Z")
DIM_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9._/-]{0,254}\Z")


class OpnfError(Exception):
    """What is wrong, where, and the remedy where there is one."""


def align(x: int, a: int) -> int:
    return -(-x // a) * a


def xxh64(data, seed: int = 0) -> int:
    return xxhash.xxh64_intdigest(data, seed)


def check_key(key: str, what: str = "key") -> str:
    if not isinstance(key, str) or not KEY.match(key):
        raise OpnfError(f"{what} {key!r}: 1 to 255 characters of A-Za-z0-9._/- are allowed (see escape_key)")
    return key


def escape_key(name: str) -> str:
    """A foreign name as a key, reversibly: other bytes become -xHH, and so does a '-' before an 'x'."""
    raw, out = name.encode("utf-8", "surrogateescape"), []
    for i, byte in enumerate(raw):
        plain = chr(byte) if byte < 128 and re.match(r"[A-Za-z0-9._/-]", chr(byte)) else None
        out.append(f"-x{byte:02X}" if plain is None or (plain == "-" and raw[i + 1 : i + 2] == b"x") else plain)
    return check_key("".join(out))


def unescape_key(key: str) -> str:
    raw = re.sub(rb"-x([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), key.encode())
    return raw.decode("utf-8", "surrogateescape")


def stored_shape(shape: tuple, transposed: bool) -> tuple:
    if not transposed:
        return tuple(shape)
    if len(shape) < 2:
        raise OpnfError(f"a transposed tensor needs two dimensions, the shape is {shape}")
    return (*shape[:-2], shape[-1], shape[-2])


def tensor_bytes(dtype: str, shape: tuple, transposed: bool = False, layout: str = "rows") -> int:
    """Stored bytes of a tensor; every rule about dtype, shape and layout is checked here."""
    if dtype not in DTYPES:
        raise OpnfError(f"unknown dtype {dtype!r}")
    if layout not in LAYOUTS:
        raise OpnfError(f"unknown layout {layout!r}")
    if len(shape) > 8 or any(not 0 <= d < 1 << 62 for d in shape):
        raise OpnfError(f"shape {shape}: at most 8 dimensions, none negative")
    _, block, size = DTYPES[dtype]
    stored = stored_shape(shape, transposed)
    last = stored[-1] if stored else 1
    if last % block:
        raise OpnfError(f"{dtype} needs a last stored dimension that is a multiple of {block}, the stored shape is {stored}")
    if layout == "panel16" and (dtype not in PANEL16 or len(stored) < 2 or stored[-2] % 16):
        raise OpnfError(f"layout panel16 takes {', '.join(PANEL16)} with 16·n rows, not {dtype} {stored}")
    count = math.prod(stored)
    nbytes = count // block * size
    if max(count, nbytes) >= 1 << 63:
        raise OpnfError(f"{dtype} {shape} takes 2^63 bytes or elements, or more")
    return nbytes


# ---- map sections -------------------------------------------------------------------------------------------------

def _string_array(values: list) -> bytes:
    blobs = [_utf8(v) for v in values]
    ends = np.cumsum([len(b) for b in blobs], dtype=np.uint64)
    if len(ends) and int(ends[-1]) > NONE:
        raise OpnfError("a string array holds at most 4 GiB")
    return ends.astype("<u4").tobytes() + b"".join(blobs)


def _utf8(text: str) -> bytes:
    raw = text.encode("utf-8")
    if len(raw) > MAX_STRING:
        raise OpnfError(f"a string has {len(raw)} bytes, at most {MAX_STRING} are allowed")
    return raw


def _numbers(values: np.ndarray, dtype: str) -> bytes:
    return np.ascontiguousarray(values, dtype=NUMPY[dtype]).tobytes()


def _dtype_of_numpy(array: np.ndarray) -> str:
    name = {"b": "bool", "f": f"f{array.itemsize * 8}", "i": f"i{array.itemsize * 8}", "u": f"u{array.itemsize * 8}"}.get(array.dtype.kind)
    if name not in NUMPY:
        raise OpnfError(f"no dtype for numpy's {array.dtype}")
    return name


def _bf16_bits(values) -> np.ndarray:
    """Rounds to nearest even; 16-bit unsigned input is taken as bits."""
    array = np.asarray(values)
    if array.dtype == np.uint16:
        return array
    bits = array.astype("<f4").view("<u4").astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return np.where((bits & 0x7FFFFFFF) > 0x7F800000, (bits >> 16) | 0x40, rounded).astype("<u2")


def encode_value(key: str, value, dtype: str | None) -> tuple:
    """(type code, form, rank, count, bytes) of a value; dtype overrides what Python's type suggests."""
    try:
        return _encode_value(value, dtype)
    except (OpnfError, OverflowError, TypeError, ValueError) as e:
        raise OpnfError(f"value of {key!r}: {e}") from None


def _encode_value(value, dtype):
    if isinstance(value, str):
        return STRING, SCALAR, 0, 1, _utf8(value)
    listed = isinstance(value, (list, tuple))
    if listed and (dtype == "string" or (value and dtype is None and all(isinstance(v, str) for v in value))):
        return STRING, ARRAY, 0, len(value), _string_array(list(value))
    if dtype is not None and dtype not in NUMPY:
        raise OpnfError(f"dtype {dtype!r} cannot be a value's")
    if not isinstance(value, (np.ndarray, np.generic)):
        kinds = {type(v) for v in value} if listed else {type(value)}
        if not kinds <= {bool, int, float}:
            raise OpnfError(f"cannot hold a value of type {', '.join(sorted(k.__name__ for k in kinds))}")
        if not kinds and dtype is None:
            raise OpnfError("an empty list needs a dtype")
        if bool in kinds and len(kinds) > 1:
            raise OpnfError("mixes bool and numbers")
        dtype = dtype or ("bool" if bool in kinds else "f64" if float in kinds else "i64")
        value = np.array(value, dtype="f8" if dtype == "bf16" else NUMPY[dtype])
    array = np.asarray(value)
    dtype = dtype or _dtype_of_numpy(array)
    if dtype == "bf16":
        array = _bf16_bits(array)
    elif dtype == "bool":
        array = array.astype(bool)
    raw = _numbers(array, dtype)
    code = DTYPES[dtype][0]
    if array.ndim == 1 or listed:
        return code, ARRAY, 0, array.size, raw
    if array.ndim == 0:
        return code, SCALAR, 0, 1, raw
    if array.ndim > 8:
        raise OpnfError(f"has {array.ndim} dimensions, at most 8 are allowed")
    return code, TENSOR, array.ndim, array.size, struct.pack(f"<{array.ndim}Q", *array.shape) + raw


def encode_map(values: dict) -> bytes:
    """values: key -> (type code, form, rank, count, bytes)."""
    keys = sorted(values)
    key_at = 8 + 32 * len(keys)
    end = key_at + sum(len(k) for k in keys)
    table, payload = [struct.pack("<II", len(keys), 0)], []
    for key in keys:
        code, form, rank, count, raw = values[key]
        at = align(end, 8)
        table.append(struct.pack("<IBBBBQQQ", key_at, len(key), code, form, rank, at, count, len(raw)))
        payload.append(b"\0" * (at - end) + raw)
        key_at, end = key_at + len(key), at + len(raw)
    return b"".join(table) + "".join(keys).encode() + b"".join(payload)


def is_size(text: str) -> bool:
    return re.match(r"(0|[1-9][0-9]{0,18})\Z", text) is not None and int(text) < 1 << 62
