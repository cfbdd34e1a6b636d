# SPDX-License-Identifier: Apache-2.0
"""Tokenizers of folders without a tokenizer.json: tokenizer.model (SentencePiece), vocab.txt (WordPiece), vocab.json with
merges.txt (byte-level BPE). What those files do not say is the published default of the model's kind."""

from __future__ import annotations

import json
import os

import numpy as np

from . import hf_tokenizer, spm_file
from .errors import ConvertError, one_line
from .json_file import first_repeated, read_bytes, read_json, read_text

BEGIN = {"llama", "mistral", "mixtral", "gemma", "gemma2", "gemma3", "gemma3_text", "phi3"}  # add a bos unless told otherwise
END = {"t5", "mt5", "umt5", "longt5"}
SHIFTED = {"xlm-roberta", "camembert", "mbart", "xglm", "nllb"}  # whose ids are not those of their files
MAX_EXTRA_IDS = 1 << 16


def read(folder: str, config: dict, generation: dict, notes: list) -> dict | None:
    there = {name: os.path.exists(os.path.join(folder, name)) for name in ("tokenizer.model", "spiece.model", "vocab.txt", "vocab.json", "merges.txt")}
    settings = read_json(folder, "tokenizer_config.json")
    kind = config.get("model_type")
    kind = kind if isinstance(kind, str) else ""
    if there["tokenizer.model"] or there["spiece.model"]:
        name = "tokenizer.model" if there["tokenizer.model"] else "spiece.model"
        out = _sentencepiece(os.path.join(folder, name), kind, settings, notes)
    elif there["vocab.txt"]:
        out = _wordpiece(folder, settings)
    elif there["vocab.json"] and there["merges.txt"]:
        out = _byte_level(folder, kind)
    else:
        return None
    if out is None:
        return None
    _add_tokens(folder, out, settings)
    _pad(out, config.get("vocab_size"))
    ids = {t: i for i, t in enumerate(out["tokens"])}
    special = read_json(folder, "special_tokens_map.json") | settings
    known = {key: value for key, value in out.items() if key.endswith("_id")}
    out |= hf_tokenizer.special_ids(special, config, generation, ids)
    out |= {key: value for key, value in known.items() if key == "unk_id"} | {key: value for key, value in known.items() if key not in out}
    _add_around(out, kind, settings)
    if template := hf_tokenizer.chat_template(folder, settings):
        out["chat_template"] = template
    return out


def _sentencepiece(path: str, kind: str, settings: dict, notes: list) -> dict | None:
    if kind in SHIFTED:
        notes.append(f"the tokenizer is left out: the ids of {kind} are not those of its SentencePiece file; tokenizer.json is needed")
        return None
    model = spm_file.parse(read_bytes(path), path)
    if model["model"] not in ("spm", "unigram"):
        notes.append(f"the tokenizer is left out: SentencePiece models of kind {model['model']} are not known (unigram and BPE are)")
        return None
    out = {"model": model["model"], "normalizer": "sentencepiece", "tokens": [p["piece"] for p in model["pieces"]],
           "token_types": np.array([p["type"] for p in model["pieces"]], dtype="<i4"), "scores": np.array([p["score"] for p in model["pieces"]], dtype="<f4"),
           "byte_fallback": model["byte_fallback"], "add_space_prefix": model["add_space_prefix"], "add_bos": False, "add_eos": False}
    out |= {key: model[key] for key in ("remove_extra_whitespaces", "escape_whitespaces", "whitespace_suffix")}
    if model["charsmap"]:
        out["charsmap"] = np.frombuffer(model["charsmap"], dtype="u1")
    for name in ("unk", "bos", "eos", "pad"):
        if 0 <= model[name] < len(out["tokens"]) and out["token_types"][model[name]] in (spm_file.UNKNOWN, spm_file.CONTROL):
            out[f"{name}_id"] = model[name]
    extra = settings.get("extra_ids", 100) if kind in END else 0
    if type(extra) is int and 0 < extra <= MAX_EXTRA_IDS and "<extra_id_0>" not in out["tokens"]:
        _append(out, [f"<extra_id_{i}>" for i in reversed(range(extra))], hf_tokenizer.CONTROL)
    return out


def _append(out: dict, tokens: list, kind: int):
    out["tokens"] += tokens
    out["token_types"] = np.append(out["token_types"], np.full(len(tokens), kind, dtype="<i4")).astype("<i4")
    if "scores" in out:
        out["scores"] = np.append(out["scores"], np.zeros(len(tokens), dtype="<f4")).astype("<f4")


def _lines(path: str) -> list:
    try:
        text = read_text(path).decode("utf-8")
    except UnicodeDecodeError:
        raise ConvertError(f"{path}: is not UTF-8") from None
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _wordpiece(folder: str, settings: dict) -> dict:
    path = os.path.join(folder, "vocab.txt")
    tokens = [line.rstrip("\r") for line in _lines(path)]
    if (twice := first_repeated(tokens)) is not None:
        raise ConvertError(f"{path}: {one_line(twice)!r} is there twice")
    if not tokens:
        raise ConvertError(f"{path}: is empty")
    special = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
    lower = settings.get("do_lower_case", True) is not False
    accents = settings.get("strip_accents")
    normalizer = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": settings.get("tokenize_chinese_chars", True) is not False,
                  "strip_accents": accents if isinstance(accents, bool) else None, "lowercase": lower}
    out = {"model": "wordpiece", "pre": "bert", "normalizer": json.dumps(normalizer, sort_keys=True), "tokens": tokens,
           "token_types": np.array([hf_tokenizer.CONTROL if t in special else hf_tokenizer.NORMAL for t in tokens], dtype="<i4"),
           "add_space_prefix": False, "add_bos": False, "add_eos": False}
    ids = {t: i for i, t in enumerate(tokens)}
    return out | {f"{name}_id": ids[t] for name, t in (("unk", "[UNK]"), ("cls", "[CLS]"), ("sep", "[SEP]"), ("pad", "[PAD]")) if t in ids}


def _byte_level(folder: str, kind: str) -> dict:
    path = os.path.join(folder, "vocab.json")
    vocab = read_json(folder, "vocab.json")
    merges = [line.rstrip("\r") for line in _lines(os.path.join(folder, "merges.txt"))]
    model = {"type": "BPE", "vocab": vocab, "merges": [m for m in merges if m and not m.startswith("#version")]}
    out = hf_tokenizer.vocabulary(path, model, [], None) | {"model": "bpe", "pre": "qwen2" if kind.startswith("qwen") else "gpt2"}
    if out["pre"] == "qwen2":
        out["normalizer"] = "nfc"
    ids = {t: i for i, t in enumerate(out["tokens"])}
    for token in ("<|endoftext|>", "<s>", "</s>", "<pad>", "<unk>", "<mask>"):
        if token in ids:
            out["token_types"][ids[token]] = hf_tokenizer.CONTROL
    return out | hf_tokenizer.merges(path, model, []) | {"add_space_prefix": False, "add_bos": False, "add_eos": False}


def _add_tokens(folder: str, out: dict, settings: dict):
    """added_tokens.json and tokenizer_config.json's added_tokens_decoder."""
    added = {}
    for token, number in read_json(folder, "added_tokens.json").items():
        if type(number) is not int:
            raise ConvertError(f"{folder}: the added token {one_line(token)!r} has the id {one_line(number)}: a number is needed")
        added[number] = {"id": number, "content": token, "special": False}
    decoder = settings.get("added_tokens_decoder")
    for number, token in decoder.items() if isinstance(decoder, dict) else ():
        if isinstance(token, dict) and number.isdecimal() and len(number) < 10:
            added[int(number)] = token | {"id": int(number)}
    limit = len(out["tokens"]) + len(added) + (1 << 16)
    for number, token in sorted(added.items()):
        if not 0 <= number < limit or not isinstance(token.get("content"), str):
            raise ConvertError(f"{folder}: the added token {one_line(token.get('content'))!r} has the id {one_line(number)}: a number below {limit} is needed")
    _append_free(out, max(added, default=-1) + 1)
    for number in sorted(added):
        kind = hf_tokenizer.CONTROL if added[number].get("special") is True else hf_tokenizer.USER_DEFINED
        was = out["tokens"][number]
        if was == added[number]["content"] and out["token_types"][number] in (spm_file.UNKNOWN, spm_file.CONTROL, spm_file.BYTE):
            continue
        if was != added[number]["content"] and out["token_types"][number] != hf_tokenizer.UNUSED:
            raise ConvertError(f"{folder}: {one_line(added[number]['content'])!r} and {one_line(was)!r} both have the id {number}")
        out["tokens"][number], out["token_types"][number] = added[number]["content"], kind
    out |= hf_tokenizer.added_flags(list(added.values()))


def _pad(out: dict, count):
    if type(count) is int and count <= 4 * len(out["tokens"]) + (1 << 16):
        _append_free(out, count)


def _append_free(out: dict, count: int):
    """Names that no token has, up to `count` tokens."""
    if count <= len(out["tokens"]):
        return
    taken = set(out["tokens"])
    _append(out, [hf_tokenizer.free_name(i, taken) for i in range(len(out["tokens"]), count)], hf_tokenizer.UNUSED)


def _add_around(out: dict, kind: str, settings: dict):
    if out["model"] == "wordpiece":
        if "cls_id" in out and "sep_id" in out:
            cls, sep = out["cls_id"], out["sep_id"]
            out |= hf_tokenizer.templates([(cls, 0), (-1, 0), (sep, 0)], [(cls, 0), (-1, 0), (sep, 0), (-2, 1), (sep, 1)])
        return
    if kind == "roberta" and "bos_id" in out and "eos_id" in out:
        bos, eos = out["bos_id"], out["eos_id"]
        out |= hf_tokenizer.templates([(bos, 0), (-1, 0), (eos, 0)], [(bos, 0), (-1, 0), (eos, 0), (eos, 0), (-2, 0), (eos, 0)])
        return
    for key, name, kinds in (("add_bos", "bos", BEGIN), ("add_eos", "eos", END)):
        asked = settings.get(f"{key}_token")
        out[key] = (asked if isinstance(asked, bool) else kind in kinds) and f"{name}_id" in out
