# SPDX-License-Identifier: Apache-2.0
"""The tiny encoders of tests/models/families as packages, with a vocabulary of letters and what sentence-transformers adds,
and their answers by NumPy in float64 over the package's keys."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "convert"))
import family_models  # noqa: E402
from checkpoints import SCRIPTS, Package  # noqa: E402
from families_test import FAMILIES, logical  # noqa: E402

LETTERS = "abcdefghijklmnopqrstuvwxyz"
VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *("##" + letter for letter in LETTERS), *"0123456"]
CLS, SEP = VOCAB.index("[CLS]"), VOCAB.index("[SEP]")
MAX_TOKENS = 20
# WordPiece without anything around a text.
BARE = {"version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": None, "decoder": None,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
                  "vocab": {token: i for i, token in enumerate(VOCAB)}}}


def convert(source, out):
    done = subprocess.run([sys.executable, "-B", str(SCRIPTS / "convert.py"), str(source), "-o", str(out)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(done.stderr)


def write(path, *, family="bert", tokenizer="vocab", pooling="mean", normalize=True):
    """tokenizer: vocab (with [CLS] and [SEP]), bare (without), or None; pooling None: no files of sentence-transformers."""
    source = pathlib.Path(str(path) + ".source")
    shutil.copytree(FAMILIES / family, source, ignore=shutil.ignore_patterns("*.npy", "oracle.json"))
    if tokenizer == "vocab":
        (source / "vocab.txt").write_text("\n".join(VOCAB) + "\n")
        (source / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True}))
    elif tokenizer == "bare":
        (source / "tokenizer.json").write_text(json.dumps(BARE))
    if pooling:
        (source / "1_Pooling").mkdir()
        (source / "1_Pooling/config.json").write_text(json.dumps({f"pooling_mode_{kind}": kind.startswith(pooling) for kind in ("mean_tokens", "cls_token", "max_tokens", "lasttoken")}))
        kinds = ["Transformer", "Pooling"] + ["Normalize"] * normalize
        (source / "modules.json").write_text(json.dumps([{"idx": i, "path": "", "type": f"sentence_transformers.models.{kind}"} for i, kind in enumerate(kinds)]))
        (source / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": MAX_TOKENS}))
    convert(source, path)
    shutil.rmtree(source)


def ids(text):
    """Of words of letters, as `vocab` takes them."""
    words = [[VOCAB.index(("##" if i else "") + letter) for i, letter in enumerate(word)] for word in text.split()]
    return [CLS, *(i for word in words for i in word), SEP]


def hidden(path, tokens):
    """(T, D) in float64."""
    return family_models.run(Package(os.fspath(path)), logical, {"tokens": tokens, "types": [0] * len(tokens)})["hidden"]
