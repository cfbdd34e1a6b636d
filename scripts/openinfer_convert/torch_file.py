# SPDX-License-Identifier: Apache-2.0
"""The tensors of a PyTorch state dict (torch.save's zip archive), where they lie. pickle_values.py reads the names; no code of
the file runs. Layout: torch/serialization.py, PyTorch 1.6 and later: NAME/data.pkl, and NAME/data/KEY for each storage."""

from __future__ import annotations

import re

import opnf_format as opnf
from .errors import ConvertError, one_line
from .pickle_values import Tensor, read_pickle
from .rows import Rows, SourceFile
from .strided import place, span
from .zip_file import read_zip

MAX_PICKLE = 256 << 20
MAX_TENSORS, MAX_DEPTH = 1 << 20, 32
MAX_NAME = 512  # characters: a long key over a dict of many would be written again for each
# A training checkpoint keeps its weights under one of these.
WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "weights", "params")
OLD = bytes.fromhex("8002 8a0a 6cfc9c46f9206aa85019")  # pickled magic number of the format before PyTorch 1.6
SAVE_AGAIN = "load it with PyTorch and save its state dict again with torch.save, or as safetensors"


def read_torch(path: str, notes: list) -> dict:
    """name -> Rows; what else the file holds becomes a note."""
    _check_container(path)
    entries = read_zip(path)
    pickles = [n for n in entries if re.fullmatch(r"[^/]+/data\.pkl", n)]
    if len(pickles) != 1:
        raise ConvertError(f"{path}: holds {'no' if not pickles else len(pickles)} data.pkl: not what torch.save writes")
    prefix = pickles[0].removesuffix("data.pkl")
    if prefix + "constants.pkl" in entries:
        raise ConvertError(f"{path}: is a TorchScript program, not a state dict: {SAVE_AGAIN}")
    order = entries.get(prefix + "byteorder")
    if order is not None and order.read(0, min(order.size, 16)) != b"little":
        raise ConvertError(f"{path}: is not little-endian: {SAVE_AGAIN} on another machine")
    if entries[pickles[0]].size > MAX_PICKLE:
        raise ConvertError(f"{path}: its data.pkl claims {entries[pickles[0]].size} bytes, at most {MAX_PICKLE} are read")
    value = read_pickle(entries[pickles[0]].read(0, entries[pickles[0]].size), path)
    found = _flatten(path, _state_dict(path, value), notes)
    return {name: _rows(path, name, tensor, entries, prefix + "data/") for name, tensor in found.items()}


def _check_container(path: str):
    file = SourceFile(path)
    head = file.read(0, min(file.size, 512)).tobytes()
    if head.startswith(OLD) or head[257:262] == b"ustar":
        raise ConvertError(f"{path}: is in PyTorch's format of before version 1.6: {SAVE_AGAIN}")
    if not head.startswith(b"PK"):
        raise ConvertError(f"{path}: is not what torch.save writes (a zip archive)")


def _state_dict(path: str, value, depth: int = 0) -> dict:
    """The dict that holds the tensors."""
    if isinstance(value, Tensor):
        raise ConvertError(f"{path}: holds one tensor without a name: save it as {{'name': tensor}}")
    if type(value) is dict:
        if any(isinstance(v, Tensor) for v in value.values()):
            return value
        for key in WRAPPERS:
            if type(value.get(key)) is dict and value[key] and depth < MAX_DEPTH:
                return _state_dict(path, value[key], depth + 1)
        if any(type(v) is dict for v in value.values()):
            return value
    keys = ", ".join(one_line(k) for k in list(value)[:5]) if type(value) is dict else type(value).__name__
    raise ConvertError(f"{path}: holds no state dict, but {keys or 'an empty dict'}")


def _flatten(path: str, value: dict, notes: list) -> dict:
    """Nested dicts as dotted names."""
    out, others, shown, nodes = {}, 0, [], 0
    stack = [("", value, 0)]
    while stack:
        prefix, node, depth = stack.pop()
        nodes += len(node)
        if depth > MAX_DEPTH or nodes > MAX_TENSORS:
            raise ConvertError(f"{path}: its dicts hold more than {MAX_TENSORS} values or nest deeper than {MAX_DEPTH}")
        for key, item in node.items():
            name = f"{prefix}{key}"
            if len(name) > MAX_NAME:
                raise ConvertError(f"{path}: the name {one_line(name)} is longer than {MAX_NAME} characters")
            if isinstance(item, Tensor):
                if name in out:
                    raise ConvertError(f"{path}: tensor {one_line(name)} is there twice")
                out[name] = item
            elif type(item) is dict:
                stack.append((f"{name}.", item, depth + 1))
            elif item is not None:
                others += 1
                shown += [one_line(name)] if others <= 3 else []
    if others:
        text = ", ".join(shown) + (" …" if others > 3 else "")
        notes.append(f"{others} value{'s' if others > 1 else ''} of {one_line(path)} that {'are' if others > 1 else 'is'} no tensor left out: {text}")
    return out


def _rows(path: str, name: str, tensor: Tensor, entries: dict, folder: str) -> Rows:
    where = f"{path}: tensor {one_line(name)}"
    storage, item = tensor.storage, opnf.DTYPES[tensor.dtype][2]
    entry = entries.get(folder + storage.key)
    if entry is None:
        raise ConvertError(f"{where}: its storage {one_line(storage.key)} is not in the file")
    size = storage.count * (1 if storage.dtype is None else opnf.DTYPES[storage.dtype][2])
    if entry.size != size:
        raise ConvertError(f"{where}: its storage {one_line(storage.key)} has {entry.size} bytes, {size} are claimed")
    try:
        opnf.tensor_bytes(tensor.dtype, tensor.shape)
    except opnf.OpnfError as e:
        raise ConvertError(f"{where}: {e}") from None
    end = (tensor.offset + span(tensor.shape, tensor.strides)) * item
    if end > size:
        raise ConvertError(f"{where} ({tensor.dtype} {tensor.shape}, strides {tensor.strides}) ends at byte {end} of its storage, which has {size}")
    return place(tensor.dtype, tensor.shape, tensor.strides, name, entry.file, tensor.offset * item)
