# SPDX-License-Identifier: Apache-2.0
"""tokenizer.json and its companions -> entries of the package's TOKENIZER section. A pre-tokenizer is recognised by
its structure; one that is not known is kept as JSON under `pre_json` with pre = "custom", and text commands refuse."""

from __future__ import annotations

import json
import os

import numpy as np

from .errors import ConvertError, one_line
from .json_file import read_bytes, read_json

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5  # GGUF's numbers
FLAGS = ("lstrip", "rstrip", "single_word", "normalized")
MODELS = {"BPE": "bpe", "WordPiece": "wordpiece", "Unigram": "unigram", "WordLevel": "wordlevel"}
# The regular expressions that published tokenizer.json files carry.
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def read_tokenizer(folder: str, config: dict, generation: dict, notes: list) -> dict | None:
    """None without a tokenizer.json. Errors: a token id that is no small number, two tokens with one id."""
    path = os.path.join(folder, "tokenizer.json")
    spec = read_json(folder, "tokenizer.json")
    if not spec:
        if any(os.path.exists(os.path.join(folder, n)) for n in ("tokenizer.model", "vocab.json", "vocab.txt")):
            notes.append("the tokenizer is left out: without tokenizer.json its vocabulary is not read")
        return None
    model = spec.get("model")
    if not isinstance(model, dict) or not isinstance(model.get("vocab"), (dict, list)):
        raise ConvertError(f"{path}: has no model with a vocabulary")
    kind = model.setdefault("type", "BPE")
    if not isinstance(kind, str) or not isinstance(model.get("merges") or [], list):
        raise ConvertError(f"{path}: the model's type is no name or its merges are no list")
    settings = read_json(folder, "tokenizer_config.json")
    out = _vocabulary(path, model, _dicts(spec.get("added_tokens")), config.get("vocab_size"))
    out["model"] = MODELS.get(kind, kind.lower())
    out |= _pre_tokenizer(spec, model) | _merges(path, model, notes) | _normalizer(spec.get("normalizer"))
    ids = {t: i for i, t in enumerate(out["tokens"])}
    special = read_json(folder, "special_tokens_map.json") | settings
    out |= _special_ids(special, config, generation, ids) | {"add_space_prefix": False}
    out |= _added_by_template(spec.get("post_processor"), out, ids)
    if template := _chat_template(folder, settings):
        out["chat_template"] = template
    return out


def _dicts(value) -> list:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def _vocabulary(path: str, model: dict, added: list, vocab_size) -> dict:
    """Tokens by id, their types, and what added tokens say of the white space around them."""
    by_id, scores = {}, None
    if isinstance(model["vocab"], list):  # Unigram: [token, score] by id
        pairs = [p for p in model["vocab"] if isinstance(p, list) and len(p) == 2 and isinstance(p[0], str) and isinstance(p[1], (int, float))]
        if len(pairs) != len(model["vocab"]):
            raise ConvertError(f"{path}: the vocabulary is not a list of [token, score]")
        entries, scores = [(t, i) for i, (t, _) in enumerate(pairs)], [float(s) for _, s in pairs]
    else:
        entries = list(model["vocab"].items())
    entries += [(t.get("content"), t.get("id")) for t in added]
    limit = 4 * len(entries) + (1 << 16)
    for token, number in entries:
        if not isinstance(token, str) or type(number) is not int or not 0 <= number < limit:
            raise ConvertError(f"{path}: token {one_line(token)!r} has the id {one_line(number)}: a number below {limit} is needed")
        if by_id.setdefault(number, token) != token:
            raise ConvertError(f"{path}: {one_line(token)!r} and {one_line(by_id[number])!r} both have the id {number}")
    count = max(by_id, default=-1) + 1
    if type(vocab_size) is int and count < vocab_size <= limit:
        count = vocab_size  # rows of the embedding that no token has
    types = np.full(count, UNUSED, dtype="<i4")
    types[list(by_id)] = NORMAL
    for token in added:
        types[token["id"]] = CONTROL if token.get("special") is True else USER_DEFINED
    taken = set(by_id.values())
    out = {"tokens": [by_id[i] if i in by_id else _free_name(i, taken) for i in range(count)], "token_types": types}
    if scores is not None:
        out["scores"] = np.array(scores + [0.0] * (count - len(scores)), dtype="<f4")
    return out | _added_flags(added)


def _free_name(number: int, taken: set) -> str:
    name = f"[PAD{number}]"
    while name in taken:
        name = f"[{name}]"
    return name


def _added_flags(added: list) -> dict:
    """added_ids and, in the same order, a bool array for each flag; nothing if no token has any."""
    flagged = sorted((t for t in added if any(t.get(f) is True for f in FLAGS)), key=lambda t: t["id"])
    if not flagged:
        return {}
    ids = np.array([t["id"] for t in flagged], dtype="<i4")
    return {"added_ids": ids} | {f"added_{f}": [t.get(f) is True for t in flagged] for f in FLAGS}


def _steps(node) -> list:
    """A pre-tokenizer, sequences unrolled, without the settings that change no word."""
    if not isinstance(node, dict):
        return []
    if node.get("type") == "Sequence":
        return [s for inner in _dicts(node.get("pretokenizers")) for s in _steps(inner)]
    if node.get("type") == "ByteLevel":
        return [("ByteLevel", bool(node.get("add_prefix_space", True)), bool(node.get("use_regex", True)))]
    if node.get("type") == "Digits":
        return [("Digits", bool(node.get("individual_digits")))]
    if node.get("type") == "Split" and isinstance(node.get("pattern"), dict):
        return [("Split", node["pattern"].get("Regex"), node.get("behavior"), bool(node.get("invert")))]
    return [(str(node.get("type")),)]


def _pre_tokenizer(spec: dict, model: dict) -> dict:
    plain = not any(model.get(k) for k in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"))
    known = {
        ("gpt2", False): [("ByteLevel", False, True)],
        ("smollm", False): [("Digits", True), ("ByteLevel", False, True)],
        ("llama-bpe", True): [("Split", LLAMA3, "Isolated", False), ("ByteLevel", False, False)],
        ("qwen2", False): [("Split", QWEN2, "Isolated", False), ("ByteLevel", False, False)],
    }
    steps = _steps(spec.get("pre_tokenizer"))
    for (name, ignore_merges), wanted in known.items():
        if plain and model["type"] == "BPE" and steps == wanted and bool(model.get("ignore_merges")) == ignore_merges:
            return {"pre": name}
    return {"pre": "custom", "pre_json": json.dumps(spec.get("pre_tokenizer"), sort_keys=True, ensure_ascii=False)}


def _merges(path: str, model: dict, notes: list) -> dict:
    """Merges as "left right"; files write them so, or as pairs."""
    out = []
    for merge in model.get("merges") or []:
        pair = merge.split(" ") if isinstance(merge, str) else merge
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(p, str) for p in pair):
            raise ConvertError(f"{path}: the merge {one_line(merge)!r} is not a pair of tokens")
        if any(" " in p for p in pair):
            notes.append(f"merges and pre-tokenizer are left out: the token {one_line(max(pair))!r} of a merge holds a space")
            return {"pre": "custom"}
        out.append(" ".join(pair))
    return {"merges": out} if out else {}


def _normalizer(node) -> dict:
    if node is None:
        return {}
    return {"normalizer": "nfc" if node == {"type": "NFC"} else json.dumps(node, sort_keys=True, ensure_ascii=False)}


def _content(value) -> str | None:
    value = value.get("content") if isinstance(value, dict) else value
    return value if isinstance(value, str) else None


def _id_list(value, count: int) -> list:
    values = value if isinstance(value, list) else [value]
    return [v for v in values if type(v) is int and 0 <= v < count]


def _special_ids(special: dict, config: dict, generation: dict, ids: dict) -> dict:
    """Ids of the tokens that the tokenizer names; where it names none, those of the model's configuration."""
    out = {}
    for name in ("bos", "eos", "unk", "pad", "sep", "cls"):
        named = ids.get(_content(special.get(f"{name}_token")))
        found = [named] if named is not None else _id_list(generation.get(f"{name}_token_id", config.get(f"{name}_token_id")), len(ids))
        if found:
            out[f"{name}_id"] = found[0]
    ends = [e for source in (generation, config) for e in _id_list(source.get("eos_token_id"), len(ids))]
    out["eos_ids"] = sorted({*ends, *([out["eos_id"]] if "eos_id" in out else [])})
    return out


def _added_by_template(node, found: dict, ids: dict) -> dict:
    """add_bos and add_eos: what the post-processor puts around one text. A [CLS] or [SEP] there serves as bos or eos."""
    processors = _dicts(node.get("processors")) if isinstance(node, dict) and node.get("type") == "Sequence" else _dicts([node])
    before, after, seen = [], [], False
    for processor in processors:
        for item in _dicts(processor.get("single")) if processor.get("type") == "TemplateProcessing" else []:
            if "Sequence" in item:
                seen = True
            elif isinstance(item.get("SpecialToken"), dict):
                (after if seen else before).append(ids.get(_content(item["SpecialToken"].get("id"))))
    out = {"add_bos": bool(before), "add_eos": bool(after)}
    for key, tokens in (("bos_id", before), ("eos_id", after)):
        if tokens and tokens[0] is not None and len(tokens) == 1:
            out[key] = tokens[0]
        elif tokens:
            out |= {"pre": "custom"}  # more than begin and end: text commands refuse rather than guess
    return out


def _chat_template(folder: str, settings: dict) -> str | None:
    path = os.path.join(folder, "chat_template.jinja")
    if os.path.exists(path):
        try:
            return read_bytes(path).decode("utf-8")
        except UnicodeDecodeError:
            raise ConvertError(f"{path}: is not UTF-8") from None
    template = read_json(folder, "chat_template.json").get("chat_template", settings.get("chat_template"))
    if isinstance(template, list):  # several, by name
        template = next((t.get("template") for t in _dicts(template) if t.get("name") == "default"), None)
    return template if isinstance(template, str) else None
