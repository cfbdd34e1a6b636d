# SPDX-License-Identifier: Apache-2.0
"""A tiny llama that the command runs: what run_test.py and run_numerics_test.py share."""

import tiny_llama
from harness import Case

PROMPT = [1, 2, 3]


def joined(ids):
    return ",".join(map(str, ids))


class RunCase(Case):
    def setUp(self):
        super().setUp()
        tiny_llama.write(self.path("m.oinf"))

    def run_ids(self, *arguments, prompt=PROMPT):
        return self.text("run", "m.oinf", "--prompt-ids", joined(prompt), "--ids", *arguments)
