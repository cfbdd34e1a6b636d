#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/models/minilm_oracle.json: what transformers (float32, eager attention) answers for all-MiniLM-L6-v2, pooled as its
1_Pooling and 2_Normalize say: the mean of all rows, divided by its length.

usage: make_minilm_oracle.py FOLDER     FOLDER: build/models/minilm. By hand, never in CI: needs torch and transformers.
"""
import json
import pathlib
import sys

import torch
import transformers

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/models/minilm_oracle.json"
MAX_TOKENS = 256  # sentence_bert_config.json
# "repeat": the text so many times, for more tokens than the model takes.
TEXTS = [{"text": "The weather is lovely today."}, {"text": "It's so sunny outside!"}, {"text": "He drove to the stadium."}, {"text": ""},
         {"text": "Ein Kätzchen schläft auf dem Sofa; naïve café, 東京 2024 🙂"}, {"text": "Gradient descent moves each weight against its slope. ", "repeat": 40}]


def main(folder: str):
    torch.manual_seed(0)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    for entry in TEXTS:
        encoded = tokenizer(entry["text"] * entry.get("repeat", 1), truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        with torch.no_grad():
            rows = model(**encoded).last_hidden_state[0]
        vector = torch.nn.functional.normalize(rows.mean(0), dim=0)
        entry["ids"] = encoded["input_ids"][0].tolist()
        entry["embedding"] = [float(f"{value:.7g}") for value in vector.tolist()]
    lines = ",\n".join("  " + json.dumps(entry, ensure_ascii=False) for entry in TEXTS)
    versions = json.dumps({"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__, "max_tokens": MAX_TOKENS})
    OUT.write_text(f'{versions[:-1]}, "texts": [\n{lines}\n]}}\n', "utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
