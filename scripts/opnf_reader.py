# SPDX-License-Identifier: Apache-2.0
"""A strict reader of OPNF packages: every rule of formats/opnf/spec.md, checksums included, at once.

Written for tests and small tools; independent of the C++ reader. Tensor bytes come as numpy views of a memory map.

    p = Package("model.oinf")
    p.metadata["n_layers"], p.tokenizer.get("tokens"), p.tensors["Wq.0"].shape, p.bytes("Wq.0")
"""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import dataclass

import numpy as np

from opnf_format import (ALIAS, ARRAY, DATA, DATA_ROW, DIMS, DIM_NAME, DTYPE_OF_CODE, DTYPES, ENDIAN, ENTRY_SIZE, GRAPH, HEADER_SIZE, KEY, KEYHASH,
                  LAYOUTS, MAGIC, MAX_STRING, METADATA, NONE, NUMPY, PAGE, ROW_SIZE, SCALAR, SECTION_NAMES, SHARD_MAGIC, SHARDS, SPLAT, STATES,
                  STRING, TENSOR, TENSORS, TOKENIZER, OpnfError, is_size, align, stored_shape, tensor_bytes, xxh64)
from opnf import Quantisation


def need(condition, message: str):
    if not condition:
        raise OpnfError(message)


@dataclass
class Tensor:
    key: str
    dtype: str
    shape: tuple
    kind: int
    layout: str
    transposed: bool
    shard: int
    offset: int
    nbytes: int
    checksum: int
    target: str | None
    pattern: bytes | None
    quant: Quantisation | None = None


def decode_map(section: bytes, name: str) -> dict:
    """key -> (type name, value). Arrays and tensors are numpy arrays, bf16 as its bits."""
    need(len(section) >= 8, f"{name}: too short")
    count, zero = struct.unpack_from("<II", section)
    key_at = 8 + 32 * count
    need(not zero and key_at <= len(section), f"{name}: {count} entries do not fit")
    entries = [struct.unpack_from("<IBBBBQQQ", section, 8 + 32 * i) for i in range(count)]
    end, values, before = key_at + sum(e[1] for e in entries), {}, ""
    for offset, length, code, form, rank, at, elements, nbytes in entries:
        key = section[key_at : key_at + length].decode("ascii", "replace")
        need(offset == key_at and KEY.match(key) and key > before, f"{name}: key {key!r} is malformed, twice or out of order")
        need(at == align(end, 8) and at + nbytes <= len(section), f"{name} {key!r}: value out of place")
        need(not any(section[end:at]), f"{name} {key!r}: padding is not zero")
        values[key] = _decode_value(section[at : at + nbytes], code, form, rank, elements, f"{name} {key!r}")
        key_at, end, before = key_at + length, at + nbytes, key
    need(end == len(section), f"{name}: bytes behind the last value")
    return values


def _decode_value(raw: bytes, code: int, form: int, rank: int, count: int, where: str) -> tuple:
    need(form in (SCALAR, ARRAY, TENSOR) and (form != SCALAR or count == 1) and (rank == 0 or form == TENSOR) and rank <= 8, f"{where}: form")
    if code == STRING:
        need(form != TENSOR, f"{where}: tensor of strings")
        if form == SCALAR:
            need(len(raw) <= MAX_STRING, f"{where}: string too long")
            return "string", raw.decode()
        need(4 * count <= len(raw), f"{where}: {count} strings do not fit")
        ends, blob = np.frombuffer(raw, "<u4", count).tolist(), raw[4 * count :]
        starts = [0, *ends]
        need(starts == sorted(starts) and starts[-1] == len(blob), f"{where}: ends")
        return "string[]", [blob[a:b].decode() for a, b in zip(starts, ends)]
    dtype = DTYPE_OF_CODE.get(code)
    need(dtype in NUMPY, f"{where}: type {code}")
    dims = struct.unpack_from(f"<{rank}Q", raw) if 8 * rank <= len(raw) else None
    need(dims is not None and len(raw) - 8 * rank == count * DTYPES[dtype][2], f"{where}: length")
    array = np.frombuffer(raw, NUMPY[dtype], count, 8 * rank)
    need(dtype != "bool" or not (array > 1).any(), f"{where}: bool")
    if form == TENSOR:
        need(tensor_bytes(dtype, dims) == len(raw) - 8 * rank, f"{where}: shape")
        return f"{dtype} tensor", array.reshape(dims)
    return (f"{dtype}[]", array) if form == ARRAY else (dtype, bool(array[0]) if dtype == "bool" else array[0].item())


def shard_names(path) -> list:
    """Of the package at `path`, without a look at its tensors."""
    package = Package.__new__(Package)
    need(stat.S_ISREG(os.stat(path).st_mode), f"{path}: not a regular file")
    package._files = [np.memmap(path, "u1", "r")]
    package.sections = package._read_sections(package._files[0])
    kind, names = decode_map(package._section(SHARDS), "SHARDS").get("names", ("", [])) if SHARDS in package.sections else ("", [])
    return names if kind == "string[]" else []


class Package:
    def __init__(self, path):
        self.path = os.fspath(path)
        need(stat.S_ISREG(os.stat(self.path).st_mode), f"{self.path}: not a regular file")  # opening a pipe would wait
        self._files = [np.memmap(self.path, "u1", "r")]
        self.sections = self._read_sections(self._files[0])
        maps = {k: decode_map(self._section(k), SECTION_NAMES[k]) if k in self.sections else {} for k in (METADATA, DIMS, STATES, TOKENIZER, GRAPH, SHARDS)}
        self.metadata, self.tokenizer = ({k: v for k, (_, v) in maps[kind].items()} for kind in (METADATA, TOKENIZER))
        self.types = {k: t for k, (t, _) in {**maps[TOKENIZER], **maps[METADATA]}.items()}
        need(all(t == "string" for t, _ in maps[GRAPH].values()), "GRAPH: not text")
        self.graphs = {k: v for k, (_, v) in maps[GRAPH].items()}
        self.dims = self._read_dims(maps[DIMS])
        self.states = self._read_states(maps[STATES])
        self._open_shards(maps[SHARDS])
        self.tensors = self._read_tensors(self._section(TENSORS))
        self._check_data()
        self._check_keyhash()

    def _section(self, kind: int) -> bytes:
        offset, length = self.sections[kind][:2]
        return self._files[0][offset : offset + length].tobytes()

    def _read_sections(self, file) -> dict:
        need(len(file) >= HEADER_SIZE, "no header")
        head = file[:HEADER_SIZE].tobytes()
        magic, endian, major, _, header_size, count, size, required, _, index_end, checksum = struct.unpack("<8sIHHIIQQQQQ", head)
        need(magic == MAGIC and endian == ENDIAN and major == 1 and header_size == HEADER_SIZE and not required, "header")
        need(size == len(file), f"{len(file)} bytes, the header says {size}")
        end = HEADER_SIZE + ENTRY_SIZE * count
        need(0 < count <= 1024 and end <= index_end <= size, "section count or index end")
        need(xxh64(file[HEADER_SIZE:index_end], xxh64(head[:56])) == checksum, "index checksum")
        sections = {}
        for i in range(count):
            kind, flags, offset, length, total, alignment, zero = struct.unpack_from("<IIQQQII", file[HEADER_SIZE + ENTRY_SIZE * i :][:ENTRY_SIZE].tobytes())
            need(flags <= 1 and not zero and alignment & (alignment - 1) == 0 and 8 <= alignment <= 1 << 20, f"section {kind}: fields")
            need(offset == align(end, alignment) and offset + length <= size and not file[end:offset].any(), f"section {kind}: place")
            need(kind in SECTION_NAMES or not flags, f"section {kind}: required and unknown")
            need(kind not in sections and DATA not in sections, f"section {kind}: twice, or behind DATA")
            need(kind not in (METADATA, DIMS, STATES, SHARDS) or TENSORS not in sections, f"section {kind}: behind TENSORS")
            need(kind == DATA or xxh64(file[offset : offset + length]) == total, f"section {kind}: checksum")
            sections[kind] = (offset, length, alignment)
            end = offset + length
        need(end == size and TENSORS in sections and sum(sections[TENSORS][:2]) == index_end, "end of file or index")
        return sections

    def _read_dims(self, entries: dict) -> dict:
        for name, (kind, bounds) in entries.items():
            need(DIM_NAME.match(name) and kind == "i64[]" and len(bounds) == 2 and 0 <= bounds[0] <= bounds[1] < 1 << 62, f"DIMS {name!r}")
        return {name: tuple(bounds.tolist()) for name, (_, bounds) in entries.items()}

    def _read_states(self, entries: dict) -> dict:
        states = {}
        for name in sorted({k.split("/")[0] for k in entries}):
            (t1, dtype), (t2, layout), (t3, shape) = (entries.pop(f"{name}/{field}", (None, None)) for field in ("dtype", "layout", "shape"))
            need((t1, t2, t3) == ("string", "string", "string[]") and dtype in DTYPES and layout in ("kv_cache", "tensor"), f"STATES {name!r}")
            need(len(shape) == 5 if layout == "kv_cache" else len(shape) <= 8, f"STATES {name!r}: shape")
            need(all(is_size(s) or s in self.dims for s in shape), f"STATES {name!r}: a size is neither number nor dimension")
            states[name] = (layout, dtype, shape)
        need(not entries, f"STATES: {list(entries)}")
        return states

    def _open_shards(self, entries: dict):
        if not entries:
            return
        need({k: t for k, (t, _) in entries.items()} == {"hashes": "u64[]", "names": "string[]", "sizes": "u64[]"}, "SHARDS: entries")
        names, sizes, hashes = (entries[k][1] for k in ("names", "sizes", "hashes"))
        need(0 < len(names) == len(set(names)) == len(sizes) == len(hashes), "SHARDS: lengths")
        for number, name in enumerate(names, 1):
            need(KEY.match(name) and "/" not in name and not name.startswith("."), f"SHARDS: {name!r}")
            path = os.path.join(os.path.dirname(self.path), name)
            need(stat.S_ISREG(os.lstat(path).st_mode), f"{path}: not a regular file")
            file = np.memmap(path, "u1", "r")
            head = struct.pack("<8sIHHIIQ", SHARD_MAGIC, ENDIAN, 1, 0, number, 0, len(file)).ljust(64, b"\0")
            need(len(file) == sizes[number - 1] and file[:64].tobytes() == head, f"{path}: header or size")
            need(xxh64(file) == hashes[number - 1], f"{path}: hash")
            self._files.append(file)

    def _read_tensors(self, raw: bytes) -> dict:
        rows, row_size, dim_count, quant_count, pattern_bytes, key_bytes, self.alignment, zero = struct.unpack_from("<8I", raw)
        a = self.alignment
        need(row_size == ROW_SIZE and not zero and a & (a - 1) == 0 and 64 <= a <= 1 << 20, "TENSORS: header")
        quants_at = 32 + ROW_SIZE * rows + 8 * dim_count
        patterns_at = quants_at + 24 * quant_count
        keys_at = patterns_at + pattern_bytes
        need(keys_at + key_bytes == len(raw), "TENSORS: length")
        dims = struct.unpack_from(f"<{dim_count}Q", raw, 32 + ROW_SIZE * rows)
        out, quantised, used_keys, used_dims, used_patterns, numbers = [], [], 0, 0, 0, []
        for i in range(rows):
            f = struct.unpack_from("<IBBBBIBBHQQQII", raw, 32 + ROW_SIZE * i)
            key_at, key_len, code, rank, kind, dims_at, layout, flags, shard, offset, nbytes, checksum, target, quant = f
            key = raw[keys_at + key_at : keys_at + key_at + key_len].decode("ascii", "replace")
            need(key_at == used_keys and KEY.match(key) and (not out or key > out[-1].key), f"tensor {i}: key {key!r}")
            need(dims_at == used_dims and rank <= 8 and kind <= 2 and flags <= 1 and layout < len(LAYOUTS) and code in DTYPE_OF_CODE, f"tensor {key!r}: fields")
            shape, dtype, pattern = dims[dims_at : dims_at + rank], DTYPE_OF_CODE[code], None
            need(tensor_bytes(dtype, shape, bool(flags), LAYOUTS[layout]) == nbytes, f"tensor {key!r}: {nbytes} bytes")
            need(kind == DATA_ROW or (not shard and not checksum), f"tensor {key!r}: shard or checksum")
            if kind == SPLAT:
                at, size = patterns_at + used_patterns, DTYPES[dtype][2]
                pattern = raw[at : at + size]
                need(offset == used_patterns and not any(raw[at + size : at + align(size, 8)]), f"tensor {key!r}: pattern")
                used_patterns += align(size, 8)
            need(kind == ALIAS or not target, f"tensor {key!r}: target")
            need(kind != ALIAS or not (offset or quant), f"tensor {key!r}: alias")
            if quant:
                quantised.append((i, quant))
            numbers.append(target)
            out.append(Tensor(key, dtype, tuple(shape), kind, LAYOUTS[layout], bool(flags), shard, offset, nbytes, checksum, None, pattern))
            used_keys, used_dims = used_keys + key_len, used_dims + rank
        need((used_keys, used_dims, used_patterns) == (key_bytes, dim_count, pattern_bytes), "TENSORS: leftovers")
        need([q for _, q in quantised] == list(range(1, quant_count + 1)), "TENSORS: quantisations")
        for i, q in quantised:
            scale, zero_point, granularity, axis, z1, z2, group = struct.unpack_from("<IIBBHIQ", raw, quants_at + 24 * (q - 1))
            need(granularity in (1, 2, 3) and not z1 and not z2 and scale < rows and (zero_point < rows or zero_point == NONE), f"quantisation of {out[i].key!r}")
            out[i].quant = Quantisation(out[scale].key, None if zero_point == NONE else out[zero_point].key, (None, "tensor", "channel", "group")[granularity], axis, group)
        for t, number in zip(out, numbers):
            if t.kind == ALIAS:
                need(number < rows and out[number].kind != ALIAS, f"alias {t.key!r}: target")
                other = out[number]
                need((t.dtype, t.layout, stored_shape(t.shape, t.transposed)) == (other.dtype, other.layout, stored_shape(other.shape, other.transposed)), f"alias {t.key!r}: differs from its target")
                t.target = other.key
        return {t.key: t for t in out}

    def _check_data(self):
        sharded = len(self._files) > 1
        number, end = (1, PAGE) if sharded else (0, self.sections.get(DATA, (0,))[0])
        for t in self.tensors.values():
            if t.kind != DATA_ROW:
                continue
            if sharded and t.shard == number + 1:
                need(end == len(self._files[number]), f"shard {number}: end")
                number, end = number + 1, PAGE
            file = self._files[t.shard] if t.shard < len(self._files) else ()
            need(t.shard == number and t.offset == align(end, self.alignment) and t.offset + t.nbytes <= len(file), f"tensor {t.key!r}: place")
            need(not file[end : t.offset].any(), f"tensor {t.key!r}: padding")
            end = t.offset + t.nbytes
            need(xxh64(file[t.offset : end]) == t.checksum, f"tensor {t.key!r}: checksum")
        need(number + 1 == len(self._files) and end == (len(self._files[number]) if sharded or end else 0), "the data's end")

    def _check_keyhash(self):
        if KEYHASH not in self.sections:
            return
        slots = np.frombuffer(self._section(KEYHASH), "<u8").tolist()
        expected, mask = [0] * len(slots), len(slots) - 1
        need(len(slots) >= max(2, 2 * len(self.tensors)) and len(slots) & mask == 0, "KEYHASH: size")
        for number, key in enumerate(self.tensors, 1):
            h = xxh64(key.encode())
            at = h & mask
            while expected[at]:
                at = (at + 1) & mask
            expected[at] = h >> 32 << 32 | number
        need(slots == expected, "KEYHASH: does not agree with the keys")

    def bytes(self, key: str) -> np.ndarray:
        """The stored bytes of a tensor, through its alias."""
        t = self.tensors[key]
        t = self.tensors[t.target] if t.target else t
        if t.kind == SPLAT:
            return np.tile(np.frombuffer(t.pattern, "u1"), t.nbytes // len(t.pattern))
        return self._files[t.shard][t.offset : t.offset + t.nbytes]
