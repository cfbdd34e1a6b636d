# SPDX-License-Identifier: Apache-2.0
"""Tensors as streams of stored rows: read(first, count) gives a u8 array (count, row_bytes). Nothing is kept: peak
memory is a chunk. A row is what lies along the last stored dimension, so moving rows never touches a block.
The exact transforms of the architecture tables (unpermute_rope, add_one, split, stack) wrap one stream in another."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field

import numpy as np

import opnf_format as opnf
from .blocks import bad_block
from .errors import ConvertError, one_line
from .regular_file import open_regular

CHUNK_BYTES = 8 << 20  # of f32 values or stored bytes, whichever is more


class SourceFile:
    """A file read by position: mapped pages would count as resident memory."""

    def __init__(self, path: str):
        self.path = path
        self.name = os.path.basename(path)
        self._fd = open_regular(path)
        self.size = os.fstat(self._fd).st_size

    def read(self, offset: int, size: int) -> np.ndarray:
        out = np.empty(size, dtype="u1")
        view, done = memoryview(out), 0
        while done < size:
            got = os.preadv(self._fd, [view[done:]], offset + done)
            if got == 0:
                raise ConvertError(f"{self.path}: ended at byte {offset + done} while it was read; was it cut?")
            done += got
        return out

    def __del__(self):
        if hasattr(self, "_fd"):
            os.close(self._fd)


@dataclass
class Rows:
    """dtype, stored shape and rows of a tensor. granule: reads of that many rows at a time cost no more than once."""
    dtype: str
    shape: tuple
    granule: int = field(default=1, kw_only=True)

    @property
    def count(self) -> int:
        if len(self.shape) >= 2:
            return math.prod(self.shape[:-1])
        return self.shape[0] if self.shape and opnf.DTYPES[self.dtype][1] == 1 else 1

    @property
    def row_elements(self) -> int:
        """A vector of a plain dtype is rows of one element: biases are split and moved like their matrices."""
        if len(self.shape) >= 2:
            return self.shape[-1]
        return math.prod(self.shape) if opnf.DTYPES[self.dtype][1] > 1 else 1

    @property
    def row_bytes(self) -> int:
        _, block, size = opnf.DTYPES[self.dtype]
        return self.row_elements // block * size

    @property
    def nbytes(self) -> int:
        return self.count * self.row_bytes

    def read(self, first: int, count: int) -> np.ndarray:
        raise NotImplementedError

    def chunks(self):
        """The stored bytes, a few MiB at a time."""
        if not self.nbytes:
            return
        step = max(1, CHUNK_BYTES // max(self.row_bytes, 4 * self.row_elements))
        step = max(step // self.granule, 1) * self.granule
        for first in range(0, self.count, step):
            yield self.read(first, min(step, self.count - first))


@dataclass
class FileRows(Rows):
    """A tensor where the checkpoint has it. Errors: a NaN or infinite scale, by block and byte."""
    name: str
    file: SourceFile
    offset: int

    def read(self, first: int, count: int) -> np.ndarray:
        start = self.offset + first * self.row_bytes
        raw = self.file.read(start, count * self.row_bytes)
        _, block, size = opnf.DTYPES[self.dtype]
        if block > 1 and (bad := bad_block(self.dtype, size, raw)) is not None:
            raise ConvertError(f"{self.file.path}: tensor {one_line(self.name)}: block {first * (self.row_bytes // size) + bad} "
                               f"({self.dtype}, at byte {start + bad * size}) has a scale that is NaN or infinite")
        return raw.reshape(count, self.row_bytes)


@dataclass
class UnpermutedRows(Rows):
    """Rope rows from interleaved pairs (2i, 2i+1) to halves (i, i + dim/2), in the first `dim` rows of each head:
    llama.cpp's converter stores Q and K of llama the first way, checkpoints and packages the second."""
    base: Rows
    heads: int
    dim: int

    def __post_init__(self):
        self.head_rows = self.base.count // self.heads
        order = np.arange(self.head_rows)
        order[: self.dim] = order[: self.dim].reshape(self.dim // 2, 2).T.reshape(-1)
        self.order = order
        self.granule = self.head_rows

    def read(self, first: int, count: int) -> np.ndarray:
        low, high = first // self.head_rows, -(-(first + count) // self.head_rows)
        raw = self.base.read(low * self.head_rows, (high - low) * self.head_rows)
        moved = raw.reshape(high - low, self.head_rows, -1)[:, self.order].reshape(raw.shape)
        at = first - low * self.head_rows
        return moved[at : at + count]


@dataclass
class SlicedRows(Rows):
    """Rows [start, start + count) of a fused projection."""
    base: Rows
    start: int

    def read(self, first: int, count: int) -> np.ndarray:
        return self.base.read(self.start + first, count)


@dataclass
class StackedRows(Rows):
    """Equal tensors under a new leading dimension."""
    parts: list

    def read(self, first: int, count: int) -> np.ndarray:
        each, out = self.parts[0].count, []
        while count:
            part, at = divmod(first, each)
            take = min(count, each - at)
            out.append(self.parts[part].read(at, take))
            first, count = first + take, count - take
        return np.concatenate(out)


@dataclass
class PlusOneRows(Rows):
    """w + 1 in f32, as the models that store w compute it."""
    base: Rows

    def read(self, first: int, count: int) -> np.ndarray:
        return (to_f32(self.base, first, count) + np.float32(1)).astype("<f4").view("u1")


def unpermute_rope(rows: Rows, heads: int, dim: int) -> Rows:
    if heads <= 0 or rows.count % heads or len(rows.shape) > 2:
        raise ConvertError(f"{rows.count} rows cannot be {heads} heads")
    if dim % 2 or not 0 <= dim <= rows.count // heads:
        raise ConvertError(f"rope cannot turn {dim} of the {rows.count // heads} rows of a head")
    if len(rows.shape) < 2 and opnf.DTYPES[rows.dtype][1] > 1:
        raise ConvertError(f"a vector of {rows.dtype} has no rows to move")
    return UnpermutedRows(rows.dtype, rows.shape, rows, heads, dim)


def split(rows: Rows, parts: list, take: int) -> Rows:
    if len(rows.shape) not in (1, 2) or sum(parts) != rows.count:
        raise ConvertError(f"{rows.shape} cannot be split into {parts} rows")
    return SlicedRows(rows.dtype, (parts[take], *rows.shape[1:]), rows, sum(parts[:take]))


def stack(parts: list) -> Rows:
    if any((p.dtype, p.shape) != (parts[0].dtype, parts[0].shape) for p in parts):
        raise ConvertError("tensors to be stacked differ in dtype or shape")
    return StackedRows(parts[0].dtype, (len(parts), *parts[0].shape), parts, granule=parts[0].granule)


def add_one(rows: Rows) -> Rows:
    if rows.dtype not in ("f32", "f16", "bf16"):
        raise ConvertError(f"add_one takes f32, f16 or bf16, not {rows.dtype}")
    return PlusOneRows("f32", rows.shape, rows, granule=rows.granule)


def to_f32(rows: Rows, first: int, count: int) -> np.ndarray:
    """Rows as f32 values (count, row_elements), exactly; f64 is rounded."""
    import gguf
    raw = rows.read(first, count)
    if rows.dtype in ("f64", "f32", "f16"):
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(raw).view(opnf.NUMPY[rows.dtype]).astype("<f4")
    raw = wide(np.ascontiguousarray(raw), opnf.DTYPES[rows.dtype][2])
    values = gguf.dequantize(raw, gguf.GGMLQuantizationType[rows.dtype.upper()])
    return values.reshape(count, rows.row_elements)


def wide(array: np.ndarray, unit: int) -> np.ndarray:
    """The same as rows of 256 units where that divides: blocks know no rows, and the library goes 16 rows at a time."""
    return array.reshape(-1, 256 * unit) if array.size % (256 * unit) == 0 else array
