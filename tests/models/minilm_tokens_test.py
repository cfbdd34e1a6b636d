# SPDX-License-Identifier: Apache-2.0
"""all-MiniLM-L6-v2's own WordPiece vocabulary, from tokenizer.json and from vocab.txt alone, through the command: the ids
that the tokenizers library gives (tests/text/oracle/minilm_ids.json). Needs `scripts/fetch_models.sh minilm`."""
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
sys.path.insert(0, str(ROOT / "scripts"))
import opnf  # noqa: E402
from openinfer_convert import package  # noqa: E402
from openinfer_convert.hf_source import HfSource  # noqa: E402


def oracle(name: str):
    return json.loads((ROOT / "tests/text/oracle" / name).read_text("utf-8"))


class MiniLm(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def package(self, source: pathlib.Path) -> pathlib.Path:
        """The tokenizer alone: weights would take longer than all else."""
        found = HfSource.__new__(HfSource)
        found.folder, found.config, found.generation, found.notes, found.path = str(source), {}, {}, [], str(source)
        writer = opnf.Writer(self.folder / "m.oinf")
        package._write_tokenizer(found, writer, package.Report())
        writer.write()
        return self.folder / "m.oinf"

    def compare(self, source: pathlib.Path):
        model, expected = self.package(source), oracle("minilm_ids.json")["ids"]
        for text, ids in list(zip(oracle("corpus.json"), expected))[::3]:
            run = subprocess.run([COMMAND, "tokenize", str(model), "--json"], input=text.encode(), capture_output=True, check=True)
            self.assertEqual(json.loads(run.stdout)["ids"], ids, ascii(text))

    def test_tokenizer_json(self):
        self.compare(MODEL)

    def test_vocab_txt(self):
        files = self.folder / "files"
        files.mkdir()
        for name in ("vocab.txt", "tokenizer_config.json"):
            shutil.copy(MODEL / name, files / name)
        self.compare(files)


if __name__ == "__main__":
    unittest.main()
