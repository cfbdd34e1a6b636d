# SPDX-License-Identifier: Apache-2.0
"""all-MiniLM-L6-v2 converted as a user would, with its tokenizer.json and with vocab.txt instead: what `tokenize` says of every
text of the corpus, and for vocab.txt of every third (each is a process), is what the tokenizers library says
(tests/text/oracle/minilm_ids.json). Needs `scripts/fetch_models.sh minilm`."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = pathlib.Path(os.environ.get("OPENINFER_MINILM", ROOT / "build/models/minilm"))
COMMAND = os.environ.get("OPENINFER_COMMAND")
if not MODEL.is_dir() or not COMMAND:
    print(f"skipped: {MODEL} is not there; scripts/fetch_models.sh minilm unpacks it", file=sys.stderr)
    sys.exit(77)


def oracle(name: str):
    return json.loads((ROOT / "tests/text/oracle" / name).read_text("utf-8"))


class MiniLm(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def compare(self, source: pathlib.Path, every: int):
        model = self.folder / "m.oinf"
        made = subprocess.run([sys.executable, "-B", ROOT / "scripts/convert.py", source, "-o", model], capture_output=True, text=True)
        self.assertEqual(made.returncode, 0, made.stderr)
        texts, expected = oracle("corpus.json"), oracle("minilm_ids.json")["ids"]
        self.assertEqual(len(texts), len(expected))
        for text, ids in list(zip(texts, expected))[::every]:
            run = subprocess.run([COMMAND, "tokenize", model, "--json"], input=text.encode(), capture_output=True)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertEqual(json.loads(run.stdout)["ids"], ids, ascii(text))

    def test_tokenizer_json(self):
        self.compare(MODEL, 1)

    def test_vocab_txt(self):
        files = self.folder / "files"
        shutil.copytree(MODEL, files, ignore=shutil.ignore_patterns("tokenizer.json", "model.safetensors"))
        (files / "model.safetensors").symlink_to(MODEL / "model.safetensors")
        self.compare(files, 3)


if __name__ == "__main__":
    unittest.main()
