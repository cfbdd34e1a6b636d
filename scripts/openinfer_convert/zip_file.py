# SPDX-License-Identifier: Apache-2.0
"""The entries of a zip archive by position, every length checked before it is used; nothing is ever extracted. Two kinds
of checkpoints are zip archives: .npz and PyTorch's. Format: PKWARE's APPNOTE.TXT 6.3.9, sections 4.3 and 4.5.3."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass

import numpy as np

from .errors import ConvertError, one_line
from .rows import SourceFile

END, END64, LOCATOR64, CENTRAL, LOCAL = b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\1\2", b"PK\3\4"
STORED, DEFLATED = 0, 8
ENCRYPTED = 0x1
MAX_DIRECTORY = 256 << 20
DEFLATE_RATIO = 1032  # what deflate packs a byte into at best (zlib's technical notes)
WINDOW = 1 << 20
NOWHERE = 0xFFFFFFFF  # the number is in the zip64 field
NOT_COMPUTED = 0  # as a checksum: what torch.save writes with torch.utils.serialization.config.save.compute_crc32 = False


@dataclass
class Entry:
    name: str
    method: int
    crc: int
    packed: int  # bytes in the archive
    size: int  # bytes of the content
    header: int  # offset of the local header
    file: object = None  # its content, a StoredFile or InflatedFile: read(offset, size)

    def read(self, offset: int, size: int) -> bytes:
        return self.file.read(offset, size).tobytes()

    def head(self, size: int) -> bytes:
        """The first bytes. Of an entry that has more they are not checked: whoever reads the rest checks all."""
        return self.file.head(size).tobytes()


class StoredFile:
    """The content of a stored entry, with SourceFile's interface. Its checksum is looked at once, before the first read, a window
    at a time: tensors share a storage and take parts of it in any order, so their own reads may never cover it."""

    def __init__(self, file: SourceFile, entry: Entry, start: int):
        self.path, self.size = file.path, entry.size
        self._file, self._name, self._crc, self._start = file, entry.name, entry.crc, start
        self._good = entry.crc == NOT_COMPUTED

    def read(self, offset: int, size: int) -> np.ndarray:
        if not self._good:
            self._check()
        return self._file.read(self._start + offset, size)

    def head(self, size: int) -> np.ndarray:
        return self._file.read(self._start, size) if size < self.size else self.read(0, size)

    def _check(self):
        crc = 0
        for at in range(0, self.size, WINDOW):
            crc = zlib.crc32(self._file.read(self._start + at, min(WINDOW, self.size - at)), crc)
        if crc != self._crc:
            raise ConvertError(f"{self.path}: entry {one_line(self._name)} has the checksum {crc:08x}, its directory says {self._crc:08x}: it is corrupt")
        self._good = True


class InflatedFile:
    """The content of a deflated entry, with SourceFile's interface. Read forward it costs one pass and no memory; a step
    back begins again."""

    def __init__(self, file: SourceFile, entry: Entry, start: int):
        self.path, self.size = file.path, entry.size
        self._file, self._entry, self._start = file, entry, start
        self._begin()

    def _begin(self):
        self._inflate, self._input = zlib.decompressobj(-15), b""
        self._taken, self._at, self._crc = 0, 0, 0

    def read(self, offset: int, size: int) -> np.ndarray:
        if offset < self._at:
            self._begin()
        while self._at < offset:
            self._take(min(offset - self._at, WINDOW))
        return self._take(size)

    def head(self, size: int) -> np.ndarray:
        return self.read(0, size)

    def _take(self, size: int) -> np.ndarray:
        out, done = np.empty(size, dtype="u1"), 0
        while done < size:
            piece = self._some(min(size - done, WINDOW))
            out[done : done + len(piece)] = np.frombuffer(piece, dtype="u1")
            self._crc = zlib.crc32(piece, self._crc)
            done += len(piece)
        self._at += size
        if self._at == self.size and self._crc != self._entry.crc:
            self._fail("its checksum is wrong: it is corrupt")
        return out

    def _some(self, most: int) -> bytes:
        """From 1 to `most` bytes."""
        while True:
            if not self._input and self._taken < self._entry.packed:
                count = min(self._entry.packed - self._taken, WINDOW)
                self._input = self._file.read(self._start + self._taken, count).tobytes()
                self._taken += count
            fed = bool(self._input)
            try:
                piece = self._inflate.decompress(self._input, most)
            except zlib.error as e:
                self._fail(f"cannot be inflated: {e}")
            self._input = self._inflate.unconsumed_tail
            if piece:
                return piece
            if self._inflate.eof or not fed:
                self._fail(f"inflates to fewer than the {self.size} bytes that it claims: it is cut or corrupt")

    def _fail(self, what: str):
        raise ConvertError(f"{self.path}: entry {one_line(self._entry.name)} {what}")


def read_zip(path: str) -> dict:
    """name -> Entry, in the archive's order."""
    file = SourceFile(path)
    start, size, count = _directory(file)
    if count > size // 46 or size > MAX_DIRECTORY:
        raise ConvertError(f"{path}: claims {count} entries in a directory of {size} bytes: it is cut or corrupt")
    entries = _central(file, file.read(start, size).tobytes(), count)
    end, before = 0, ""
    for entry in sorted(entries.values(), key=lambda e: e.header):
        if entry.header < end:
            raise ConvertError(f"{path}: entries {one_line(before)} and {one_line(entry.name)} overlap at byte {entry.header}")
        end, before = _place(file, entry, start), entry.name
    return entries


def _directory(file: SourceFile) -> tuple:
    """(offset, size, entries) of the central directory, found from the archive's end."""
    tail_at = max(0, file.size - 65557)
    tail = file.read(tail_at, file.size - tail_at).tobytes()
    at = tail.rfind(END)
    while at >= 0 and (len(tail) - at < 22 or at + 22 + struct.unpack_from("<H", tail, at + 20)[0] != len(tail)):
        at = tail.rfind(END, 0, at)  # a comment may hold the four bytes too
    if at < 0:
        raise ConvertError(f"{file.path}: has no zip directory at its end: it is cut, or not a zip archive")
    disk, first_disk, here, count, size, start, _ = struct.unpack_from("<4H2IH", tail, at + 4)
    end = tail_at + at
    if at >= 20 and tail[at - 20 : at - 16] == LOCATOR64:
        end = struct.unpack_from("<Q", tail, at - 12)[0]
        record = file.read(end, 56).tobytes() if end + 56 <= file.size else b""
        if record[:4] != END64:
            raise ConvertError(f"{file.path}: its zip64 directory is not at byte {end}: it is corrupt")
        disk, first_disk, here, count, size, start = struct.unpack_from("<2I4Q", record, 16)
    if disk or first_disk or here != count:
        raise ConvertError(f"{file.path}: is one part of a zip archive of several")
    if start + size > end:
        raise ConvertError(f"{file.path}: its zip directory ends at byte {start + size}, beyond its own end record at {end}: it is cut or corrupt")
    return start, size, count


def _central(file: SourceFile, raw: bytes, count: int) -> dict:
    entries, at = {}, 0
    for number in range(count):
        if len(raw) - at < 46 or raw[at : at + 4] != CENTRAL:
            raise ConvertError(f"{file.path}: its zip directory ends after {number} of {count} entries: it is corrupt")
        _, flags, method, _, _, crc, packed, size, *lengths, disk, _, _, header = struct.unpack_from("<6H3I5H2I", raw, at + 4)[1:]
        name_at, extra_at = at + 46, at + 46 + lengths[0]
        at = extra_at + lengths[1] + lengths[2]
        if at > len(raw):
            raise ConvertError(f"{file.path}: its zip directory is corrupt: entry {number} is longer than the rest")
        name = _name(file, raw[name_at:extra_at])
        size, packed, header = _wide(raw[extra_at : extra_at + lengths[1]], [size, packed, header])
        where = f"{file.path}: entry {one_line(name)}"
        if name in entries:
            raise ConvertError(f"{where} is there twice")
        if flags & ENCRYPTED or method not in (STORED, DEFLATED):
            raise ConvertError(f"{where} is {'encrypted' if flags & ENCRYPTED else f'packed by method {method}'}: stored and deflated ones are read")
        if method == STORED and size != packed:
            raise ConvertError(f"{where} is stored, but has {packed} bytes for a content of {size}: it is corrupt")
        if method == DEFLATED and size > DEFLATE_RATIO * (packed + 1):
            raise ConvertError(f"{where} claims that {packed} bytes inflate to {size}, more than deflate can: it is hostile or corrupt")
        entries[name] = Entry(name, method, crc, packed, size, header)
    return entries


def _name(file: SourceFile, raw: bytes) -> str:
    """Nothing is extracted, so a name cannot lead anywhere; one that tries is a sign of a hostile file."""
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        name = raw.decode("latin-1")
    if not name or "\0" in name or "\\" in name or re.match(r"/|[A-Za-z]:", name) or ".." in name.split("/"):
        raise ConvertError(f"{file.path}: an entry is named {one_line(name)!r}: a plain relative name is needed")
    return name


def _wide(extra: bytes, numbers: list) -> list:
    """Sizes and offset, those that 32 bits cannot hold from the zip64 field."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            wide = list(struct.unpack_from(f"<{min(length, len(extra) - at - 4) // 8}Q", extra, at + 4))
            return [wide.pop(0) if n == NOWHERE and wide else n for n in numbers]
        at += 4 + length
    return numbers


def _place(file: SourceFile, entry: Entry, limit: int) -> int:
    """Where the content lies, by its local header; returns where it ends."""
    where = f"{file.path}: entry {one_line(entry.name)}"
    head = file.read(entry.header, 30).tobytes() if entry.header + 30 <= limit else b""
    if head[:4] != LOCAL:
        raise ConvertError(f"{where} has no header at byte {entry.header}: it is cut or corrupt")
    name_size, extra_size = struct.unpack_from("<HH", head, 26)
    start = entry.header + 30 + name_size + extra_size
    if start + entry.packed > limit:
        raise ConvertError(f"{where} ends at byte {start + entry.packed}, the directory begins at {limit}: it is cut or corrupt")
    if _name(file, file.read(entry.header + 30, name_size).tobytes()) != entry.name:
        raise ConvertError(f"{where} has another name where its content is: it is hostile or corrupt")
    entry.file = (StoredFile if entry.method == STORED else InflatedFile)(file, entry, start)
    return start + entry.packed
