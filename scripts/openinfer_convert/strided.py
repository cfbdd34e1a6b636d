# SPDX-License-Identifier: Apache-2.0
"""Tensors whose elements do not lie one after the other: PyTorch's views, NumPy's Fortran order, matrices turned around."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

import opnf_format as opnf
from .errors import ConvertError
from .rows import FileRows, Rows

WINDOW = 1 << 20  # elements of the file looked at together


def place(dtype: str, shape: tuple, strides: tuple, name: str, file, offset: int) -> Rows:
    """strides in elements, none negative; the caller has checked that the last element is in the file."""
    dense = 1
    for extent, stride in zip(reversed(shape), reversed(strides)):
        if extent > 1 and stride != dense:
            return StridedRows(dtype, shape, name, file, offset, strides)
        dense *= extent
    return FileRows(dtype, shape, name, file, offset)


def span(shape: tuple, strides: tuple) -> int:
    """Elements from the first to the last, both counted."""
    return 1 + sum((n - 1) * s for n, s in zip(shape, strides)) if math.prod(shape) else 0


def transpose(rows: Rows) -> Rows:
    """The last two dimensions swapped: (in, out) as every other checkpoint stores it, (out, in)."""
    if not isinstance(rows, (FileRows, StridedRows)) or len(rows.shape) < 2 or opnf.DTYPES[rows.dtype][1] > 1:
        raise ConvertError(f"{rows.dtype} {rows.shape} cannot be turned around")
    strides = list(getattr(rows, "strides", [math.prod(rows.shape[i + 1 :]) for i in range(len(rows.shape))]))
    strides[-2:] = strides[:-3:-1]
    return place(rows.dtype, (*rows.shape[:-2], rows.shape[-1], rows.shape[-2]), tuple(strides), rows.name, rows.file, rows.offset)


@dataclass
class StridedRows(Rows):
    name: str
    file: object
    offset: int
    strides: tuple
    held: ClassVar[tuple] = (None, None)  # what was read last, of all tensors: (file, offset, size) and the bytes

    @property
    def item(self) -> int:
        return opnf.DTYPES[self.dtype][2]

    def read(self, first: int, count: int) -> np.ndarray:
        size = span(self.shape, self.strides)
        if size * self.item <= 2 * self.nbytes + WINDOW:  # a permutation: once from the file, then from memory
            raw = self._from_memory(first, count, size)
        else:
            raw = self._from_file(self._positions(first, count))
        return raw.reshape(count, self.row_bytes)

    def _from_memory(self, first: int, count: int, size: int) -> np.ndarray:
        place = (self.file, self.offset, size)
        if StridedRows.held[0] != place:
            StridedRows.held = (None, None)  # before the next is read: one at a time in memory
            StridedRows.held = (place, self.file.read(self.offset, size * self.item))
        view = np.lib.stride_tricks.as_strided(StridedRows.held[1].view(f"V{self.item}"), self.shape, [s * self.item for s in self.strides], writeable=False)
        leading = self.shape[:-1] or self.shape
        rows = np.ascontiguousarray(view[np.unravel_index(np.arange(first, first + count), leading)])
        if first + count == self.count:
            StridedRows.held = (None, None)
        return rows.reshape(-1).view("u1")

    def _positions(self, first: int, count: int) -> np.ndarray:
        """Of every element of those rows, in elements from the tensor's first."""
        leading = self.shape[:-1] or self.shape
        index = np.unravel_index(np.arange(first, first + count, dtype=np.int64), leading)
        starts = sum(i * s for i, s in zip(index, self.strides))
        if len(self.shape) < 2:
            return starts
        return (starts[:, None] + np.arange(self.shape[-1], dtype=np.int64) * self.strides[-1]).reshape(-1)

    def _from_file(self, at: np.ndarray) -> np.ndarray:
        """A window of the file at a time, whatever lies between two elements."""
        out, order = np.empty(at.size, dtype=f"V{self.item}"), np.argsort(at, kind="stable")
        at, done = at[order], 0
        while done < at.size:
            low = int(at[done])
            last = int(np.searchsorted(at, low + WINDOW))
            raw = self.file.read(self.offset + low * self.item, (int(at[last - 1]) + 1 - low) * self.item).view(f"V{self.item}")
            out[order[done:last]] = raw[at[done:last] - low]
            done = last
        return out.view("u1")
