# SPDX-License-Identifier: Apache-2.0
"""A GGUF checkpoint, one file or all of its -00001-of-00009 parts, as a source: tensors, metadata, tokenizer."""

from __future__ import annotations

import os
import re

import numpy as np

from . import gguf_tokenizer
from .errors import ConvertError, one_line
from .gguf_file import GgufFile
from .source import Source

PART = re.compile(r"(?P<stem>.*)-(?P<no>\d{5})-of-(?P<count>\d{5})\.gguf\Z", re.S)


def number(file: GgufFile, key: str, default: int) -> int:
    value = file.meta.get(key, default)
    if isinstance(value, (np.ndarray, str, list)) or not np.isfinite(value) or value != int(value):
        raise ConvertError(f"{file.path}: metadata {key} is not an integer")
    return int(value)


class GgufSource(Source):
    kind = "gguf"

    def __init__(self, path: str):
        super().__init__(path)
        first = GgufFile(path)
        self.meta, self.tensors = first.meta, dict(first.tensors)
        count = number(first, "split.count", 0)
        if count > 1:
            self._read_parts(path, count)
        self.architecture = self.text("general.architecture")
        self.name = self.text("general.name") or PART.sub(r"\g<stem>", os.path.basename(path)).removesuffix(".gguf")

    def _read_parts(self, path: str, count: int):
        """Part 1 has the metadata; every part has its own tensors."""
        match = PART.match(os.path.basename(path))
        if not match or int(match["count"]) != count:
            raise ConvertError(f"{path}: is one of {count} parts but not named …-00001-of-{count:05}.gguf")
        wanted = None
        self.meta, self.tensors = {}, {}
        for no in range(1, count + 1):
            part_path = os.path.join(os.path.dirname(path), f"{match['stem']}-{no:05}-of-{count:05}.gguf")
            if not os.path.isfile(part_path):
                raise ConvertError(f"{part_path}: missing; the checkpoint has {count} parts")
            part = GgufFile(part_path)
            if (found := (number(part, "split.no", -1) + 1, number(part, "split.count", 0))) != (no, count):
                raise ConvertError(f"{part_path}: says that it is part {found[0]} of {found[1]}")
            if twice := self.tensors.keys() & part.tensors.keys():
                raise ConvertError(f"{part_path}: tensor {one_line(min(twice))} is in an earlier part too")
            wanted = number(part, "split.tensors.count", -1) if wanted is None else wanted
            self.meta = self.meta or part.meta
            self.tensors |= part.tensors
        if wanted not in (-1, len(self.tensors)):
            raise ConvertError(f"{path}: split.tensors.count is {wanted}, the parts have {len(self.tensors)} tensors")

    def text(self, key: str) -> str | None:
        value = self.meta.get(key)
        return value if isinstance(value, str) else None

    def get(self, key: str):
        value = self.meta.get(key.replace("{arch}", self.architecture or ""))
        if isinstance(value, np.ndarray):  # one number a layer: usable if all agree
            return value[0].item() if len(value) and (value == value[0]).all() else value.tolist()
        return value.item() if isinstance(value, np.generic) else value

    def other_metadata(self) -> dict:
        return {k: v for k, v in self.meta.items() if not k.startswith(("tokenizer.ggml.", "split."))
                and k != "tokenizer.chat_template"}

    def tokenizer(self) -> dict | None:
        return gguf_tokenizer.read(self)
