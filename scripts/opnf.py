# SPDX-License-Identifier: Apache-2.0
"""OPNF packages in Python: a streaming writer and a strict reader. The format is formats/opnf/spec.md.

    w = Writer("model.oinf")
    w.meta("n_layers", 30)                       # int -> i64, float -> f64, str, bool, lists, numpy arrays and scalars
    w.tokenizer("tokens", ["a", "b"])
    w.dim("ctx", 1, 8192)                        # w.dim("n_layers", 30): a fixed value
    w.kv_cache("kv", layers=30, slots="slots", heads=3, capacity="ctx", head_dim=64, dtype="f32")
    w.graph("main", text)
    w.tensor("Wq.0", "f16", (576, 576), array)   # or bytes, or a function that returns an iterable of bytes-like chunks
    w.alias("lm_head", "tok_embeddings", shape=(576, 49152), transposed=True)
    w.splat("zeros", "f32", (4096, 4096), struct.pack("<f", 0))
    w.write(progress=lambda done, total: None)   # atomic: streams in key order; on any error nothing is left behind

The bytes equal those of the C++ writer (formats/opnf/writer.h) for the same contents.
"""

from __future__ import annotations

import errno
import os
import re
import struct
from dataclasses import dataclass
from typing import Callable, Iterable

import numpy as np
import xxhash

from opnf_format import (ALIAS, DATA, DATA_ROW, DIMS, DIM_NAME, DTYPES, ENDIAN, ENTRY_SIZE, FILE_ORDER, GRAPH, HEADER_SIZE, KEYHASH, LAYOUTS,
                         MAGIC, METADATA, NONE, PAGE, REQUIRED, ROW_SIZE, SECTION_NAMES, SHARD_MAGIC, SHARDS, SPLAT, STATES, TENSORS, TOKENIZER,
                         OpnfError, align, check_key, encode_map, encode_value, escape_key, is_size, stored_shape, tensor_bytes,
                         unescape_key, xxh64)

__all__ = ["DTYPES", "OpnfError", "Quantisation", "Writer", "escape_key", "tensor_bytes", "unescape_key"]


@dataclass
class Quantisation:
    """value = (q - zero_point) * scale; axis counts stored dimensions. granularity: tensor, channel or group."""
    scale: str
    zero_point: str | None = None
    granularity: str = "tensor"
    axis: int = 0
    group_size: int = 0


@dataclass
class _Row:
    key: str
    dtype: str
    shape: tuple
    kind: int = DATA_ROW
    transposed: bool = False
    layout: str = "rows"
    source: object = None  # array, bytes, function -> chunks; splat: one block
    target: str = ""
    quant: Quantisation | None = None
    nbytes: int = 0
    shard: int = 0
    offset: int = 0
    checksum: int = 0


class _Temporary:
    """A file without a name until commit() gives it `path`: a process that is killed leaves nothing behind. Where the file system
    has no such files, it has another name until then. discard() removes it."""

    def __init__(self, path: str, number: int = 0):
        if os.path.lexists(path) and not os.path.isfile(path):  # renaming would put a file in its place
            link = os.path.islink(path) and not os.path.exists(path)
            raise OSError(errno.EINVAL, "is a directory" if os.path.isdir(path) else "is a link that leads nowhere" if link else "is no regular file", path)
        folder, name = os.path.split(path)
        self.path = path
        self.temporary = os.path.join(folder, f".{name}.{os.getpid()}.{number}.tmp")
        self.nameless = os.path.exists("/proc/self/fd")  # the way to name it later
        try:
            fd = os.open(folder or ".", os.O_RDWR | os.O_TMPFILE, 0o666) if self.nameless else self._named()
        except OSError:
            self.nameless, fd = False, self._named()
        self.file = os.fdopen(fd, "w+b", buffering=1 << 20)

    def _named(self) -> int:
        self._clear()
        return os.open(self.temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)

    def _clear(self):
        """Takes away what a killed process that had our id left."""
        try:
            os.unlink(self.temporary)
        except FileNotFoundError:
            pass

    def finish(self, size: int):
        self.file.flush()
        self.file.truncate(size)
        os.fsync(self.file.fileno())

    def _link(self, path: str):
        number = self.file.fileno()  # src_dir_fd makes it linkat(), which alone follows the symbolic link
        os.link(f"/proc/self/fd/{number}", path, src_dir_fd=number, follow_symlinks=True)

    def commit(self):
        if self.nameless:
            try:
                self._link(self.path)  # one step, where there is no file to replace
                return self.file.close()
            except FileExistsError:
                self._clear()
                self._link(self.temporary)
        self.file.close()
        os.replace(self.temporary, self.path)

    def discard(self):
        for step in (self.file.close, lambda: os.unlink(self.temporary)):
            try:
                step()
            except OSError:
                pass


class Writer:
    def __init__(self, path, *, alignment: int = 256, shard_size: int | None = None):
        if alignment & (alignment - 1) or not 64 <= alignment <= 1 << 20:
            raise OpnfError(f"alignment {alignment}: a power of two from 64 to 2^20 is needed")
        self.path, self.alignment, self.shard_size = os.fspath(path), alignment, shard_size
        self.shards = []  # names of the shard files that write() made
        self.sizes = []  # in bytes, of the package's file and of each shard
        self._maps = {kind: {} for kind in (METADATA, DIMS, STATES, TOKENIZER, GRAPH)}
        self._rows: dict[str, _Row] = {}
        self._size_names: list = []  # (state, dimension name) to check at the end

    def _put(self, kind: int, key: str, value, dtype=None):
        check_key(key, f"{SECTION_NAMES[kind]} key")
        if key in self._maps[kind]:
            raise OpnfError(f"{SECTION_NAMES[kind]} has {key!r} already")
        self._maps[kind][key] = encode_value(key, value, dtype)

    def meta(self, key: str, value, dtype: str | None = None):
        self._put(METADATA, key, value, dtype)

    def tokenizer(self, key: str, value, dtype: str | None = None):
        self._put(TOKENIZER, key, value, dtype)

    def graph(self, name: str, text: str):
        self._put(GRAPH, name, str(text))

    def dim(self, name: str, low: int, high: int | None = None):
        high = low if high is None else high
        if not DIM_NAME.match(name) or not 0 <= low <= high < 1 << 62:
            raise OpnfError(f"dimension {name!r} [{low}, {high}]: a name that begins with a letter or _ and 0 <= min <= max < 2^62 are needed")
        self._put(DIMS, name, [low, high], "i64")

    def _state(self, name: str, layout: str, dtype: str, sizes: Iterable):
        if "/" in name or dtype not in DTYPES:
            raise OpnfError(f"state {name!r} of {dtype!r}: no '/' in the name, and a known dtype is needed")
        sizes = [str(s) for s in sizes]
        if len(sizes) > 8:
            raise OpnfError(f"state {name!r} has {len(sizes)} dimensions, at most 8 are allowed")
        self._size_names += [(name, s) for s in sizes if not is_size(s)]
        self._put(STATES, f"{name}/dtype", dtype)
        self._put(STATES, f"{name}/layout", layout)
        self._put(STATES, f"{name}/shape", sizes, "string")

    def kv_cache(self, name: str, *, layers, slots, heads, capacity, head_dim, dtype: str = "f32"):
        """Each size is a number or the name of a dimension."""
        self._state(name, "kv_cache", dtype, (layers, slots, heads, capacity, head_dim))

    def tensor_state(self, name: str, dtype: str, shape: Iterable):
        self._state(name, "tensor", dtype, shape)

    def _add(self, row: _Row):
        check_key(row.key, "tensor key")
        if row.key in self._rows:
            raise OpnfError(f"there is a tensor {row.key!r} already")
        try:
            row.shape = tuple(int(d) for d in row.shape)
            if row.kind != ALIAS:
                row.nbytes = tensor_bytes(row.dtype, row.shape, row.transposed, row.layout)
        except OpnfError as e:
            raise OpnfError(f"tensor {row.key!r}: {e}") from None
        self._rows[row.key] = row

    def tensor(self, key: str, dtype: str, shape, source, *, transposed: bool = False, layout: str = "rows",
               quant: Quantisation | None = None):
        """source: the stored bytes as array, bytes-like, or a function that returns an iterable of bytes-like chunks."""
        self._add(_Row(key, dtype, shape, DATA_ROW, transposed, layout, source, quant=quant))

    def splat(self, key: str, dtype: str, shape, block: bytes, *, transposed: bool = False, quant: Quantisation | None = None):
        """Every element is the same: block holds the bytes of one block (one element of a plain dtype)."""
        self._add(_Row(key, dtype, shape, SPLAT, transposed, source=bytes(block), quant=quant))
        if len(block) != DTYPES[dtype][2]:
            raise OpnfError(f"splat {key!r}: a block of {dtype} has {DTYPES[dtype][2]} bytes, not {len(block)}")

    def alias(self, key: str, target: str, *, shape=None, transposed: bool | None = None):
        """The bytes of `target` under another name; shape and transposed default to the target's."""
        self._add(_Row(key, "", shape if shape is not None else (), ALIAS, target=target))
        self._rows[key].source = (shape is not None, transposed)

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def data_bytes(self) -> int:
        return sum(r.nbytes for r in self._rows.values() if r.kind == DATA_ROW)

    # -- resolving and checking before the first byte is written

    def _resolve_alias(self, row: _Row):
        target, seen = row, {row.key}
        while target.kind == ALIAS:
            following = self._rows.get(target.target)
            if following is None:
                raise OpnfError(f"alias {target.key!r} points to {target.target!r}, which does not exist")
            if following.key in seen:
                raise OpnfError(f"alias {row.key!r} leads back to {following.key!r}")
            seen.add(following.key)
            target = following
        has_shape, transposed = row.source
        row.dtype, row.layout, row.nbytes, row.target = target.dtype, target.layout, target.nbytes, target.key
        row.shape = row.shape if has_shape else target.shape
        row.transposed = target.transposed if transposed is None else transposed
        if stored_shape(row.shape, row.transposed) != stored_shape(target.shape, target.transposed):
            raise OpnfError(f"alias {row.key!r} {row.shape} does not fit the stored shape of {target.key!r} {target.shape}")

    def _check_quant(self, row: _Row):
        q, stored = row.quant, stored_shape(row.shape, row.transposed)
        where = f"quantisation of {row.key!r}"
        if not re.match(r"[iu]\d", row.dtype):
            raise OpnfError(f"{where}: {row.dtype} is not an integer dtype")
        if q.granularity == "tensor":
            wanted, ok = (), q.axis == 0 and q.group_size == 0
        elif q.granularity == "channel":
            ok = q.axis < len(stored) and q.group_size == 0
            wanted = stored[q.axis : q.axis + 1]
        else:
            ok = q.granularity == "group" and q.axis < len(stored) and q.group_size > 0 and stored[q.axis] % q.group_size == 0
            wanted = ok and (*stored[: q.axis], stored[q.axis] // q.group_size, *stored[q.axis + 1 :])
        if not ok:
            raise OpnfError(f"{where}: {q} does not fit the stored shape {stored}")
        for name, floating in ((q.scale, True), (q.zero_point, False)):
            if name is None:
                continue
            other = self._rows.get(name)
            if other is None:
                raise OpnfError(f"{where}: there is no tensor {name!r}")
            kinds = r"(b?f|f8)" if floating else r"(b?f|f8|[iu]\d)"
            if not re.match(kinds, other.dtype) or other.shape != wanted or other.transposed or other.layout != "rows" or other.quant:
                raise OpnfError(f"{where}: {name!r} must be a plain {'floating' if floating else 'numeric'} tensor {wanted}, it is {other.dtype} {other.shape}")

    def _lay_out(self, start: int) -> dict:
        """Gives every data row its file and offset; returns file number -> end."""
        ends = {}
        number, cursor = (1, PAGE) if self.shard_size else (0, start)
        for row in self._sorted():
            if row.kind != DATA_ROW:
                continue
            row.offset = align(cursor, self.alignment)
            if self.shard_size and number in ends and row.offset + row.nbytes > self.shard_size:
                number, row.offset = number + 1, align(PAGE, self.alignment)
            row.shard, cursor = number, row.offset + row.nbytes
            ends[number] = cursor
        return ends

    def _sorted(self) -> list:
        return [self._rows[k] for k in sorted(self._rows)]

    def _encode_tensors(self) -> bytes:
        rows = self._sorted()
        number = {r.key: i for i, r in enumerate(rows)}
        table, quants, patterns, dims, key_at = [], [], [], [], 0
        pattern_bytes = 0
        for r in rows:
            if r.quant:
                q = r.quant
                quants.append(struct.pack("<IIBBHIQ", number[q.scale], number[q.zero_point] if q.zero_point is not None else NONE,
                                          ("tensor", "channel", "group").index(q.granularity) + 1, q.axis, 0, 0, q.group_size))
            offset = pattern_bytes if r.kind == SPLAT else r.offset
            table.append(struct.pack("<IBBBBIBBHQQQII", key_at, len(r.key), DTYPES[r.dtype][0], len(r.shape), r.kind, len(dims),
                                     LAYOUTS.index(r.layout), int(r.transposed), r.shard, offset, r.nbytes, r.checksum,
                                     number[r.target] if r.kind == ALIAS else 0, len(quants) if r.quant else 0))
            if r.kind == SPLAT:
                patterns.append(r.source.ljust(align(len(r.source), 8), b"\0"))
                pattern_bytes += len(patterns[-1])
            dims += r.shape
            key_at += len(r.key)
        header = struct.pack("<8I", len(rows), ROW_SIZE, len(dims), len(quants), pattern_bytes, key_at, self.alignment, 0)
        return b"".join([header, *table, struct.pack(f"<{len(dims)}Q", *dims), *quants, *patterns, *(r.key.encode() for r in rows)])

    def _encode_keyhash(self) -> bytes:
        rows = self._sorted()
        if not rows:
            return b""
        mask = max(2, 1 << (2 * len(rows) - 1).bit_length()) - 1
        slots = [0] * (mask + 1)
        for number, row in enumerate(rows, 1):
            h = xxh64(row.key.encode())
            at = h & mask
            while slots[at]:
                at = (at + 1) & mask
            slots[at] = h >> 32 << 32 | number
        return np.array(slots, dtype="<u8").tobytes()

    def _sections(self, shards: bytes) -> tuple:
        """The encoded sections, their places, and where they end."""
        bodies = {kind: encode_map(values) for kind, values in self._maps.items() if values}
        bodies[SHARDS], bodies[TENSORS], bodies[KEYHASH] = shards, self._encode_tensors(), self._encode_keyhash()
        kinds = [k for k in FILE_ORDER if bodies.get(k)]
        has_data = not self.shard_size and any(r.kind == DATA_ROW for r in self._rows.values())
        cursor, places = HEADER_SIZE + ENTRY_SIZE * (len(kinds) + has_data), {}
        for kind in kinds:
            places[kind] = align(cursor, 64 if kind == TENSORS else 8)
            cursor = places[kind] + len(bodies[kind])
        if has_data:
            places[DATA] = align(cursor, PAGE)
        return bodies, places, cursor

    def _encode_index(self, shards: bytes, file_size: int) -> bytes:
        """Everything before DATA, with checksums."""
        bodies, places, end = self._sections(shards)
        out = bytearray(end)
        for i, (kind, at) in enumerate(places.items()):
            body = bodies.get(kind, b"")
            length = file_size - at if kind == DATA else len(body)
            alignment = PAGE if kind == DATA else 64 if kind == TENSORS else 8
            struct.pack_into("<IIQQQII", out, HEADER_SIZE + ENTRY_SIZE * i, kind, int(kind in REQUIRED), at, length,
                             0 if kind == DATA else xxh64(body), alignment, 0)
            out[at : at + len(body)] = body
        index_end = places[TENSORS] + len(bodies[TENSORS])
        struct.pack_into("<8sIHHIIQQQQ", out, 0, MAGIC, ENDIAN, 1, 0, HEADER_SIZE, len(places), file_size or end, 0, 0, index_end)
        struct.pack_into("<Q", out, 56, xxh64(memoryview(out)[HEADER_SIZE:index_end], xxh64(bytes(out[:56]))))
        return bytes(out)

    def _manifest(self, hashes: list, ends: dict) -> bytes:
        if not self.shard_size or not ends:
            return b""
        return encode_map({"hashes": encode_value("hashes", hashes, "u64"), "names": encode_value("names", self._shard_names(hashes), "string"),
                           "sizes": encode_value("sizes", [ends[i] for i in sorted(ends)], "u64")})

    def _stem(self) -> str:
        return os.path.basename(self.path).removesuffix(".oinf")

    def _shard_names(self, hashes: list) -> list:
        """Made of the bytes: no shard ever replaces another package's, or the one that is being replaced."""
        stem = self._stem()
        if not re.match(r"(?!\.)[A-Za-z0-9._-]{1,227}\Z", stem):
            raise OpnfError(f"a sharded package needs a file name of A-Za-z0-9._-, not {stem!r}")
        return [f"{stem}.{i:05}.{h:016x}.oins" for i, h in enumerate(hashes, 1)]

    def write(self, progress: Callable[[int, int], None] | None = None, whole: Callable[[], None] | None = None) -> None:
        """Streams every tensor in key order; whole() is called when that is done and no file has its name yet.
        Errors: OpnfError, OSError, what the two throw; nothing is left behind."""
        for row in self._rows.values():
            if row.kind == ALIAS:
                self._resolve_alias(row)
        for row in self._rows.values():
            if row.quant:
                self._check_quant(row)
        for state, name in self._size_names:
            if name not in self._maps[DIMS]:
                raise OpnfError(f"state {state!r} names the dimension {name!r}, which is not declared")
        ends = self._lay_out(PAGE)  # number of shards first: the manifest's size moves the data of no shard
        manifest = self._manifest([0] * len(ends), ends)
        _, places, end = self._sections(manifest)
        ends = self._lay_out(places.get(DATA, PAGE))
        self._write_files(ends, manifest, ends.get(0, end), progress, whole)

    def _write_files(self, ends: dict, manifest: bytes, main_size: int, progress, whole):
        total, done, hashes = self.data_bytes(), 0, []
        files = []
        try:
            files.append(_Temporary(self.path))
            for number in range(1, len(ends) + 1 if manifest else 1):
                files.append(_Temporary(self.path, number))
                hashes.append(_Hashed(files[number].file, struct.pack("<8sIHHIIQ", SHARD_MAGIC, ENDIAN, 1, 0, number, 0, ends[number])))
            for row in self._sorted():
                if row.kind == DATA_ROW:
                    out = hashes[row.shard - 1] if row.shard else _Plain(files[0].file)
                    out.seek(row.offset)
                    row.checksum = self._stream(row, out, lambda n: progress and progress(done + n, total))
                    done += row.nbytes
            for number, out in enumerate(hashes, 1):
                out.seek(ends[number])
                files[number].finish(ends[number])
            digests = [h.hash.intdigest() for h in hashes]
            self.shards = self._shard_names(digests) if digests else []
            for file, name in zip(files[1:], self.shards):
                file.path = os.path.join(os.path.dirname(self.path), name)
            files[0].file.seek(0)
            files[0].file.write(self._encode_index(self._manifest(digests, ends), main_size))
            files[0].finish(main_size)
            self.sizes = [os.fstat(f.file.fileno()).st_size for f in files]
            if whole:
                whole()
            self._commit(files)
        finally:
            for file in files:
                file.discard()

    def _commit(self, files: list):
        """Shards under names of their own, then the index over the old one: before it the old package is whole, after it the new
        one. Only then may the old shards go."""
        ours = re.compile(re.escape(self._stem()) + r"\.\d{5}(\.[0-9a-f]{16})?\.oins")
        old = {n for n in _shards_of(self.path) if ours.fullmatch(n)}
        added = []
        try:
            for file in files[1:]:
                there = os.path.exists(file.path)  # the same bytes, the old package's perhaps
                file.commit()
                added += [] if there else [file.path]
            if added:
                _sync_folder(self.path)
            files[0].commit()
        except BaseException:
            for path in added:
                os.unlink(path)
            raise
        _sync_folder(self.path)
        for name in old - set(self.shards):
            try:
                os.unlink(os.path.join(os.path.dirname(self.path), name))
            except OSError:
                pass  # a shard too many harms nobody

    def _stream(self, row: _Row, out, report) -> int:
        source = row.source() if callable(row.source) else (row.source,)
        written, checksum = 0, xxhash.xxh64()
        for chunk in source:
            array = np.ascontiguousarray(chunk) if isinstance(chunk, np.ndarray) else np.frombuffer(chunk, dtype="u1")
            raw = memoryview(array.reshape(-1).view("u1"))
            written += len(raw)
            if written > row.nbytes:
                break
            checksum.update(raw)
            out.write(raw)
            report(written)
        if written != row.nbytes:
            raise OpnfError(f"tensor {row.key!r}: {row.dtype} {row.shape} needs {row.nbytes} bytes, the source gave {written}{'+' if written > row.nbytes else ''}")
        return checksum.intdigest()


class _Plain:
    def __init__(self, file):
        self.seek, self.write = file.seek, file.write


class _Hashed:
    """A shard on its way: hashed from the first byte to the last, gaps included."""

    def __init__(self, file, header: bytes):
        self.file, self.hash, self.at = file, xxhash.xxh64(), 0
        self.write(header)

    def write(self, raw):
        self.hash.update(raw)
        self.file.write(raw)
        self.at += len(raw)

    def seek(self, to: int):
        self.write(b"\0" * (to - self.at))


def _shards_of(path: str) -> list:
    """The names of the shards that the package at `path` names; none if there is no readable one."""
    from opnf_reader import shard_names
    try:
        return shard_names(path)
    except (OSError, OpnfError, ValueError, struct.error):
        return []


def _sync_folder(path: str):
    fd = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
