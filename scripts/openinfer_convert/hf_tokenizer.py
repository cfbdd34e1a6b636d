# SPDX-License-Identifier: Apache-2.0
"""tokenizer.json and its companions -> entries of the package's TOKENIZER section. A pre-tokenizer is recognised by
its structure; one without a name is kept as JSON under `pre_json` with pre = "custom"; normalizers and decoders likewise."""

from __future__ import annotations

import base64
import json
import os

import numpy as np

from . import tokenizer_files
from .errors import ConvertError, one_line
from .json_file import read_json, read_text
from .pre_tokenizers import GPT2, KINDS, NAMES

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5  # GGUF's numbers
FLAGS = ("lstrip", "rstrip", "single_word", "normalized")
DIGIT = r"[\p{Nd*}]"
MODELS = {"BPE": "bpe", "WordPiece": "wordpiece", "Unigram": "unigram", "WordLevel": "wordlevel"}
NAMED_NORMALIZERS = {"NFC": "nfc", "NFD": "nfd", "NFKC": "nfkc", "NFKD": "nfkd", "Lowercase": "lowercase"}
MAX_CHARSMAP = 1 << 23  # bytes


def read_tokenizer(folder: str, config: dict, generation: dict, notes: list) -> dict | None:
    """None if there is none. Errors: a token id that is no small number, two tokens with one id, what other files lack."""
    path = os.path.join(folder, "tokenizer.json")
    spec = read_json(folder, "tokenizer.json")
    if not spec:
        return tokenizer_files.read(folder, config, generation, notes)
    model = spec.get("model")
    if not isinstance(model, dict) or not isinstance(model.get("vocab"), (dict, list)):
        raise ConvertError(f"{path}: has no model with a vocabulary")
    kind = model.setdefault("type", "BPE")
    if not isinstance(kind, str) or not isinstance(model.get("merges") or [], list):
        raise ConvertError(f"{path}: the model's type is no name or its merges are no list")
    settings = read_json(folder, "tokenizer_config.json")
    out = vocabulary(path, model, _dicts(spec.get("added_tokens")), config.get("vocab_size"))
    out["model"] = MODELS.get(kind, kind.lower())
    out |= _pre_tokenizer(spec, model) | merges(path, model, notes) | _normalizer(path, spec.get("normalizer")) | _decoder(spec, out)
    ids = {t: i for i, t in enumerate(out["tokens"])}
    special = read_json(folder, "special_tokens_map.json") | settings
    out |= special_ids(special, config, generation, ids) | {"add_space_prefix": False}
    out |= _model_settings(path, model, out, ids)
    out |= _added_by_template(path, spec.get("post_processor"), ids)
    if template := chat_template(folder, settings):
        out["chat_template"] = template
    return out


def _dicts(value) -> list:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def vocabulary(path: str, model: dict, added: list, vocab_size) -> dict:
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
    out = {"tokens": [by_id[i] if i in by_id else free_name(i, taken) for i in range(count)], "token_types": types}
    if scores is not None:
        values = np.array(scores + [0.0] * (count - len(scores)), dtype="<f8")
        exact = (values.astype("<f4") == values).all()
        out["scores"] = values.astype("<f4") if exact else values
    return out | added_flags(added)


def free_name(number: int, taken: set) -> str:
    name = f"[PAD{number}]"
    while name in taken:
        name = f"[{name}]"
    return name


def added_flags(added: list) -> dict:
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
    node = spec.get("pre_tokenizer")
    steps = _steps(node)
    if node is None or steps in ([("BertPreTokenizer",)], [("WhitespaceSplit",)]):
        return {"pre": "none" if node is None else "bert" if steps[0][0] == "BertPreTokenizer" else "whitespace"}
    for kind in KINDS if model["type"] == "BPE" else ():
        wanted = [("Digits", True) if pattern == DIGIT else ("Split", pattern, "Isolated", False) for pattern in kind.patterns]
        forms = [[*wanted, ("ByteLevel", False, False)]]
        if kind.patterns[-1] == GPT2:
            forms.append([*wanted[:-1], ("ByteLevel", False, True)])
        if steps in forms:
            twins = [k for k in KINDS if k.patterns == kind.patterns]
            best = next((k for k in twins if k.whole_words == bool(model.get("ignore_merges"))), kind)
            return {"pre": best.name} | ({} if best.whole_words == bool(model.get("ignore_merges")) else {"ignore_merges": not best.whole_words})
    out = {"pre": "custom", "pre_json": json.dumps(node, sort_keys=True, ensure_ascii=False)}
    return out | ({"ignore_merges": True} if model.get("ignore_merges") else {})


def is_byte_level(out: dict) -> bool:
    return out["model"] == "bpe" and (out["pre"] in NAMES or '"ByteLevel"' in out.get("pre_json", ""))


def _decoder(spec: dict, found: dict) -> dict:
    node = spec.get("decoder")
    if node is None or (node.get("type") if isinstance(node, dict) else None) == "ByteLevel":
        return {}
    return {"decoder": json.dumps(node, sort_keys=True, ensure_ascii=False)}


def _model_settings(path: str, model: dict, found: dict, ids: dict) -> dict:
    """What only some models have; unk is the model's own where one is needed to encode."""
    out = {key: True for key in ("byte_fallback", "fuse_unk") if model.get(key) is True}
    names = {"continuing_subword_prefix": "continuing_prefix", "end_of_word_suffix": "word_suffix"}
    for key, name in names.items():
        if isinstance(model.get(key), str) and model[key] != ("##" if found["model"] == "wordpiece" else ""):
            out[name] = model[key]
    if type(model.get("max_input_chars_per_word")) is int:
        out["max_word_chars"] = min(max(model["max_input_chars_per_word"], 0), 1 << 20)
    unk = model.get("unk_id") if found["model"] == "unigram" else ids.get(_content(model.get("unk_token")))
    if type(unk) is int and 0 <= unk < len(ids):
        out["unk_id"] = unk
    elif unk is not None:
        raise ConvertError(f"{path}: the unknown token's id is {one_line(unk)}, the vocabulary has {len(ids)} tokens")
    elif found["model"] == "bpe" and not is_byte_level(found):
        found.pop("unk_id", None)  # named, but the model drops what it does not know
    return out


def merges(path: str, model: dict, notes: list) -> dict:
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


def _normalizer(path: str, node) -> dict:
    """A name or JSON; the charsmap of Precompiled, which is much base64, becomes bytes of their own."""
    if node is None:
        return {}
    if isinstance(node, dict) and set(node) == {"type"} and isinstance(node["type"], str) and node["type"] in NAMED_NORMALIZERS:
        return {"normalizer": NAMED_NORMALIZERS[node["type"]]}
    maps = []

    def without_map(part, depth=0):
        if depth > 50:
            raise ConvertError(f"{path}: the normalizer nests deeper than 50")
        if isinstance(part, dict) and part.get("type") == "Precompiled":
            maps.append(part.get("precompiled_charsmap"))
            return {"type": "Precompiled"}
        if isinstance(part, dict):
            return {k: without_map(v, depth + 1) for k, v in part.items()}
        return [without_map(v, depth + 1) for v in part] if isinstance(part, list) else part

    out = {"normalizer": json.dumps(without_map(node), sort_keys=True, ensure_ascii=False)}
    if any(m != maps[0] for m in maps):
        raise ConvertError(f"{path}: the normalizer has {len(maps)} different charsmaps; one is supported")
    if maps and maps[0] is not None:
        out["charsmap"] = _base64(path, maps[0])
    return out


def _base64(path: str, text) -> np.ndarray:
    try:
        blob = base64.b64decode(text, validate=True)
    except (TypeError, ValueError):
        raise ConvertError(f"{path}: precompiled_charsmap is not base64") from None
    if len(blob) > MAX_CHARSMAP:
        raise ConvertError(f"{path}: precompiled_charsmap has {len(blob)} bytes; at most {MAX_CHARSMAP} are supported")
    return np.frombuffer(blob, dtype="u1")


def _content(value) -> str | None:
    value = value.get("content") if isinstance(value, dict) else value
    return value if isinstance(value, str) else None


def _id_list(value, count: int) -> list:
    values = value if isinstance(value, list) else [value]
    return [v for v in values if type(v) is int and 0 <= v < count]


def special_ids(special: dict, config: dict, generation: dict, ids: dict) -> dict:
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


def _processors(node) -> list:
    if not isinstance(node, dict):
        return []
    return [p for inner in _dicts(node.get("processors")) for p in _processors(inner)] if node.get("type") == "Sequence" else [node]


def _items(path: str, template, named, ids: dict) -> list:
    """(id, token type) of each place; -1 and -2 are the texts."""
    named = named if isinstance(named, dict) else {}
    out = []
    for item in _dicts(template):
        if isinstance(text := item.get("Sequence"), dict):
            out.append((-2 if text.get("id") == "B" else -1, text.get("type_id", 0)))
        elif isinstance(special := item.get("SpecialToken"), dict):
            name = _content(special.get("id"))
            entry = named.get(name)
            found = entry.get("ids") if isinstance(entry, dict) else [ids.get(name)]
            for number in found if isinstance(found, list) else [None]:
                if type(number) is not int or not 0 <= number < len(ids):
                    raise ConvertError(f"{path}: the post-processor's token {one_line(name)!r} has the id {one_line(number)}, "
                                       f"the vocabulary has {len(ids)} tokens")
                out.append((number, special.get("type_id", 0)))
    if any(type(kind) is not int or not 0 <= kind < 1 << 31 for _, kind in out):
        raise ConvertError(f"{path}: a type_id of the post-processor is no small number")
    return out


def templates(single: list, pair: list) -> dict:
    """add_bos and add_eos: at most one token on either side of one text ([CLS] and [SEP] serve as bos and eos). All else
    as lists of ids, with -1 and -2 for the texts, and of token types."""
    texts = [i for i, (number, _) in enumerate(single) if number < 0]
    at = texts[0] if texts else 0
    before, after = [n for n, _ in single[:at]], [n for n, _ in single[at + 1:]]
    out = {"add_bos": bool(before), "add_eos": bool(after)}
    if len(texts) == 1 and len(before) <= 1 and len(after) <= 1 and not any(kind for _, kind in single):
        out |= {key: tokens[0] for key, tokens in (("bos_id", before), ("eos_id", after)) if tokens}
    elif single:
        out |= {"add_bos": False, "add_eos": False} | _template("template_single", single)
    return out | (_template("template_pair", pair) if pair else {})


def _template(key: str, items: list) -> dict:
    ids, types = zip(*items)
    return {key: np.array(ids, dtype="<i4"), f"{key}_types": np.array(types, dtype="<i4")}


def _added_by_template(path: str, node, ids: dict) -> dict:
    """What the post-processor puts around one text and around two."""
    single, pair = [], []
    for processor in _processors(node):
        kind = processor.get("type")
        if kind == "TemplateProcessing":
            named = processor.get("special_tokens")
            single, pair = (_items(path, processor.get(key), named, ids) for key in ("single", "pair"))
        elif kind in ("BertProcessing", "RobertaProcessing"):
            ends = [processor.get(key) for key in ("cls", "sep")]
            if any(not isinstance(e, list) or len(e) != 2 or type(e[1]) is not int or not 0 <= e[1] < len(ids) for e in ends):
                raise ConvertError(f"{path}: the post-processor's cls or sep is no token with its id")
            cls, sep = ends[0][1], ends[1][1]
            second = 1 if kind == "BertProcessing" else 0
            single = [(cls, 0), (-1, 0), (sep, 0)]
            pair = [*single, *([] if second else [(sep, 0)]), (-2, second), (sep, second)]
    return templates(single, pair)


def chat_template(folder: str, settings: dict) -> str | None:
    path = os.path.join(folder, "chat_template.jinja")
    if os.path.exists(path):
        try:
            return read_text(path).decode("utf-8")
        except UnicodeDecodeError:
            raise ConvertError(f"{path}: is not UTF-8") from None
    template = read_json(folder, "chat_template.json").get("chat_template", settings.get("chat_template"))
    if isinstance(template, list):  # several, by name
        template = next((t.get("template") for t in _dicts(template) if t.get("name") == "default"), None)
    return template if isinstance(template, str) else None
