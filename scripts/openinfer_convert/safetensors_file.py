# SPDX-License-Identifier: Apache-2.0
"""The index of one .safetensors file: where each tensor lies, and what the converter relies on, checked with
messages that name the tensor; then the safetensors library has its say on the header (it would map the file to read it,
and has no numpy bf16)."""

from __future__ import annotations

import struct

from safetensors import SafetensorError, safe_open

import opnf_format as opnf
from .errors import ConvertError, one_line
from .gguf_file import check_disjoint
from .json_file import parse_json
from .rows import FileRows, SourceFile

DTYPES = {"F64": "f64", "F32": "f32", "F16": "f16", "BF16": "bf16", "F8_E4M3": "f8e4m3", "F8_E5M2": "f8e5m2", "I8": "i8",
          "I16": "i16", "I32": "i32", "I64": "i64", "U8": "u8", "U16": "u16", "U32": "u32", "U64": "u64", "BOOL": "bool"}
MAX_HEADER = 100_000_000


def read_safetensors(path: str) -> dict:
    """name -> FileRows."""
    file = SourceFile(path)
    header = _read_header(file)
    header.pop("__metadata__", None)
    tensors = {name: _rows(file, name, entry) for name, entry in header.items()}
    check_disjoint(path, tensors)
    try:
        with safe_open(path, framework="numpy"):
            pass
    except (SafetensorError, OSError) as e:
        raise ConvertError(f"{path}: {one_line(e)}") from None
    return tensors


def _read_header(file: SourceFile) -> dict:
    """The JSON object; offsets of its tensors are made to count from the start of the file."""
    if file.size < 8:
        raise ConvertError(f"{file.path}: has {file.size} bytes: not a safetensors file, or cut")
    size = struct.unpack("<Q", file.read(0, 8).tobytes())[0]
    if size > MAX_HEADER or size > file.size - 8:
        raise ConvertError(f"{file.path}: claims a header of {size} bytes in a file of {file.size}: not a safetensors file, or cut")
    header = parse_json(file.read(8, size).tobytes(), file.path)
    ends = []
    for name, entry in header.items():
        if name != "__metadata__":
            ends.append(_check_entry(file, name, entry))
            entry["data_offsets"] = [8 + size + o for o in entry["data_offsets"]]
    if 8 + size + max(ends, default=0) != file.size:
        raise ConvertError(f"{file.path}: its tensors end at byte {8 + size + max(ends, default=0)}, the file has {file.size}: it is cut or corrupt")
    return header


def _natural(value) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def _check_entry(file: SourceFile, name: str, entry) -> int:
    """Types of the fields; returns where the tensor ends."""
    where = f"{file.path}: tensor {one_line(name)}"
    if not isinstance(entry, dict) or not isinstance(entry.get("dtype"), str):
        raise ConvertError(f"{where}: its header entry has no dtype")
    for key in ("shape", "data_offsets"):
        if not isinstance(entry.get(key), list) or not all(map(_natural, entry[key])):
            raise ConvertError(f"{where}: {key} is not a list of sizes")
    if len(entry["data_offsets"]) != 2 or entry["data_offsets"][0] > entry["data_offsets"][1]:
        raise ConvertError(f"{where}: data_offsets {entry['data_offsets']} is not a range")
    return entry["data_offsets"][1]


def _rows(file: SourceFile, name: str, entry: dict) -> FileRows:
    where = f"{file.path}: tensor {one_line(name)}"
    if entry["dtype"] not in DTYPES:
        raise ConvertError(f"{where} has dtype {one_line(entry['dtype'])}, which packages do not have")
    dtype, shape = DTYPES[entry["dtype"]], tuple(entry["shape"])
    begin, end = entry["data_offsets"]
    try:
        size = opnf.tensor_bytes(dtype, shape)
    except opnf.OpnfError as e:
        raise ConvertError(f"{where}: {e}") from None
    if end - begin != size:
        raise ConvertError(f"{where}: {dtype} {shape} takes {size} bytes, its range has {end - begin}")
    return FileRows(dtype, shape, name, file, begin)
