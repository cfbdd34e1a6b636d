# SPDX-License-Identifier: Apache-2.0
"""A Hugging Face folder (config.json, safetensors or PyTorch weights, tokenizer files), or a lone file of weights
(.safetensors, .npz, a PyTorch state dict) with or without a config.json beside it, as a source."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from . import sentence_files
from .errors import ConvertError, one_line
from .hf_tokenizer import read_tokenizer
from .json_file import flatten, parse_json, read_json, read_text
from .npz_file import read_npz
from .safetensors_file import read_safetensors
from .source import Source
from .torch_file import read_torch

# What a lone file's name ends with -> its reader: (path, notes) -> {name: Rows}
READERS = {".safetensors": lambda path, notes: read_safetensors(path), ".npz": read_npz,
           ".pt": read_torch, ".pth": read_torch, ".ckpt": read_torch, ".bin": read_torch}


@dataclass(frozen=True)
class Kind:
    """How a folder's weights are named."""
    ending: str
    whole: str
    others: str  # files that count where there is neither `whole` nor an index

    @property
    def index(self) -> str:
        return self.whole + ".index.json"

    @property
    def part(self) -> re.Pattern:
        return re.compile(rf"(?P<stem>.*)-\d{{5}}-of-(?P<count>\d{{5}}){re.escape(self.ending)}\Z", re.S)


KINDS = (Kind(".safetensors", "model.safetensors", r"[^.].*\.safetensors"), Kind(".bin", "pytorch_model.bin", r"pytorch_model.*\.bin"))


def ending(path: str) -> str | None:
    return next((e for e in READERS if path.endswith(e)), None)


class HfSource(Source):
    kind = "huggingface"

    def __init__(self, path: str):
        super().__init__(path)
        alone = os.path.isfile(path)
        folder = os.path.dirname(path) or "." if alone else path
        self.folder = folder if not alone or os.path.isfile(os.path.join(folder, "config.json")) else None
        self.config = read_json(folder, "config.json") if self.folder else {}
        self.generation = read_json(folder, "generation_config.json") if self.folder else {}
        self.flat, self.nulls = flatten(self.config, os.path.join(folder, "config.json"))
        self.flat_generation = flatten(self.generation, os.path.join(folder, "generation_config.json"))[0]
        self.sentence = sentence_files.read(folder) if self.folder else {}
        kind = self.config.get("model_type")
        self.architecture = kind if isinstance(kind, str) else None
        self.name = os.path.basename(os.path.realpath(path))
        if alone:
            self.name = self.name.removesuffix(ending(path) or "")
            self.tensors = READERS[ending(path)](path, self.notes)
        else:
            self.tensors = self._read_folder(path)

    def _read_folder(self, folder: str) -> dict:
        kind = self._kind(folder)
        weight_map = self._weight_map(folder, kind)
        names = sorted(set(weight_map.values())) if weight_map is not None else self._files(folder, kind)
        tensors = {}
        for name in names:
            part = READERS[kind.ending](os.path.join(folder, name), self.notes)
            if twice := tensors.keys() & part.keys():
                raise ConvertError(f"{os.path.join(folder, name)}: tensor {one_line(min(twice))} is in an earlier file too")
            tensors |= part
            for tensor, file in (weight_map or {}).items():
                if file == name and tensor not in part:
                    raise ConvertError(f"{os.path.join(folder, name)}: has no tensor {one_line(tensor)}, which {kind.index} says it has")
        return tensors

    def _kind(self, folder: str) -> Kind:
        """safetensors where there are any."""
        try:
            names = os.listdir(folder)
        except OSError as e:
            raise ConvertError(f"{folder}: {e.strerror}") from None
        for kind in KINDS:
            if kind.index in names or any(re.fullmatch(kind.others, n) for n in names):
                return kind
        raise ConvertError(f"{folder}: holds no .safetensors file and no pytorch_model.bin")

    def _weight_map(self, folder: str, kind: Kind) -> dict | None:
        path = os.path.join(folder, kind.index)
        if not os.path.lexists(path):
            return None
        found = parse_json(read_text(path), path).get("weight_map")
        if not isinstance(found, dict) or not found:
            raise ConvertError(f"{path}: has no weight_map")
        for name in set(map(str, found.values())):
            if not re.fullmatch(rf"[^/\\\0]+{re.escape(kind.ending)}", name) or name.startswith("."):
                raise ConvertError(f"{path}: names the file {one_line(name)!r}: a plain {kind.ending} name is needed")
            if not os.path.isfile(os.path.join(folder, name)):
                raise ConvertError(f"{os.path.join(folder, name)}: missing; {kind.index} names it")
        return found

    def _files(self, folder: str, kind: Kind) -> list:
        """Without an index: the whole model's file, or all there are, which must be whole sets of parts."""
        names = sorted(n for n in os.listdir(folder) if re.fullmatch(kind.others, n))
        if kind.whole in names:
            return [kind.whole]
        for match in filter(None, map(kind.part.match, names)):
            count = int(match["count"])
            present = sum(n.startswith(match["stem"] + "-") and n.endswith(f"-of-{match['count']}{kind.ending}") for n in names)
            if present != count:
                raise ConvertError(f"{folder}: {present} of the {count} files {one_line(match['stem'])}-…-of-{match['count']}{kind.ending} "
                                   "are there")
        return names

    def get(self, key: str):
        return self.sentence.get(key, self.flat.get(key))

    def is_null(self, key: str) -> bool:
        return key in self.nulls

    def other_metadata(self) -> dict:
        return self.flat | {f"generation_config.{k}": v for k, v in self.flat_generation.items()}

    def tokenizer(self) -> dict | None:
        if self.folder is None:
            return None
        return read_tokenizer(self.folder, self.config, self.generation, self.notes)
