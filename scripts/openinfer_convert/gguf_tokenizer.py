# SPDX-License-Identifier: Apache-2.0
"""tokenizer.ggml.* of a GGUF file -> entries of the package's TOKENIZER section. Where the file is silent, llama.cpp's
defaults hold."""

from __future__ import annotations

import numpy as np

from .errors import ConvertError, one_line
from .pre_tokenizers import KINDS

MODELS = {"gpt2": "bpe", "llama": "spm", "bert": "wordpiece", "t5": "unigram"}
BEGINS_BY_DEFAULT = {"tekken", "chameleon"} | {name for kind in KINDS if kind.name == "llama-bpe" for name in (kind.name, *kind.aliases)}
AS_PIECES = {"jina-v1-en", "jina-v2-code", "roberta-bpe"}  # byte-level models of encoders: eos behind the text
IDS = {"bos_id": "bos", "eos_id": "eos", "unk_id": "unknown", "pad_id": "padding", "sep_id": "seperator", "cls_id": "cls"}
SPACE = "\u2581"
BYTE = 6


def read(source) -> dict | None:
    """`source` is the GgufSource: meta, path, text(key), get(key)."""
    tokens = source.meta.get("tokenizer.ggml.tokens")
    if tokens is None or (isinstance(tokens, list) and not tokens):
        return None
    if not isinstance(tokens, list):
        raise ConvertError(f"{source.path}: tokenizer.ggml.tokens is not a list of strings")
    model = source.text("tokenizer.ggml.model") or ""
    out = {"model": MODELS.get(model, model), "tokens": tokens}
    if pre := source.text("tokenizer.ggml.pre"):
        out["pre"] = pre
    elif model == "gpt2":
        out["pre"] = "default"
    _add_arrays(source, out, len(tokens))
    _add_ids(source, out, len(tokens), model)
    _add_settings(source, out, model)
    if template := source.text("tokenizer.chat_template"):
        out["chat_template"] = template
    return out


def _add_arrays(source, out: dict, count: int):
    for key, name, dtype in (("token_types", "token_type", "<i4"), ("scores", "scores", "<f4")):
        values = source.meta.get(f"tokenizer.ggml.{name}")
        if values is None:
            continue
        if not isinstance(values, np.ndarray) or len(values) != count:
            raise ConvertError(f"{source.path}: tokenizer.ggml.{name} is not a number for each of the {count} tokens")
        out[key] = values.astype(dtype)
    merges = source.meta.get("tokenizer.ggml.merges")
    if merges is not None and not isinstance(merges, list):
        raise ConvertError(f"{source.path}: tokenizer.ggml.merges is not a list of strings")
    if merges:
        out["merges"] = merges


def _add_ids(source, out: dict, count: int, model: str):
    def token_id(name: str) -> int | None:
        value = source.get(f"tokenizer.ggml.{name}_token_id")
        if value is None or value == 0xFFFFFFFF:  # what some writers put for "none"
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < count:
            raise ConvertError(f"{source.path}: tokenizer.ggml.{name}_token_id is {one_line(value)}, the vocabulary has {count} tokens")
        return value

    for key, name in IDS.items():
        if (value := token_id(name)) is not None:
            out[key] = value
    ends = [token_id(name) for name in ("eos", "eot", "eom")]
    out["eos_ids"] = sorted({e for e in ends if e is not None})
    begins = model in ("llama", "bert") or out.get("pre") in BEGINS_BY_DEFAULT
    defaults = {"add_bos": begins, "add_eos": model in ("bert", "t5") or out.get("pre") in AS_PIECES, "add_space_prefix": model in ("llama", "t5")}
    for key, default in defaults.items():
        value = source.get(f"tokenizer.ggml.{key}" + ("" if key == "add_space_prefix" else "_token"))
        if not isinstance(value, (bool, type(None))):
            raise ConvertError(f"{source.path}: tokenizer.ggml.{key} is {one_line(value)}, not a bool")
        out[key] = default if value is None else value


def _add_settings(source, out: dict, model: str):
    if model == "bert":
        _add_bert(out)
    elif model in ("llama", "t5"):
        out.pop("pre", None)
        out |= {"normalizer": "sentencepiece", "remove_extra_whitespaces": source.get("tokenizer.ggml.remove_extra_whitespaces") is True,
                "byte_fallback": bool((out.get("token_types", np.zeros(0)) == BYTE).any())}
        charsmap = source.meta.get("tokenizer.ggml.precompiled_charsmap")
        if isinstance(charsmap, np.ndarray) and len(charsmap):
            out["charsmap"] = charsmap.astype("u1")
    elif out.get("pre") == "qwen2":
        out["normalizer"] = "nfc"


def _add_bert(out: dict):
    """llama.cpp spells a word with U+2581 before it and its other pieces bare; here pieces have "##", words nothing.
    [CLS] and [SEP] are its bos and eos."""
    bare = [t[1:] if t.startswith(SPACE) else t if t.startswith("[") and t.endswith("]") else "##" + t for t in out["tokens"]]
    if any(t.startswith(SPACE) for t in out["tokens"]) and len(set(bare)) == len(bare):
        out["tokens"] = bare
    out |= {"pre": "bert", "normalizer": "bert"}
    cls, sep = out.get("cls_id", out.get("bos_id")), out.get("sep_id", out.get("eos_id"))
    for key, name, value in (("add_bos", "bos_id", cls), ("add_eos", "eos_id", sep)):
        if value is None:
            out[key] = False
        elif out[key]:
            out[name] = value
    if cls is not None and sep is not None and out["add_bos"] and out["add_eos"]:
        out["template_pair"] = np.array([cls, -1, sep, -2, sep], dtype="<i4")
        out["template_pair_types"] = np.array([0, 0, 0, 1, 1], dtype="<i4")
