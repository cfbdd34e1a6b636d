# SPDX-License-Identifier: Apache-2.0
"""Small tokenizers of every kind, trained on the corpus, and the ids that their libraries give for it: oracle/hf.json
(`tokenizers`), oracle/spm.json (`sentencepiece`), with charsmaps.json, and oracle/pre.json (words of every named
pre-tokenizer). Tokenizers are written as what scripts/openinfer_convert makes of their files."""
import base64
import copy
import io
import json

import numpy as np

SEED = 11


def train_set(texts):
    """Lines that trainers can read: no control characters, nothing long."""
    return [t for t in texts if t.strip() and len(t) < 400 and not any(ord(c) < 32 and c not in "\t\n" for c in t)]


def random_ids(count, size, specials=()):
    rng = np.random.default_rng(SEED)
    pool = [i for i in range(size) if i not in specials]
    rows = [rng.choice(pool, rng.integers(1, 16)).tolist() for _ in range(count)]
    if specials:
        rows += [rng.choice(list(specials) + pool[:40], rng.integers(1, 8)).tolist() for _ in range(count // 4)]
    return rows


# ---- tokenizers ----

def template(tok, single, pair, names):
    from tokenizers import processors
    tok.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=[(n, tok.token_to_id(n)) for n in names])


def wordpiece(texts, lowercase=True, strip_accents=None, added=()):
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tok = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=60))
    tok.normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=strip_accents)
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tok.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=900, special_tokens=specials, show_progress=False, limit_alphabet=300))
    tok.decoder = decoders.WordPiece(prefix="##")
    template(tok, "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", ["[CLS]", "[SEP]"])
    tok.add_tokens([AddedToken(t, normalized=True, single_word=True) for t in added])
    return tok


def unigram_vocab(texts, **settings):
    """The pieces of a SentencePiece unigram model, as converters write them into tokenizer.json."""
    proto = parse_spm(train_spm(texts, "unigram", **settings))
    return [(p["piece"], p["score"]) for p in proto["pieces"]], proto


def unigram(texts, pre, charsmap, byte_fallback=False):
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
    vocab, proto = unigram_vocab(texts, byte_fallback=byte_fallback)
    tok = Tokenizer(models.Unigram(vocab, unk_id=0, byte_fallback=byte_fallback))
    steps = [normalizers.Precompiled(proto["charsmap"])] if charsmap else [normalizers.Nmt(), normalizers.NFKC()]
    tok.normalizer = normalizers.Sequence(steps + [normalizers.Replace(__import__("tokenizers").Regex(" {2,}"), " ")])
    tok.pre_tokenizer = pre
    tok.decoder = decoders.Metaspace() if not byte_fallback else decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    tok.add_special_tokens(["<s>", "</s>", "<unk>"])
    template(tok, "$A </s>", "$A </s> $B </s>", ["</s>"])
    return tok


def char_bpe(texts, spec, normalizer, pre, decoder, unk="<unk>", train_pre=None, **options):
    """Like Llama 2's or Gemma's tokenizer.json: BPE over characters with byte fallback, whole texts as words."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers
    trainer_options = {k: v for k, v in options.items() if k in ("continuing_subword_prefix", "end_of_word_suffix")}
    small = Tokenizer(models.BPE(**trainer_options))
    small.pre_tokenizer = train_pre or pre_tokenizers.Metaspace()
    bytes_ = [f"<0x{b:02X}>" for b in range(256)] if options.get("byte_fallback") else []
    trainer = trainers.BpeTrainer(vocab_size=1100, special_tokens=["<unk>", "<s>", "</s>", *bytes_], limit_alphabet=250, show_progress=False, **trainer_options)
    if normalizer is not None and spec == "lower":
        small.normalizer = normalizer
    small.train_from_iterator(texts, trainer)
    data = json.loads(small.to_str())["model"]
    tok = Tokenizer(models.BPE(vocab=data["vocab"], merges=[tuple(m) for m in data["merges"]], unk_token=unk, **options))
    tok.normalizer = normalizer
    tok.pre_tokenizer = pre
    tok.decoder = decoder
    tok.add_special_tokens([AddedToken("<s>", special=True), AddedToken("</s>", special=True), AddedToken("<unk>", special=True)])
    tok.add_tokens([AddedToken("<tool>", normalized=False, rstrip=True)])
    template(tok, "<s> $A", "<s> $A <s>:1 $B:1", ["<s>"])
    return tok


def word_level(texts):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    tok = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tok.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Strip()])
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=False),
                                                 pre_tokenizers.Punctuation(behavior="contiguous")])
    tok.train_from_iterator(texts, trainers.WordLevelTrainer(vocab_size=300, special_tokens=["[UNK]"], show_progress=False))
    return tok


def byte_bpe(texts, pre, **flags):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    tok = Tokenizer(models.BPE(**flags))
    tok.pre_tokenizer = pre
    tok.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=600, special_tokens=["<|endoftext|>"], show_progress=False,
                                                       initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tok.decoder = decoders.ByteLevel()
    return tok


def hf_tokenizers(texts):
    from tokenizers import Regex, decoders, normalizers, pre_tokenizers as p
    meta = "\u2581"
    llama_norm = normalizers.Sequence([normalizers.Prepend(meta), normalizers.Replace(" ", meta)])
    llama_dec = decoders.Sequence([decoders.Replace(meta, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    gemma_dec = decoders.Sequence([decoders.Replace(meta, " "), decoders.ByteFallback(), decoders.Fuse()])
    split = lambda text, behavior, invert=False: p.Split(text, behavior, invert)
    return {
        "bert": wordpiece(texts),
        "bert_cased": wordpiece(texts, lowercase=False, added=("Caf\u00e9", "tool")),
        "bert_lower_accents": wordpiece(texts, lowercase=True, strip_accents=False, added=("caf\u00e9",)),
        "t5": unigram(texts, p.Sequence([p.WhitespaceSplit(), p.Metaspace()]), True),
        "xlm_r": unigram(texts, p.Metaspace(prepend_scheme="always"), True),
        "unigram_bytes": unigram(texts, p.Metaspace(prepend_scheme="first"), False, byte_fallback=True),
        "llama2": char_bpe(texts, "", llama_norm, None, llama_dec, byte_fallback=True, fuse_unk=True),
        "mistral": char_bpe(texts, "", None, p.Metaspace(prepend_scheme="first", split=False), llama_dec, byte_fallback=True, fuse_unk=True),
        "gemma": char_bpe(texts, "", normalizers.Replace(" ", meta), split(" ", "merged_with_previous"), gemma_dec, byte_fallback=True, fuse_unk=True,
                          ignore_merges=False),
        "clip": char_bpe(texts, "lower", normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]),
                         p.Sequence([split(Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), "removed", True)]),
                         decoders.BPEDecoder(), end_of_word_suffix="</w>", train_pre=p.Whitespace()),
        "unk_single": char_bpe(texts, "", None, p.CharDelimiterSplit(" "), None, fuse_unk=False, continuing_subword_prefix="##", train_pre=p.WhitespaceSplit()),
        "word_level": word_level(texts),
        "prefix_space": byte_bpe(texts, p.ByteLevel(add_prefix_space=True)),
        "contiguous": byte_bpe(texts, p.Sequence([split(Regex(r"[A-Z]"), "contiguous"), split("e", "merged_with_next"), p.Punctuation("merged_with_previous"),
                                                  p.Digits(individual_digits=True), p.ByteLevel(add_prefix_space=False, use_regex=True)]), ignore_merges=True),
    }


def ids_of(tok, texts):
    return [tok.encode(t, add_special_tokens=False).ids for t in texts]


CHARSMAPS = {}  # base64 by the name that sections refer to it with


def section(folder):
    """What the converter makes of a folder, as JSON: this is what the tests build their tokenizers from."""
    import sys
    from pathlib import Path
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from openinfer_convert.hf_tokenizer import read_tokenizer
    notes = []
    found = read_tokenizer(str(folder), {}, {}, notes)
    assert not notes, notes
    out = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in found.items()}
    if "charsmap" in out:
        blob = base64.b64encode(bytes(out["charsmap"])).decode()
        out["charsmap"] = next((n for n, b in CHARSMAPS.items() if b == blob), f"map{len(CHARSMAPS)}")
        CHARSMAPS[out["charsmap"]] = blob
    if all(t == 1 for t in out.get("token_types", [])):
        out.pop("token_types", None)
    return out


def hf_section(tok):
    import tempfile
    from pathlib import Path
    with tempfile.TemporaryDirectory() as folder:
        tok.save(str(Path(folder) / "tokenizer.json"))
        return section(folder)


def hf(texts, write_json):
    out = {}
    pairs = [(texts[i], texts[i + 1]) for i in range(0, 12, 2)]
    for name, tok in hf_tokenizers(train_set(texts)).items():
        row = {"section": hf_section(tok), "ids": ids_of(tok, texts), "special": tok.encode(texts[0]).ids,
               "pairs": [[list(p), *(lambda e: [e.ids, e.type_ids])(tok.encode(*p))] for p in pairs]}
        whole = len(tok.encode(pairs[0][0], add_special_tokens=False).ids) + 6
        for limit, strategy in ((12, "longest_first"), (whole, "longest_first"), (whole, "only_second")):
            tok.enable_truncation(limit, strategy=strategy)
            row.setdefault("truncated", []).append([limit, strategy, *(lambda e: [e.ids, e.type_ids])(tok.encode(*pairs[0]))])
            tok.no_truncation()
        # Of a run of byte tokens that is not all UTF-8 the library loses every byte; SentencePiece and we, the wrong ones.
        byte_of = {t: tok.token_to_id(f"<0x{t:02X}>") for t in range(256)}
        bytes_ = {i for i in byte_of.values() if i is not None}
        rows = [[i for i in r if i not in bytes_] for r in random_ids(40, tok.get_vocab_size())] + row["ids"][:60]
        if bytes_:
            rows += [[300, *(byte_of[b] for b in part), 301] for part in ("\u00e9".encode(), "\U0001f600\u6f22".encode(), b"\xff", b"\xe2\x82", b"\xf0\x9f\x98")]
        row["decode"] = [[ids, tok.decode(ids, skip_special_tokens=False), tok.decode(ids)] for ids in rows]
        out[name] = row
    write_json("hf.json", out)


def pre(texts, write_json, kinds):
    """Words of every named pre-tokenizer, as their byte lengths: they make up the text."""
    from tokenizers import Regex, pre_tokenizers as p
    out = {}
    for kind in kinds:
        steps = [p.Digits(individual_digits=True) if pattern == r"[\p{Nd*}]" else p.Split(Regex(pattern), "isolated") for pattern in kind.patterns]
        sequence = p.Sequence(steps)
        rows = []
        for text in texts:
            words = [word for word, _ in sequence.pre_tokenize_str(text)]
            assert "".join(words) == text
            rows.append([len(w.encode()) for w in words])
        out[kind.name] = rows
    write_json("pre.json", out)


# ---- SentencePiece ----

def train_spm(texts, kind, **options):
    import sentencepiece
    model = io.BytesIO()
    defaults = {"model_type": kind, "vocab_size": 1150, "character_coverage": 0.98, "hard_vocab_limit": False, "minloglevel": 3, "num_threads": 1,
                "user_defined_symbols": ["<tool>", "\u00e9\u00a9", "ab cd"]}
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(t.replace("\n", " ") for t in texts), model_writer=model, **defaults | options)
    return model.getvalue()


def parse_spm(blob):
    import sys
    from pathlib import Path
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from openinfer_convert.spm_file import parse
    return parse(blob, "model")


def with_unused(blob):
    """The model with some of its longer pieces marked as unused, which encoders must take apart again."""
    at, out, marked = 0, b"", 0
    while blob[at] == 0x0A:  # pieces come first, each a message of less than 128 bytes
        size = blob[at + 1]
        assert size < 126
        message = blob[at + 2:at + 2 + size]
        if len(message[2:2 + message[1]].decode()) > 3 and b"\x18" not in message[2 + message[1]:] and marked < 60:
            message, marked = message + b"\x18\x05", marked + 1
        out += bytes([0x0A, len(message)]) + message
        at += 2 + size
    return out + blob[at:]


def spm_models(learn):
    models = {
        "llama": train_spm(learn, "bpe", byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False),
        "gemma": train_spm(learn, "bpe", byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=False,
                           split_by_whitespace=False, allow_whitespace_only_pieces=True),
        "bpe_nfkc": train_spm(learn, "bpe", normalization_rule_name="nmt_nfkc"),
        "bpe_suffix": train_spm(learn, "bpe", treat_whitespace_as_suffix=True),
        "t5": train_spm(learn, "unigram", normalization_rule_name="nmt_nfkc"),
        "unigram_bytes": train_spm(learn, "unigram", byte_fallback=True, normalization_rule_name="nmt_nfkc", remove_extra_whitespaces=False),
        "unigram_wide": train_spm(learn, "unigram", split_by_whitespace=False, normalization_rule_name="identity"),
    }
    models["unused"] = with_unused(models["llama"])
    return models


def spm(texts, write_json):
    import tempfile
    from pathlib import Path
    import sentencepiece
    models = spm_models(train_set(texts))
    out = {}
    bytes_texts = [b"\xff", b"a\xe2\x82 b", b"\xf0\x9f\x98", b"ok \xc3\xa9\xc3 x\x80"]
    for name, blob in models.items():
        sp = sentencepiece.SentencePieceProcessor(model_proto=blob)
        ids = [sp.encode(t) for t in texts]
        rows = random_ids(40, sp.get_piece_size())
        if any(sp.is_byte(i) for i in range(sp.get_piece_size())):
            rows += random_ids(40, 280)
        rows += ids[:60]
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "tokenizer.model").write_bytes(blob)
            row = section(folder)
        out[name] = {"section": row, "ids": ids, "decode": [[r, sp.decode(r)] for r in rows if r],
                     "bytes": [[t.hex(), sp.encode(t)] for t in bytes_texts]}
    write_json("spm.json", out)
    write_json("charsmaps.json", CHARSMAPS)
