# SPDX-License-Identifier: Apache-2.0
"""A GGUF checkpoint, one file or all of its -00001-of-00009 parts, as a source: tensors, metadata, tokenizer."""

from __future__ import annotations

import os
import re

import numpy as np

from .errors import ConvertError, one_line
from .gguf_file import GgufFile
from .source import Source

PART = re.compile(r"(?P<stem>.*)-(?P<no>\d{5})-of-(?P<count>\d{5})\.gguf\Z", re.S)
MODELS = {"gpt2": "bpe", "llama": "spm", "bert": "wordpiece", "t5": "unigram"}
# llama.cpp's defaults where the file is silent
BEGINS_BY_DEFAULT = {"llama-bpe", "llama3", "llama-v3"}
IDS = {"bos_id": "bos", "eos_id": "eos", "unk_id": "unknown", "pad_id": "padding", "sep_id": "seperator", "cls_id": "cls"}


def number(file: GgufFile, key: str, default: int) -> int:
    value = file.meta.get(key, default)
    if isinstance(value, (np.ndarray, str, list)) or value != int(value):
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
        tokens = self.meta.get("tokenizer.ggml.tokens")
        if tokens is None or (isinstance(tokens, list) and not tokens):
            return None
        if not isinstance(tokens, list):
            raise ConvertError(f"{self.path}: tokenizer.ggml.tokens is not a list of strings")
        model = self.text("tokenizer.ggml.model") or ""
        out = {"model": MODELS.get(model, model), "tokens": tokens}
        if pre := self.text("tokenizer.ggml.pre"):
            out["pre"] = pre
        self._add_arrays(out, len(tokens))
        self._add_ids(out, len(tokens), model)
        if template := self.text("tokenizer.chat_template"):
            out["chat_template"] = template
        return out

    def _add_arrays(self, out: dict, count: int):
        for key, name, dtype in (("token_types", "token_type", "i32"), ("scores", "scores", "f32")):
            values = self.meta.get(f"tokenizer.ggml.{name}")
            if values is None:
                continue
            if not isinstance(values, np.ndarray) or len(values) != count:
                raise ConvertError(f"{self.path}: tokenizer.ggml.{name} is not a number for each of the {count} tokens")
            out[key] = values.astype("<i4" if dtype == "i32" else "<f4")
        merges = self.meta.get("tokenizer.ggml.merges")
        if merges is not None and not isinstance(merges, list):
            raise ConvertError(f"{self.path}: tokenizer.ggml.merges is not a list of strings")
        if merges:
            out["merges"] = merges

    def _add_ids(self, out: dict, count: int, model: str):
        def token_id(name: str) -> int | None:
            value = self.get(f"tokenizer.ggml.{name}_token_id")
            if value is None or value == 0xFFFFFFFF:  # what some writers put for "none"
                return None
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < count:
                raise ConvertError(f"{self.path}: tokenizer.ggml.{name}_token_id is {one_line(value)}, the vocabulary has {count} tokens")
            return value

        for key, name in IDS.items():
            if (value := token_id(name)) is not None:
                out[key] = value
        ends = [token_id(name) for name in ("eos", "eot", "eom")]
        out["eos_ids"] = sorted({e for e in ends if e is not None})
        begins = model in ("llama", "bert") or out.get("pre") in BEGINS_BY_DEFAULT
        defaults = {"add_bos": begins, "add_eos": model in ("bert", "t5"), "add_space_prefix": model == "llama"}
        for key, default in defaults.items():
            value = self.get(f"tokenizer.ggml.{key}" + ("" if key == "add_space_prefix" else "_token"))
            if not isinstance(value, (bool, type(None))):
                raise ConvertError(f"{self.path}: tokenizer.ggml.{key} is {one_line(value)}, not a bool")
            out[key] = default if value is None else value
