# SPDX-License-Identifier: Apache-2.0
"""PyTorch state dicts without PyTorch: pickles opcode by opcode (as torch/serialization.py lets pickle write them, protocol 2), in the
zip archive that torch.save makes."""
import io
import struct
import zipfile

import numpy as np

STORAGE = {"<f8": "DoubleStorage", "<f4": "FloatStorage", "<f2": "HalfStorage", "<i8": "LongStorage", "<i4": "IntStorage", "<i2": "ShortStorage",
           "|i1": "CharStorage", "|u1": "ByteStorage", "|b1": "BoolStorage"}
EMPTY_ORDERED = b"ccollections\nOrderedDict\n)R"


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value: int) -> bytes:
    if 0 <= value < 256:
        return b"K" + bytes([value])
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def numbers(values) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def storage(key: str, kind: str, count: int) -> bytes:
    """A persistent id."""
    module, _, kind = ("torch." + kind).rpartition(".")
    return b"(" + text("storage") + name(module, kind) + text(key) + text("cpu") + number(count) + b"tQ"


def tensor(key: str, kind: str, count: int, shape, strides=None, offset: int = 0, dtype: str | None = None) -> bytes:
    """`kind`: the storage's class; dtype: torch's name, for untyped storages."""
    strides = [int(np.prod(shape[i + 1 :])) for i in range(len(shape))] if strides is None else strides
    function = name("torch._utils", "_rebuild_tensor_v2" if dtype is None else "_rebuild_tensor_v3")
    tail = b"" if dtype is None else name("torch", dtype)
    return function + b"(" + storage(key, kind, count) + number(offset) + numbers(shape) + numbers(strides) + b"\x89" + EMPTY_ORDERED + tail + b"tR"


def parameter(made: bytes) -> bytes:
    return name("torch._utils", "_rebuild_parameter") + b"(" + made + b"\x88" + EMPTY_ORDERED + b"tR"


def dictionary(items: dict, ordered: bool = False) -> bytes:
    """Keys are strings, values what was pickled; an ordered one has _metadata, as a module's state_dict() does."""
    body = b"(" + b"".join(text(k) + v for k, v in items.items()) + b"u"
    return EMPTY_ORDERED + body + b"}" + text("_metadata") + EMPTY_ORDERED + b"sb" if ordered else b"}" + body


def pickled(value: bytes) -> bytes:
    return b"\x80\x02" + value + b"."


def archive(path, pickle: bytes, storages: dict, *, extra=(), compression=zipfile.ZIP_STORED, prefix="archive", byteorder="little"):
    with zipfile.ZipFile(path, "w", compression) as z:
        z.writestr(f"{prefix}/data.pkl", pickle)
        z.writestr(f"{prefix}/byteorder", byteorder)
        for key, raw in storages.items():
            z.writestr(f"{prefix}/data/{key}", raw)
        z.writestr(f"{prefix}/version", "3\n")
        for entry, raw in extra:
            z.writestr(entry, raw)


def save(path, arrays: dict, *, ordered=True, wrap=None, **options):
    """torch.save(state_dict): each array in a storage of its own. bf16: uint16 arrays."""
    items, storages = {}, {}
    for key, (label, array) in enumerate(arrays.items()):
        kind = "BFloat16Storage" if array.dtype == np.uint16 else STORAGE[array.dtype.str]
        items[label] = tensor(str(key), kind, array.size, array.shape)
        storages[str(key)] = array.tobytes()
    made = dictionary(items, ordered)
    archive(path, pickled(made if wrap is None else wrap(made)), storages, **options)


def without_checksums(path):
    """As torch.save writes with torch.utils.serialization.config.save.compute_crc32 = False: zeros."""
    raw = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as z:
        at, entries = z.start_dir, z.infolist()
    for entry in entries:
        raw[entry.header_offset + 14 : entry.header_offset + 18] = raw[at + 16 : at + 20] = bytes(4)
        at += 46 + sum(struct.unpack_from("<3H", raw, at + 28))
    path.write_bytes(raw)


def flipped(path, needle: bytes, at: int = 0):
    """One bit of the file, `at` bytes after where the needle begins, which is there once."""
    raw = bytearray(path.read_bytes())
    assert raw.count(needle) == 1
    raw[raw.find(needle) + at] ^= 0x10
    path.write_bytes(raw)


def damaged_zip(path, change) -> bytes:
    """The bytes of an archive with one stored entry, after change(bytearray, offset of the directory)."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as z:
        z.writestr("a.npy", b"x" * 64)
    raw = bytearray(stream.getvalue())
    change(raw, raw.rfind(b"PK\1\2"))
    path.write_bytes(raw)
