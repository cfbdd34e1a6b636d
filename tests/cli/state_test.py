# SPDX-License-Identifier: Apache-2.0
"""--save-state and --load-state, --stop, and the timing of prompts."""

import json
import os
import unittest
from unittest import mock

import numpy as np
import tiny_llama
from harness import BACKENDS, Case

PROMPT = "1,2,3"


class State(Case):
    def setUp(self):
        super().setUp()
        tiny_llama.write(self.path("m.oinf"))

    def run_ids(self, *arguments):
        return self.text("run", "m.oinf", "--ids", "--ignore-eos", *arguments).strip()

    def test_a_continued_run_is_an_uninterrupted_one(self):
        for backend in BACKENDS:
            flags = ["--backend", backend]
            whole = self.run_ids("--prompt-ids", PROMPT, "-n", 12, *flags).split(",")
            first = self.run_ids("--prompt-ids", PROMPT, "-n", 5, "--save-state", "s.state", *flags).split(",")
            second = self.run_ids("-n", 4, "--load-state", "s.state", "--save-state", "s.state", *flags).split(",")
            third = self.run_ids("-n", 3, "--load-state", "s.state", *flags).split(",")
            self.assertEqual(first + second + third, whole, backend)
            self.assertIn("prompt 1 tokens", self.stderr)  # one token is sampled and not yet fed
            other = self.run_ids("-n", 7, "--load-state", "s.state", "--backend", "sim").split(",")
            self.assertEqual(other[:3], third)

    def test_a_prompt_stands_behind_what_was_there(self):
        answer = self.run_ids("--prompt-ids", PROMPT, "-n", 5, "--save-state", "s.state")
        expected = self.run_ids("--prompt-ids", f"{PROMPT},{answer},7,8,9", "-n", 6)
        self.assertEqual(self.run_ids("--prompt-ids", "7,8,9", "-n", 6, "--load-state", "s.state"), expected)
        self.assertIn("prompt 4 tokens", self.stderr)
        text = self.run_ids("hello", "-n", 6, "--load-state", "s.state")
        self.assertEqual(text, self.run_ids("--prompt-ids", f"{PROMPT},{answer},{self.text('tokenize', 'm.oinf', 'hello').strip()}", "-n", 6))

    def test_a_sampler_goes_on_where_it_stood(self):
        flags = ["--temperature", 1.5, "--top-k", 40, "--seed", 11]
        whole = self.run_ids("--prompt-ids", PROMPT, "-n", 16, *flags).split(",")
        first = self.run_ids("--prompt-ids", PROMPT, "-n", 7, "--save-state", "s.state", *flags).split(",")
        self.assertEqual(first + self.run_ids("-n", 9, "--load-state", "s.state", *flags).split(","), whole)

    def test_a_conversation_goes_on(self):
        first = self.text("run", "m.oinf", "--chat", "hello", "--system", "Be brief", "-n", 5, "--ignore-eos", "--save-state", "s.state").removesuffix("\n")
        conversation = ("<|im_start|>system\nBe brief<|im_end|>\n<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n" + first +
                        "<|im_end|>\n<|im_start|>user\nworld<|im_end|>\n<|im_start|>assistant\n")
        expected = self.run_ids("-n", 6, conversation)
        self.assertEqual(self.run_ids("--chat", "world", "-n", 6, "--load-state", "s.state"), expected)
        self.assertEqual(self.text("run", "m.oinf", "--ids", "--chat", "--ignore-eos", "-n", 6, "--load-state", "s.state", stdin=b"world\n").strip(), expected)
        self.fails("run", "m.oinf", "--chat", "x", "--system", "y", "--load-state", "s.state", says=["run: --system begins a conversation"], code=2)
        self.run_ids("--prompt-ids", PROMPT, "-n", 2, "--save-state", "plain.state")
        self.fails("run", "m.oinf", "--chat", "x", "--load-state", "plain.state", says=["plain.state was saved by a run without --chat"])

    def test_states_of_any_graph(self):
        self.write("g.oig", "oig 1\nstate $h : tensor(f32, shape=[3])\ngraph (x: f32[3]) -> (y: f32[3]) {\n  h = state_read($h)\n  y = h + x\n  state_write($h, y)\n  return y\n}\n")
        np.save(self.path("x.npy"), np.array([1, 2, 3], "<f4"))
        for backend in BACKENDS:
            flags = ["run", "m.oinf", "--graph", "g.oig", "--backend", backend, "--input", "x=x.npy", "--output", "y=y.npy", "--save-state", "h.state"]
            self.works(*flags)
            for turn in (2, 3):
                self.works(*flags, "--load-state", "h.state")
                np.testing.assert_array_equal(np.load(self.path("y.npy")), np.array([1, 2, 3], "f4") * turn)
        self.write("i.oig", self.read("g.oig").replace(b"h + x", b"h - x"))
        flags = ["run", "m.oinf", "--graph", "i.oig", "--input", "x=x.npy", "--output", "z=z.npy", "--load-state", "h.state"]
        with mock.patch.dict(os.environ, XDG_CACHE_HOME=self.path("kernels")):  # nothing is compiled for it
            self.fails(*flags, says=["h.state was saved by another graph"])
        self.fails("run", "m.oinf", "--ids", "--load-state", "h.state", says=["h.state was saved by another graph"])
        for name, value in {"tok": [1], "pos": [0], "slot": [0], "rows": [0]}.items():
            np.save(self.path(f"{name}.npy"), np.array(value, "<i4"))
        tensors = [word for name in ("tok", "pos", "slot", "rows") for word in ("--input", f"{name}={name}.npy")]
        self.works("run", "m.oinf", *tensors, "--output", "logits=l.npy", "--save-state", "t.state")
        self.fails("run", "m.oinf", "--ids", "--load-state", "t.state", says=["t.state", "was not saved by a run with a prompt"])

    def test_refused(self):
        self.run_ids("--prompt-ids", PROMPT, "-n", 5, "--save-state", "s.state")
        go_on = ["run", "m.oinf", "--ids", "--load-state", "s.state"]
        good = self.read("s.state")
        for bad, says in ((good[:-1], "is cut"), (good[:100], "is cut"), (good[:-9] + b"?" + good[-8:], "is damaged"), (b"GGUF" + bytes(99), "is no saved state")):
            self.write("s.state", bad)
            self.fails(*go_on, says=["s.state", says])
        self.write("s.state", good)
        with mock.patch.dict(os.environ, XDG_CACHE_HOME=self.path("kernels")):  # where nothing is compiled for states that do not fit
            self.fails(*go_on, "--kv-dtype", "f16", says=["s.state was saved by another graph, or one with caches of another dtype"])
            self.fails(*go_on, "--chat", "--kv-dtype", "f16", stdin=b"x", says=["s.state was saved by another graph"])
        self.fails(*go_on, "-n", 5, "--max-context", 6, says=["tokens do not fit into a context of 6"])
        self.fails(*go_on, "--logits", "l.npy", says=["run: --logits needs the whole prompt"], code=2)
        tiny_llama.write(self.path("m.oinf"), leave_out=[], architecture="qwen2")
        self.fails(*go_on, says=["s.state was saved with another package"])
        self.fails("run", "m.oinf", "--ids", "--load-state", "absent.state", says=["absent.state", "No such file"])
        self.fails("run", "m.oinf", "--prompt-ids", "1", "--ids", "--save-state", "no/folder.state", says=["no/folder.state", "cannot create"])
        self.fails("run", "m.oinf", "--prompt-ids", "1", "--ids", "--save-state", "m.oinf", says=["would replace the package"], code=2)


class Stop(Case):
    """On a package whose answer is known: greedy tokens of a random model are bytes and a few words."""

    known = None  # ids, answer and pieces of it, which are the same in every test

    def setUp(self):
        super().setUp()
        tiny_llama.write(self.path("m.oinf"))
        self.flags = ["run", "m.oinf", "--prompt-ids", "1,2,3,4", "-n", 40, "--ignore-eos"]
        if not Stop.known:
            ids = self.text(*self.flags, "--ids").strip().split(",")
            Stop.known = (ids, self.text(*self.flags).removesuffix("\n"), [self.works("detokenize", "m.oinf", i) for i in ids])
        self.ids, self.answer, self.pieces = Stop.known

    def stopped(self, *stops):
        return self.text(*self.flags, *(flag for stop in stops for flag in ("--stop", stop))).removesuffix("\n")

    def test_it_may_span_tokens(self):
        """Every stretch of two to four characters of the answer, as long as it is text."""
        tried = 0
        for at in range(len(self.answer) - 4):
            for length in (1, 2, 4):
                stop = self.answer[at:at + length]
                if "\ufffd" in stop or tried > 24 or stop.startswith("-"):
                    continue
                tried += 1
                self.assertEqual(self.stopped(stop), self.answer[: self.answer.index(stop)], repr(stop))
        self.assertGreater(tried, 5)

    def test_several(self):
        stops = [c for c in dict.fromkeys(self.answer) if c.isalnum()][:3]
        first = min(stops, key=self.answer.index)
        self.assertEqual(self.stopped(*stops), self.answer[: self.answer.index(first)])
        self.assertEqual(self.stopped("never in it", "nor this"), self.answer)

    def test_a_beginning_that_does_not_go_on_is_printed(self):
        last = self.answer[-1]
        self.assertEqual(self.stopped(last + "but something else"), self.answer)

    def test_ids_end_with_the_token_that_completes_it(self):
        stop = next(c for c in self.answer if c.isalnum())
        ids = self.text(*self.flags, "--ids", "--stop", stop).strip().split(",")
        self.assertEqual(ids, self.ids[: len(ids)])
        self.assertIn(stop, b"".join(self.pieces[: len(ids)]).decode(errors="replace"))
        self.assertNotIn(stop, b"".join(self.pieces[: len(ids) - 1]).decode(errors="replace"))

    def test_in_a_chat(self):
        flags = ["run", "m.oinf", "--chat", "hello", "-n", 30, "--ignore-eos"]
        answer = self.text(*flags).removesuffix("\n")
        stop = next(c for c in answer[1:] if c.isalnum())
        self.assertEqual(self.text(*flags, "--stop", stop), answer[: answer.index(stop)] + "\n")

    def test_refused(self):
        self.fails(*self.flags, "--stop", "", says=["run: --stop", "empty"], code=2)
        self.fails(*self.flags, "--stop", os.fsdecode(b"\xff\xfe"), says=["run: --stop", "not UTF-8"], code=2)


class Timing(Case):
    def test_of_a_prompt(self):
        tiny_llama.write(self.path("m.oinf"))
        self.text("run", "m.oinf", "--prompt-ids", PROMPT, "--ids", "-n", 4, "--ignore-eos", "--stats", "s.json")
        self.assertRegex(self.stderr, r"prompt 3 tokens in [0-9.]+ s, [0-9.]+/s; generated 4 tokens in [0-9.]+ s, [0-9.]+/s; peak memory")
        prompts = json.loads(self.read("s.json"))["prompts"]
        self.assertEqual([(p["prompt_tokens"], p["generated_tokens"]) for p in prompts], [(3, 4)])
        self.assertTrue(prompts[0]["prompt_s"] > 0 and prompts[0]["generate_s"] > 0)


if __name__ == "__main__":
    unittest.main()
