# SPDX-License-Identifier: Apache-2.0
"""Exact transforms of fused tensors beyond rows.py's: every second row or column, and MXFP4 blocks whose scales and nibbles a
checkpoint keeps apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import opnf_format as opnf
from .blocks import bad_block
from .errors import ConvertError
from .rows import Rows


@dataclass
class SteppedRows(Rows):
    """Rows start, start + step, …"""
    base: Rows
    start: int
    step: int

    def read(self, first: int, count: int) -> np.ndarray:
        return self.base.read(self.start + first * self.step, (count - 1) * self.step + 1)[:: self.step]


@dataclass
class ColumnRows(Rows):
    """Elements start, start + step, … of each row, of a plain dtype."""
    base: Rows
    start: int
    step: int

    def read(self, first: int, count: int) -> np.ndarray:
        item = opnf.DTYPES[self.dtype][2]
        raw = self.base.read(first, count).reshape(count, self.base.row_elements, item)
        return raw[:, self.start :: self.step].reshape(count, self.row_bytes)


@dataclass
class Mxfp4Rows(Rows):
    """ggml's blocks (scale, then elements j and j + 16 in byte j) from blocks of elements 2j and 2j + 1 in byte j beside their
    scales. Sources: ggml-common.h, block_mxfp4; transformers, integrations/mxfp4.py."""
    blocks: Rows  # u8 (…, n, 16)
    scales: Rows  # u8 (…, n)

    def read(self, first: int, count: int) -> np.ndarray:
        each = self.row_elements // 32
        pairs = self.blocks.read(first * each, count * each)
        elements = np.stack((pairs & 15, pairs >> 4), axis=-1).reshape(-1, 32)
        out = np.empty((count * each, 17), dtype="u1")
        out[:, 0] = self.scales.read(first, count).reshape(-1)
        out[:, 1:] = elements[:, :16] | elements[:, 16:] << 4
        if (bad := bad_block("mxfp4", 17, out.reshape(-1))) is not None:
            raise ConvertError(f"block {first * each + bad} (mxfp4) has a scale that is NaN")
        return out.reshape(count, self.row_bytes)


def every(rows: Rows, step: int, start: int, columns: bool) -> Rows:
    """One of `step` interleaved tensors; rows are those of the last dimension but one."""
    axis = -1 if columns or len(rows.shape) < 2 else -2
    if not rows.shape or rows.shape[axis] % step or (axis == -1 and opnf.DTYPES[rows.dtype][1] > 1):
        raise ConvertError(f"{rows.dtype} {rows.shape} cannot be taken apart into {step}")
    shape = list(rows.shape)
    shape[axis] //= step
    kind = ColumnRows if axis == -1 and len(shape) >= 2 else SteppedRows
    return kind(rows.dtype, tuple(shape), rows, start, step)


def mxfp4(parts: list) -> Rows:
    blocks, scales = parts
    if (blocks.dtype, scales.dtype) != ("u8", "u8") or blocks.shape != (*scales.shape, 16) or len(scales.shape) < 2:
        raise ConvertError(f"blocks {blocks.dtype} {blocks.shape} and scales {scales.dtype} {scales.shape} are no MXFP4: u8 (…, n, 16) and (…, n) are needed")
    return Mxfp4Rows("mxfp4", (*scales.shape[:-1], scales.shape[-1] * 32), blocks, scales)
