# SPDX-License-Identifier: Apache-2.0
"""A Hugging Face folder (config.json, safetensors, tokenizer files) or a lone .safetensors file as a source."""

from __future__ import annotations

import os
import re

from .errors import ConvertError, one_line
from .hf_tokenizer import read_tokenizer
from .json_file import flatten, parse_json, read_bytes, read_json
from .safetensors_file import read_safetensors
from .source import Source

INDEX = "model.safetensors.index.json"
PART = re.compile(r"(?P<stem>.*)-\d{5}-of-(?P<count>\d{5})\.safetensors\Z", re.S)


class HfSource(Source):
    kind = "huggingface"

    def __init__(self, path: str):
        super().__init__(path)
        alone = os.path.isfile(path)
        self.folder = None if alone else path
        self.config = {} if alone else read_json(path, "config.json")
        self.generation = {} if alone else read_json(path, "generation_config.json")
        self.flat = flatten(self.config)
        kind = self.config.get("model_type")
        self.architecture = kind if isinstance(kind, str) else None
        self.name = os.path.basename(os.path.realpath(path)).removesuffix(".safetensors")
        self.tensors = read_safetensors(path) if alone else self._read_folder(path)

    def _read_folder(self, folder: str) -> dict:
        weight_map = self._weight_map(folder)
        names = sorted(set(weight_map.values())) if weight_map is not None else self._files(folder)
        tensors = {}
        for name in names:
            part = read_safetensors(os.path.join(folder, name))
            if twice := tensors.keys() & part.keys():
                raise ConvertError(f"{os.path.join(folder, name)}: tensor {one_line(min(twice))} is in an earlier file too")
            tensors |= part
            for tensor, file in (weight_map or {}).items():
                if file == name and tensor not in part:
                    raise ConvertError(f"{os.path.join(folder, name)}: has no tensor {one_line(tensor)}, which {INDEX} says it has")
        return tensors

    def _weight_map(self, folder: str) -> dict | None:
        path = os.path.join(folder, INDEX)
        if not os.path.lexists(path):
            return None
        found = parse_json(read_bytes(path), path).get("weight_map")
        if not isinstance(found, dict) or not found:
            raise ConvertError(f"{path}: has no weight_map")
        for name in set(map(str, found.values())):
            if not re.fullmatch(r"[^/\\\0]+\.safetensors", name) or name.startswith("."):
                raise ConvertError(f"{path}: names the file {one_line(name)!r}: a plain .safetensors name is needed")
            if not os.path.isfile(os.path.join(folder, name)):
                raise ConvertError(f"{os.path.join(folder, name)}: missing; {INDEX} names it")
        return found

    def _files(self, folder: str) -> list:
        """Without an index: model.safetensors, or all there are, which must be whole sets of parts."""
        try:
            names = sorted(n for n in os.listdir(folder) if n.endswith(".safetensors") and not n.startswith("."))
        except OSError as e:
            raise ConvertError(f"{folder}: {e.strerror}") from None
        if "model.safetensors" in names:
            return ["model.safetensors"]
        if not names:
            raise ConvertError(f"{folder}: holds no .safetensors file (pickled weights are not read: save the model as safetensors)")
        for match in filter(None, map(PART.match, names)):
            count = int(match["count"])
            present = sum(n.startswith(match["stem"] + "-") and n.endswith(f"-of-{match['count']}.safetensors") for n in names)
            if present != count:
                raise ConvertError(f"{folder}: {present} of the {count} files {one_line(match['stem'])}-…-of-{match['count']}.safetensors "
                                   "are there")
        return names

    def get(self, key: str):
        return self.flat.get(key)

    def other_metadata(self) -> dict:
        return self.flat | {f"generation_config.{k}": v for k, v in flatten(self.generation).items()}

    def tokenizer(self) -> dict | None:
        if self.folder is None:
            return None
        return read_tokenizer(self.folder, self.config, self.generation, self.notes)
