# SPDX-License-Identifier: Apache-2.0
"""tokenizer.model: SentencePiece's ModelProto, read by hand. Fields by number, as sentencepiece_model.proto has them."""

from __future__ import annotations

import struct

from .errors import ConvertError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)  # the same numbers as GGUF's
MODELS = {1: "unigram", 2: "spm"}
MAX_PIECES = 1 << 24


def _varint(data: memoryview, at: int, path: str) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        value |= (data[at] & 0x7F) << shift
        at += 1
        if not data[at - 1] & 0x80:
            return value, at
    raise ConvertError(f"{path}: is no SentencePiece model: a number is cut off or too long at byte {at}")


def fields(data: memoryview, path: str):
    """(field number, value) of a message: int for varints, memoryview for the rest."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at, path)
        wire, size = tag & 7, 0
        if wire == 0:
            value, at = _varint(data, at, path)
            yield tag >> 3, value
            continue
        if wire == 2:
            size, at = _varint(data, at, path)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ConvertError(f"{path}: is no SentencePiece model: wire type {wire} at byte {at}")
        if size > len(data) - at:
            raise ConvertError(f"{path}: is no SentencePiece model: a field of {size} bytes at byte {at} of {len(data)}")
        yield tag >> 3, data[at:at + size]
        at += size


def _message(value, path: str) -> memoryview:
    if not isinstance(value, memoryview):
        raise ConvertError(f"{path}: is no SentencePiece model: a number where a message belongs")
    return value


def _piece(data: memoryview, path: str) -> dict:
    piece = {"piece": "", "score": 0.0, "type": NORMAL}
    for number, value in fields(data, path):
        if number == 1:
            try:
                piece["piece"] = bytes(_message(value, path)).decode("utf-8")
            except UnicodeDecodeError:
                raise ConvertError(f"{path}: a piece is not UTF-8") from None
        elif number == 2 and len(_message(value, path)) == 4:
            piece["score"] = struct.unpack("<f", value)[0]
        elif number == 3 and isinstance(value, int):
            piece["type"] = value
    if not NORMAL <= piece["type"] <= BYTE:
        raise ConvertError(f"{path}: a piece has the type {piece['type']}; types are 1 to 6")
    return piece


def parse(blob: bytes, path: str) -> dict:
    """pieces, model ("spm", "unigram" or the number of another kind), byte_fallback, ids, and the normaliser's settings."""
    out = {"pieces": [], "model": "unigram", "byte_fallback": False, "whitespace_suffix": False, "charsmap": b"", "add_space_prefix": True,
           "remove_extra_whitespaces": True, "escape_whitespaces": True, "unk": 0, "bos": 1, "eos": 2, "pad": -1}
    trainer = {3: "model", 24: "whitespace_suffix", 35: "byte_fallback", 40: "unk", 41: "bos", 42: "eos", 43: "pad"}
    normalizer = {3: "add_space_prefix", 4: "remove_extra_whitespaces", 5: "escape_whitespaces"}
    for number, value in fields(memoryview(blob), path):
        if number == 1:
            out["pieces"].append(_piece(_message(value, path), path))
            if len(out["pieces"]) > MAX_PIECES:
                raise ConvertError(f"{path}: has more than {MAX_PIECES} pieces")
        elif number in (2, 3):
            for inner, setting in fields(_message(value, path), path):
                name = (trainer if number == 2 else normalizer).get(inner)
                if name == "model" and isinstance(setting, int):
                    out["model"] = MODELS.get(setting, str(setting))
                elif name and isinstance(setting, int):
                    signed = setting - (1 << 64) if setting >> 63 else setting
                    out[name] = signed if name in ("unk", "bos", "eos", "pad") else bool(setting)
                elif number == 3 and inner == 2:
                    out["charsmap"] = bytes(_message(setting, path))
    if not out["pieces"]:
        raise ConvertError(f"{path}: is no SentencePiece model: it has no pieces")
    return out
