# SPDX-License-Identifier: Apache-2.0
"""The arrays of an .npz file (a zip archive of .npy files), stored or deflated, where they lie. Nothing is unpickled.
Format: NumPy's NEP 1."""

from __future__ import annotations

import ast
import math

import numpy as np

import opnf_format as opnf
from .errors import ConvertError, one_line
from .rows import Rows
from .strided import place
from .zip_file import Entry, read_zip

DTYPES = {np.dtype(form).str: name for name, form in opnf.NUMPY.items() if name not in ("bf16", "bool")} | {"|b1": "bool"}
MAX_HEADER = 10_000  # what NumPy itself accepts


def read_npz(path: str, notes: list) -> dict:
    """name -> Rows."""
    tensors = {}
    for entry in read_zip(path).values():
        if not entry.name.endswith(".npy"):
            raise ConvertError(f"{path}: entry {one_line(entry.name)} is no .npy: not an .npz file")
        tensors[entry.name.removesuffix(".npy")] = _array(path, entry)
    return tensors


def _array(path: str, entry: Entry) -> Rows:
    name = entry.name.removesuffix(".npy")
    where = f"{path}: array {one_line(name)}"
    form, fortran, shape, start = _header(where, entry)
    if form in ("|O", "O"):
        raise ConvertError(f"{where} holds pickled Python objects, which are never loaded")
    if form not in DTYPES:
        remedy = "; store it in little-endian order" if str(form).startswith(">") else ""
        raise ConvertError(f"{where} has dtype {one_line(form)}, which packages do not have{remedy}")
    kind = DTYPES[form]
    try:
        size = opnf.tensor_bytes(kind, shape)
    except opnf.OpnfError as e:
        raise ConvertError(f"{where}: {e}") from None
    if start + size != entry.size:
        raise ConvertError(f"{where}: {kind} {shape} takes {size} bytes, its entry has {entry.size - start}")
    extents = shape if fortran else shape[::-1]
    strides = [math.prod(extents[:i]) for i in range(len(shape))]
    return place(kind, shape, tuple(strides if fortran else strides[::-1]), name, entry.file, start)


def _header(where: str, entry: Entry) -> tuple:
    """(dtype, Fortran order, shape, where the data begins in the entry)."""
    head = entry.head(min(entry.size, MAX_HEADER + 12))
    if head[:6] != b"\x93NUMPY" or len(head) < 12:
        raise ConvertError(f"{where} is no .npy file")
    if tuple(head[6:8]) not in ((1, 0), (2, 0), (3, 0)):
        raise ConvertError(f"{where} has .npy version {head[6]}.{head[7]}: 1.0 to 3.0 are known")
    start = 10 if head[6] == 1 else 12
    end = start + int.from_bytes(head[8:start], "little")
    try:
        if end > len(head):
            raise ValueError
        found = ast.literal_eval(head[start:end].decode("utf-8").strip())
        form, fortran, shape = found["descr"], found["fortran_order"], found["shape"]
        if len(found) != 3 or type(fortran) is not bool or type(shape) is not tuple or not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError
    except (ValueError, TypeError, KeyError, SyntaxError, RecursionError, MemoryError):
        raise ConvertError(f"{where} has a bad header: {one_line(head[start : min(end, start + 80)].decode('latin-1').strip())}") from None
    return form if type(form) is str else str(form), fortran, shape, end
