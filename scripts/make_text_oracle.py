#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the oracle data of lib/text with the libraries it is held to: tokenizers, jinja2, numpy.

    scripts/make_text_oracle.py tables         lib/text/unicode_tables.h, oracle/unicode_classes.json
    scripts/make_text_oracle.py cases          lib/text/jinja/python_unicode.h
    scripts/make_text_oracle.py tokens [GGUF]  corpus.json, small_vocab.json, small_ids.json; smollm2_ids.json with a GGUF
    scripts/make_text_oracle.py kinds          lib/text/pre_tokenizer_kinds.h
    scripts/make_text_oracle.py models         hf.json, spm.json, charsmaps.json, pre.json (text_oracle/models.py)
    scripts/make_text_oracle.py minilm FOLDER  minilm_ids.json
    scripts/make_text_oracle.py templates      oracle/templates.json from tests/text/templates/
    scripts/make_text_oracle.py sampling       oracle/sampling.json
    scripts/make_text_oracle.py speed GGUF FILE   seconds that tokenizers needs for FILE, single-threaded

Not run in CI: its output is checked in. Needs Python 3.11, tokenizers 0.23, sentencepiece 0.2.3, jinja2 3.1, numpy, gguf.
"""
import json
import os
import sys
import time
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests/text"
ORACLE = TESTS / "oracle"

GPT2_PAIRS = r"'s|'t|'re|'ve|'m|'ll|'d"
LLAMA3 = (rf"(?i:{GPT2_PAIRS})|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
PRE = ["smollm", "gpt2", "llama-bpe", "qwen2"]


def write_json(name, value):
    ORACLE.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    (ORACLE / name).write_text(text + "\n")
    print(f"{name}: {len(text)} bytes", file=sys.stderr)


def kinds():
    sys.path.insert(0, str(ROOT / "scripts"))
    from openinfer_convert import pre_tokenizers
    (ROOT / "lib/text/pre_tokenizer_kinds.h").write_text(pre_tokenizers.header())


def minilm(folder):
    """The ids that all-MiniLM-L6-v2's own tokenizer.json gives."""
    from text_corpus import corpus
    from tokenizers import Tokenizer
    tok = Tokenizer.from_file(f"{folder}/tokenizer.json")
    tok.no_truncation()
    tok.no_padding()
    write_json("minilm_ids.json", {"vocab_size": tok.get_vocab_size(), "ids": [tok.encode(t).ids for t in corpus()]})


def models():
    sys.path.insert(0, str(ROOT / "scripts"))
    from openinfer_convert import pre_tokenizers
    from text_corpus import corpus
    from text_oracle import models as small
    small.pre(corpus(), write_json, pre_tokenizers.KINDS)
    small.hf(corpus(), write_json)
    small.spm(corpus(), write_json)


def tables():
    from text_oracle import unicode_tables
    unicode_tables.write(ROOT / "lib/text/unicode_tables.h", write_json)


def cases():
    from text_oracle import case_tables
    case_tables.write(ROOT / "lib/text/jinja/python_unicode.h")


# ---- tokens ----

def build(vocab, merges, pre, types, *, nfc=False, space_prefix=False, flags=()):
    """The library's tokenizer for a vocabulary; control and user-defined tokens are added tokens."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
    pairs = [tuple(m.split(" ", 1)) for m in merges]
    tok = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(vocab)}, merges=pairs,
                               ignore_merges=pre == "llama-bpe"))
    if pre in ("gpt2", "smollm"):
        steps = [pre_tokenizers.ByteLevel(add_prefix_space=space_prefix, use_regex=True)]
        if pre == "smollm":
            steps.insert(0, pre_tokenizers.Digits(individual_digits=True))
    else:
        steps = [pre_tokenizers.Split(Regex(LLAMA3 if pre == "llama-bpe" else QWEN2), "isolated"),
                 pre_tokenizers.ByteLevel(add_prefix_space=space_prefix, use_regex=False)]
    tok.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tok.decoder = decoders.ByteLevel()
    if nfc:
        tok.normalizer = normalizers.NFC()
    flags = {f["id"]: f for f in flags}
    for kind, special in ((3, True), (4, False)):
        added = []
        for i, t in enumerate(vocab):
            if types[i] == kind:
                flag = {k: v for k, v in flags.get(i, {}).items() if k != "id"}
                added.append(AddedToken(t, special=special, **({"normalized": False} | flag)))
        (tok.add_special_tokens if special else tok.add_tokens)(added)
    return tok


def encode_all(tok, texts):
    """Ids with control tokens read from the text, and without where that differs: [[ids, ids or null], ...]."""
    out = []
    for text in texts:
        tok.encode_special_tokens = False
        parsed = tok.encode(text, add_special_tokens=False).ids
        tok.encode_special_tokens = True
        plain = tok.encode(text, add_special_tokens=False).ids
        out.append([parsed, None if plain == parsed else plain])
    tok.encode_special_tokens = False
    return out


def small_vocab(texts):
    """About 1,500 tokens trained on the corpus; like SmolLM2's, it lacks the bytes that its text lacks."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    control = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|im|>", "<tool>"]
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = set(pre_tokenizers.ByteLevel.alphabet())
    absent = {"\u0104", "\u0106", "\u0113", "\u00c0", "\u00f5", "\u00f6"}  # bytes 04 06 13 C0 F5 F6
    trainer = trainers.BpeTrainer(vocab_size=1500, special_tokens=control, initial_alphabet=sorted(alphabet - absent),
                                  show_progress=False)
    tok.train_from_iterator(texts, trainer)
    data = json.loads(tok.to_str())["model"]
    vocab = sorted(data["vocab"], key=data["vocab"].get)
    assert not absent & set(vocab), absent & set(vocab)
    user = ["<tool>er", "\u00e9\u00a9", "  \n", "caf\u00e9", "<\u0167>"]
    types = [3 if t in control else 1 for t in vocab] + [4] * len(user)
    return vocab + user, types, [" ".join(m) for m in data["merges"]]


def random_sequences(tok, count, size, seed):
    """Size leaves out the user-defined tokens: the library reads their accented letters as bytes, we as text."""
    import numpy as np
    rng = np.random.default_rng(seed)
    rows = [rng.integers(0, size, rng.integers(1, 24)).tolist() for _ in range(count)]
    rows += [(rng.integers(0, 240, rng.integers(1, 16))).tolist() for _ in range(count)]  # single bytes, mostly
    return [[ids, tok.decode(ids, skip_special_tokens=False), tok.decode(ids, skip_special_tokens=True)] for ids in rows]


def tokens(gguf_path=None):
    from text_corpus import corpus
    texts = corpus()
    write_json("corpus.json", texts)
    vocab, types, merges = small_vocab([t for t in texts if not set(t) & set("\x04\x06\x13")])
    write_json("small_vocab.json", {"tokens": vocab, "types": types, "merges": merges})
    flags = [{"id": vocab.index("<|im_start|>"), "rstrip": True}, {"id": vocab.index("<|im_end|>"), "lstrip": True},
             {"id": vocab.index("<tool>er"), "single_word": True, "lstrip": True, "rstrip": True},
             {"id": vocab.index("caf\u00e9"), "normalized": True}]
    ids = {pre: encode_all(build(vocab, merges, pre, types), texts) for pre in PRE}
    probes = [t for t in texts if len(t) < 200]
    ids["nfc"] = [[t, *row] for t, row in zip(probes, encode_all(build(vocab, merges, "qwen2", types, nfc=True), probes))
                  if row != ids["qwen2"][texts.index(t)]]
    tagged = [t for t in probes if "<" in t or "caf" in t]
    ids["flags"] = [[t, *row] for t, row in zip(tagged, encode_all(
        build(vocab, merges, "qwen2", types, nfc=True, flags=flags), tagged))]
    ids["flag_list"] = flags
    ids["space_prefix"] = [[t, *row] for t, row in zip(tagged, encode_all(
        build(vocab, merges, "gpt2", types, space_prefix=True), tagged))]
    ids["decode"] = random_sequences(build(vocab, merges, "gpt2", types), 100, types.index(4), 7)
    write_json("small_ids.json", ids)
    if gguf_path:
        vocab, types, merges = gguf_vocab(gguf_path)
        full = {"vocab_size": len(vocab), "smollm": encode_all(build(vocab, merges, "smollm", types), texts)}
        write_json("smollm2_ids.json", full)


def gguf_vocab(path):
    import gguf
    fields = gguf.GGUFReader(path).fields
    read = lambda key: fields["tokenizer.ggml." + key].contents()
    return read("tokens"), read("token_type"), read("merges")


def speed(gguf_path, text_path):
    vocab, types, merges = gguf_vocab(gguf_path)
    tok = build(vocab, merges, "smollm", types)
    text = Path(text_path).read_text()
    for _ in range(3):
        start = time.perf_counter()
        count = len(tok.encode(text, add_special_tokens=False).ids)
        print(f"{count} tokens in {time.perf_counter() - start:.3f} s")


# ---- chat templates ----

NOW = 1714586520  # 2024-05-01 18:02:00 UTC


def environment():
    """jinja2 as transformers sets it up for chat templates (utils/chat_template_utils.py)."""
    import datetime
    import jinja2
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        tags = {"generation"}

        def parse(self, parser):
            line = next(parser.stream).lineno
            body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
            return jinja2.nodes.CallBlock(self.call_method("_support"), [], [], body).set_lineno(line)

        def _support(self, caller):
            return caller()

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    now = datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc)
    env.globals["strftime_now"] = lambda form: now.strftime(form)
    return env


def render(env, source, variables):
    """The text, or null where jinja2 raises."""
    try:
        return env.from_string(source).render(**json.loads(json.dumps(variables)))
    except Exception as error:  # whatever Python raises inside of a template
        print(f"  raises {type(error).__name__}: {error}"[:110], file=sys.stderr)
        return None


def templates():
    from template_cases import BLOCKS, CONVERSATIONS, SNIPPETS, VARIABLES
    env = environment()
    families = {}
    for path in sorted((TESTS / "templates").glob("*.jinja")):
        rendered = {}
        for name, conversation in CONVERSATIONS.items():
            variables = {"tools": None, "bos_token": "<s>", "eos_token": "</s>"} | conversation
            if path.stem == "llama31" and variables["tools"] is None:
                del variables["tools"]
            rendered[name] = render(env, path.read_text(), variables)
        families[path.stem] = rendered
    snippets = [[s, render(env, s, VARIABLES)] for s in SNIPPETS + BLOCKS]
    write_json("templates.json", {"now": NOW, "conversations": CONVERSATIONS, "families": families,
                                  "variables": VARIABLES, "snippets": snippets})


# ---- sampling ----

def sampling():
    """The filters in plain float64 numpy over a full sort: what is left, and with which probability."""
    import numpy as np
    rng = np.random.default_rng(11)
    rows = []
    logit_sets = [rng.normal(0, 3, 50).astype(np.float32), np.array([1, 1, 1, 1], np.float32),
                  np.array([5, -np.inf, 4.5, -np.inf, 0], np.float32), np.array([0.5], np.float32),
                  np.round(rng.normal(0, 2, 30)).astype(np.float32), np.array([1000, 999, -1000, 998.5], np.float32)]
    for logits in logit_sets:
        for t, k, p, m in [(1, 0, 1, 0), (0.7, 0, 1, 0), (1.5, 5, 1, 0), (1, 0, 0.9, 0), (1, 0, 0.5, 0), (1, 0, 0, 0), (1, 0, 1, 0.1),
                           (0.8, 10, 0.95, 0.05), (2, 3, 0.6, 0.5), (1, 1, 1, 0), (0.01, 0, 0.99, 0), (1, 1000, 1, 1)]:
            order = np.lexsort((np.arange(len(logits)), -logits.astype(np.float64)))
            if k:
                order = order[:k]
            x = logits[order].astype(np.float64)
            q = np.exp((x - x.max()) / np.float64(np.float32(t)))
            q /= q.sum()
            if p < 1:
                before = np.concatenate([[0], np.cumsum(q)[:-1]])
                keep = (before < np.float32(p)) | (np.arange(len(q)) == 0)
                order, q = order[keep], q[keep] / q[keep].sum()
            if m > 0:
                keep = q >= np.float64(np.float32(m)) * q.max()
                order, q = order[keep], q[keep] / q[keep].sum()
            rows.append({"logits": [None if np.isneginf(v) else float(v) for v in logits], "temperature": t, "top_k": k, "top_p": p,
                         "min_p": m, "ids": order.tolist(), "probabilities": q.tolist()})
    write_json("sampling.json", {"rows": rows, "pcg32": pcg32_demo()})


def pcg32_demo(seed=42, count=8):
    """PCG32 by its paper's definition, in Python's integers."""
    mask, state, out = (1 << 64) - 1, 0, []

    def step():
        nonlocal state
        old = state
        state = (old * 6364136223846793005 + 1442695040888963407) & mask
        word, turn = (((old >> 18) ^ old) >> 27) & 0xFFFFFFFF, old >> 59
        return ((word >> turn) | (word << (-turn & 31))) & 0xFFFFFFFF

    step()
    state = (state + seed) & mask
    step()
    for _ in range(count):
        high, low = step() >> 5, step() >> 6
        out.append(((high << 26) | low) / 2**53)
    return out


if __name__ == "__main__":
    sys.path.insert(0, str(TESTS))
    jobs = {"tables": tables, "cases": cases, "kinds": kinds, "models": models, "minilm": minilm, "tokens": tokens, "templates": templates, "sampling": sampling, "speed": speed}
    if len(sys.argv) < 2 or sys.argv[1] not in jobs:
        sys.exit(__doc__)
    jobs[sys.argv[1]](*sys.argv[2:])
