# SPDX-License-Identifier: Apache-2.0
"""The index of one GGUF file, every length checked before it is used: the library's own reader trusts them, and maps
the file. Format: ggml's docs/gguf.md; type numbers and names are the gguf library's."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field

import gguf
import numpy as np

import opnf_format as opnf
from .errors import ConvertError, one_line
from .rows import FileRows, SourceFile

T = gguf.GGUFValueType
NUMBERS = {T.UINT8: "u1", T.INT8: "i1", T.UINT16: "<u2", T.INT16: "<i2", T.UINT32: "<u4", T.INT32: "<i4", T.UINT64: "<u8",
           T.INT64: "<i8", T.FLOAT32: "<f4", T.FLOAT64: "<f8", T.BOOL: "?"}
MIN_FIELD, MIN_TENSOR = 13, 24  # bytes of the smallest metadata entry and tensor record
MAX_KEY, MAX_DIMS, MAX_ALIGNMENT = 65535, 4, 1 << 20


class Cursor:
    """Reads forward; asks for no more bytes than the file has."""

    def __init__(self, file: SourceFile):
        self.file, self.at = file, 0
        self._window, self._start = b"", 0

    def fail(self, what: str):
        raise ConvertError(f"{self.file.path}: {what}")

    def need(self, size: int, what: str):
        if size > self.file.size - self.at:
            self.fail(f"{what} at byte {self.at} needs {size} bytes, the file ends after {self.file.size - self.at}: it is cut or corrupt")

    def take(self, size: int, what: str) -> bytes:
        self.need(size, what)
        low = self.at - self._start
        if low + size > len(self._window):
            self._start, low = self.at, 0
            self._window = self.file.read(self.at, min(max(size, 1 << 16), self.file.size - self.at)).tobytes()
        self.at += size
        return self._window[low : low + size]

    def number(self, form: str, what: str):
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form), what))[0]

    def string(self, what: str, limit: int = opnf.MAX_STRING) -> str:
        size = self.number("Q", what)
        if size > limit:
            self.fail(f"{what} at byte {self.at - 8} claims {size} bytes, at most {limit} are allowed")
        try:
            return self.take(size, what).decode("utf-8")
        except UnicodeDecodeError:
            self.fail(f"{what} at byte {self.at - size} is not UTF-8")


@dataclass
class GgufFile:
    path: str
    meta: dict = field(default_factory=dict)
    tensors: dict = field(default_factory=dict)  # name -> FileRows, in the file's order

    def __post_init__(self):
        self.file = SourceFile(self.path)
        cursor = Cursor(self.file)
        tensor_count, field_count = self._read_header(cursor)
        for _ in range(field_count):
            self._read_field(cursor)
        records = [self._read_record(cursor) for _ in range(tensor_count)]
        alignment = self.meta.get("general.alignment", np.uint32(32))
        if not isinstance(alignment, np.uint32) or not 1 <= alignment <= MAX_ALIGNMENT or int(alignment) & (int(alignment) - 1):
            cursor.fail(f"general.alignment is {one_line(alignment)}: a power of two (u32) is needed")
        self._place(cursor, records, int(alignment))

    def _read_header(self, cursor: Cursor) -> tuple:
        magic = cursor.take(4, "the magic") if self.file.size >= 24 else b""
        if magic == b"OINF":
            cursor.fail("is a package already (.oinf): `openinfer pack` and `inspect` read it, conversion starts from a checkpoint")
        if magic != b"GGUF":
            cursor.fail("not a GGUF file: its magic is not 'GGUF' (GGUF files, Hugging Face folders, and .safetensors, .npz, .pt, .pth, .ckpt and .bin files are read)")
        version = cursor.number("I", "the version")
        if version not in (2, 3):
            big = version & 0xFFFF == 0
            cursor.fail("a big-endian GGUF: only little-endian ones are read" if big else f"GGUF version {version}: 2 and 3 are known")
        tensors, fields = cursor.number("Q", "the tensor count"), cursor.number("Q", "the metadata count")
        for count, least, what in ((tensors, MIN_TENSOR, "tensors"), (fields, MIN_FIELD, "metadata entries")):
            if count > (self.file.size - cursor.at) // least:
                cursor.fail(f"claims {count} {what}, more than a file of {self.file.size} bytes can hold: it is cut or corrupt")
        return tensors, fields

    def _read_field(self, cursor: Cursor):
        key = cursor.string("a metadata key", MAX_KEY)
        if not key or key in self.meta:
            cursor.fail(f"metadata key {one_line(key)!r} is {'there twice' if key else 'empty'}")
        self.meta[key] = self._read_value(cursor, self._type(cursor, key), key)

    def _type(self, cursor: Cursor, key: str) -> T:
        number = cursor.number("I", f"the type of {one_line(key)}")
        try:
            return T(number)
        except ValueError:
            cursor.fail(f"metadata {one_line(key)} has the unknown type {number}")

    def _read_value(self, cursor: Cursor, kind: T, key: str, depth: int = 0):
        what = f"metadata {one_line(key)}"
        if kind == T.STRING:
            return cursor.string(what)
        if kind != T.ARRAY:
            return self._numbers(cursor, kind, 1, what)[0]
        if depth:
            cursor.fail(f"{what} is an array of arrays, which no known key is")
        kind, count = self._type(cursor, key), cursor.number("Q", what)
        if kind in NUMBERS:
            return self._numbers(cursor, kind, count, what)
        cursor.need(8 * count, what)
        return [self._read_value(cursor, kind, key, depth + 1) for _ in range(count)]

    def _numbers(self, cursor: Cursor, kind: T, count: int, what: str) -> np.ndarray:
        values = np.frombuffer(cursor.take(count * np.dtype(NUMBERS[kind]).itemsize, what), dtype=NUMBERS[kind])
        if kind == T.BOOL and (values.view("u1") > 1).any():
            cursor.fail(f"{what} is a bool that is neither 0 nor 1")
        return values

    def _read_record(self, cursor: Cursor) -> tuple:
        name = cursor.string("a tensor's name", MAX_KEY)
        rank = cursor.number("I", f"the rank of {one_line(name)}")
        if not name or rank > MAX_DIMS:
            cursor.fail(f"tensor {one_line(name)!r} has {rank} dimensions and a name of {len(name)} characters: at most {MAX_DIMS}, "
                        "and a name, are needed")
        dims = struct.unpack(f"<{rank}Q", cursor.take(8 * rank, f"the shape of {one_line(name)}"))
        return name, dims[::-1], cursor.number("I", "a tensor's type"), cursor.number("Q", "a tensor's offset")

    def _place(self, cursor: Cursor, records: list, alignment: int):
        """Checks types, shapes and ranges; the data section begins at the next multiple of the alignment."""
        start = opnf.align(cursor.at, alignment)
        for name, shape, kind, offset in records:
            shown = f"tensor {one_line(name)}"
            if name in self.tensors:
                cursor.fail(f"{shown} is there twice")
            dtype = dtype_of(kind)
            if dtype is None:
                cursor.fail(f"{shown} has type {type_name(kind)}, which packages do not have")
            try:
                size = opnf.tensor_bytes(dtype, shape)
            except opnf.OpnfError as e:
                cursor.fail(f"{shown}: {e}")
            if offset % alignment:
                cursor.fail(f"{shown} is at offset {offset}, which is no multiple of the alignment {alignment}")
            if start + offset + size > self.file.size:
                cursor.fail(f"{shown} ({dtype} {shape}) ends at byte {start + offset + size}, the file has {self.file.size}: it is cut or corrupt")
            self.tensors[name] = FileRows(dtype, shape, name, self.file, start + offset)
        check_disjoint(self.path, self.tensors)


def dtype_of(kind: int) -> str | None:
    """The package's dtype of a GGUF type number."""
    try:
        name = gguf.GGMLQuantizationType(kind).name.lower()
    except ValueError:
        return None
    return name if name in opnf.DTYPES else None


def type_name(kind: int) -> str:
    return f"{gguf.GGMLQuantizationType(kind).name} ({kind})" if kind in set(gguf.GGMLQuantizationType) else f"number {kind}"


def check_disjoint(path: str, tensors: dict):
    end, before = 0, ""
    for rows in sorted(tensors.values(), key=lambda r: (r.offset, r.nbytes)):
        if rows.offset < end and rows.nbytes:
            raise ConvertError(f"{path}: tensors {one_line(before)} and {one_line(rows.name)} overlap at byte {rows.offset}")
        if math.prod(rows.shape):
            end, before = rows.offset + rows.nbytes, rows.name
