# SPDX-License-Identifier: Apache-2.0
"""inspect, verify, tokenize, detokenize, graph, pack: what scripts read from them."""

import json
import os
import sys
import tempfile
import unittest
from unittest import mock

import tiny_llama  # its import of opnf finds scripts/
import opnf
from harness import Case

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "convert"))
import checkpoints  # noqa: E402


class PackageCommands(Case):
    def setUp(self):
        super().setUp()
        tiny_llama.write(self.path("m.oinf"))

    def test_inspect_json(self):
        found = json.loads(self.text("inspect", "m.oinf", "--json"))
        self.assertEqual(found["metadata"]["n_layers"], {"type": "i64", "value": tiny_llama.LAYERS})
        self.assertEqual(found["metadata"]["general.architecture"], {"type": "string", "value": "llama"})
        self.assertIn({"name": "ctx", "min": 1, "max": tiny_llama.CTX}, found["dims"])
        self.assertTrue(found["states"]["kv"].startswith("kv_cache(f32"))
        self.assertEqual(found["size_bytes"], os.path.getsize(self.path("m.oinf")))
        tensors = {t["key"]: t for t in found["tensors"]}
        self.assertEqual(list(tensors), sorted(tensors))
        up = tensors["Wup.1"]
        self.assertEqual((up["dtype"], up["shape"], up["size_bytes"], up["transposed"]),
                         ("f16", [tiny_llama.D, tiny_llama.FF], 2 * tiny_llama.D * tiny_llama.FF, True))
        self.assertEqual(tensors["lm_head"]["alias_of"], "tok_embeddings")
        self.assertIsNone(up["alias_of"])
        self.assertEqual(found["sections"][-1]["kind"], "DATA")

    def test_inspect_json_keeps_types(self):
        """Texts that look like numbers stay texts, round reals stay reals."""
        values = {"digits": "123", "word": "true", "object": '{"a":1}', "lines": "a\nb", "long": "x" * 200, "real": 100000.0,
                  "yes": True, "count": 100000, "words": ["1", "null"], "reals": [1.0, 0.5], "flags": [True, False],
                  "many": ["1"] * 9, "endless": float("inf")}
        w = opnf.Writer(self.path("types.oinf"))
        for key, value in values.items():
            w.meta(key, value)
        w.write()
        text = self.text("inspect", "types.oinf", "--json")
        found = {key: entry["value"] for key, entry in json.loads(text)["metadata"].items()}
        expected = {**values, "many": "[" + '"1", ' * 8 + "… (9 elements)]", "endless": "inf"}
        self.assertEqual(found, expected)
        self.assertEqual({k: type(v) for k, v in found.items()}, {k: type(v) for k, v in expected.items()})

    def test_inspect_text(self):
        plain = self.text("inspect", "m.oinf")
        self.assertIn("20 of 87.8 KiB, 1 aliases", plain)
        self.assertNotIn("Wdown.0", plain)
        self.assertRegex(self.text("inspect", "m.oinf", "--tensors"), r"Wdown\.0 +f32 +\(64, 32\) +8192 +transposed")

    def test_package_and_graph_agree_on_sizes(self):
        """The table that converts and the page that describes the graph: one truth, in two languages."""
        checkpoints.gguf_llama(self.path("made.gguf"), checkpoints.llama_weights(), checkpoints.G.Q8_0)
        self.works("convert", "made.gguf", "-o", "made.oinf")
        for package in ("m.oinf", "made.oinf"):
            found, graph = json.loads(self.text("inspect", package, "--json")), self.text("graph", package)
            bounds = [d for d in found["dims"] if d["min"] < d["max"]]
            self.assertEqual([d["name"] for d in bounds], ["ctx", "slots"])
            for d in bounds:
                self.assertIn(f"dim {d['min']} <= {d['name']} <= {d['max']}\n", graph)
            self.assertIn(f"state $kv : {found['states']['kv']}\n", graph)

    def test_verify(self):
        self.assertIn("ok (21 tensors; structure and index)", self.text("verify", "m.oinf"))
        self.works("verify", "m.oinf", "--deep")

    def test_verify_deep_finds_a_flipped_bit(self):
        raw = bytearray(self.read("m.oinf"))
        raw[-1] ^= 1
        self.write("flipped.oinf", bytes(raw))
        self.works("verify", "flipped.oinf")
        self.fails("verify", "flipped.oinf", "--deep", says=["tok_embeddings", "checksum"])

    def test_tokenize(self):
        self.assertEqual(self.text("tokenize", "m.oinf", "hello world<|im_end|>"), f"259,262,108,100,{tiny_llama.IM_END}\n")
        self.assertEqual(json.loads(self.text("tokenize", "m.oinf", "hell", "--json")), {"ids": [258]})
        self.assertEqual(self.text("tokenize", "m.oinf", ""), "\n")

    def test_any_bytes_come_back(self):
        raw = bytes(range(256)) + b"\r\n"
        ids = self.works("tokenize", "m.oinf", stdin=raw)
        self.assertEqual(self.works("detokenize", "m.oinf", stdin=ids), raw)
        as_json = self.works("tokenize", "m.oinf", "--json", stdin=raw)
        self.assertEqual(self.works("detokenize", "m.oinf", stdin=as_json), raw)

    def test_detokenize_refuses(self):
        for ids in ("1,,2", ",1", "1,", "1, ,2", ","):
            self.fails("detokenize", "m.oinf", ids, says=["'', is not a token id"], code=2)
        self.assertEqual(self.text("detokenize", "m.oinf", " 258 , 258\t258\n"), "hell" * 3)
        self.fails("detokenize", "m.oinf", "1,x", says=["number 2, 'x'", "not a token id"], code=2)
        self.fails("detokenize", "m.oinf", "[1, 2.5]", says=["2.5", "not a token id"], code=2)
        self.fails("detokenize", "m.oinf", "999999", says=["999999", str(tiny_llama.VOCAB)])

    def test_bytes_that_the_vocabulary_lacks(self):
        lacking = [t for t in tiny_llama.TOKENS if t != tiny_llama.byte_alphabet()[4]]
        tiny_llama.write(self.path("lacking.oinf"), tokens=lacking)
        for arguments in (["tokenize", "lacking.oinf", "a\x04"], ["run", "lacking.oinf", "a\x04", "-n", "1"], ["run", "lacking.oinf", "a\x04", "-n", "1", "--chat"]):
            self.works(*arguments)
            self.assertIn("warning: this vocabulary has no token for the byte 0x04", self.stderr)
        tiny_llama.write(self.path("lacking.oinf"), tokens=[t for t in tiny_llama.TOKENS if t != "<"])
        self.works("tokenize", "lacking.oinf", "a<|im_end|>")
        self.assertEqual(self.stderr, "")

    def test_graph_is_stable_text(self):
        text = self.text("graph", "m.oinf")
        self.assertTrue(text.startswith("oig 1\n"))
        self.write("g.oig", text)
        self.assertEqual(self.text("graph", "--graph", "g.oig"), text)
        self.assertEqual(self.text("graph", "m.oinf", "--text", "-o", "out.oig"), "")
        self.assertEqual(self.read("out.oig").decode(), text)
        self.works("graph", "--graph", "g.oig", "-o", "again.oig")
        self.assertEqual(self.read("again.oig").decode(), text)
        self.assertTrue(self.text("graph", "m.oinf", "--dot").startswith("digraph"))
        self.assertIn("<svg", self.text("graph", "m.oinf", "--svg"))
        page = self.text("graph", "m.oinf", "--html")
        self.assertTrue(page.startswith("<!doctype html>") and "<svg" in page and "dim 1 &lt;= N &lt;= 512" in page)

    def test_drawing_leaves_nothing_and_needs_no_temporary_folder(self):
        before = set(os.listdir(tempfile.gettempdir()))
        os.mkdir(self.path("bin"))
        self.write("bin/dot", "#!/bin/sh\nexit 3\n")
        os.chmod(self.path("bin/dot"), 0o755)
        drawn, _, _ = self.run_cli("graph", "m.oinf", "--svg", env=os.environ | {"TMPDIR": self.path("absent")})
        self.assertEqual(drawn, 0)
        for path, says in (("bin", "dot has failed"), ("absent", "dot is not installed: install graphviz")):
            code, out, err = self.run_cli("graph", "m.oinf", "--svg", env={"PATH": self.path(path)})
            self.assertEqual((code, out, err.count("\n")), (1, b"", 1), err)
            self.assertIn(says, err)
        self.assertEqual([name for name in set(os.listdir(tempfile.gettempdir())) - before if "graph" in name], [])

    def test_pack_embeds_the_graph(self):
        self.assertEqual(self.text("pack", "m.oinf", "-o", "with.oinf"), "")
        self.assertEqual(self.text("graph", "with.oinf"), self.text("graph", "m.oinf"))
        self.works("verify", "with.oinf", "--deep")
        self.assertEqual([g for g in json.loads(self.text("inspect", "with.oinf", "--json"))["graphs"]], ["main"])
        tiny_llama.write(self.path("plain.oinf"), graph=self.text("graph", "m.oinf"))
        self.assertEqual(self.read("with.oinf"), self.read("plain.oinf"))

    def test_pack_does_not_replace_its_own_input(self):
        before = self.read("m.oinf")
        os.symlink("m.oinf", self.path("link.oinf"))
        os.link(self.path("m.oinf"), self.path("hard.oinf"))
        os.mkdir(self.path("folder"))
        names = ("m.oinf", "./m.oinf", "folder/../m.oinf", self.path("m.oinf"), "link.oinf", "hard.oinf")
        for source, output in [("m.oinf", name) for name in names] + [(name, "m.oinf") for name in names]:
            for how in ([], ["--layout", "panel16"]):
                with self.subTest(source=source, output=output, how=how):
                    self.fails("pack", source, *how, "-o", output, says=[f"{output} is the source itself; name another file"], code=2)
                    self.assertEqual(self.read("m.oinf"), before)
        for name in ("link.oinf", "hard.oinf"):
            os.remove(self.path(name))
        self.works("graph", "m.oinf", "-o", "own.oig")
        self.fails("pack", "m.oinf", "--graph", "own.oig", "-o", "own.oig", says=["own.oig would replace the graph's text"], code=2)
        os.remove(self.path("own.oig"))
        self.works("verify", "m.oinf", "--deep")
        self.assertEqual(self.files(), [self.path("m.oinf")])

    def test_pack_refuses_a_graph_that_does_not_fit(self):
        text = self.text("graph", "m.oinf").replace("@final_norm", "@other_norm")
        self.write("g.oig", text)
        self.fails("pack", "m.oinf", "--graph", "g.oig", "-o", "out.oinf", says=["other_norm"])

    def test_pack_reserves_no_states(self):
        """A cache of 4 PiB, more than a session makes or an address space holds: packing needs its declaration only."""
        with mock.patch.object(tiny_llama, "CTX", 1 << 40):
            tiny_llama.write(self.path("long.oinf"))
        self.works("pack", "long.oinf", "-o", "packed.oinf")
        self.works("verify", "packed.oinf", "--deep")

    def test_pack_refuses_what_is_damaged(self):
        """As `verify --deep` tells it: fresh checksums over damaged bytes would hide it for good."""
        tiny_llama.write(self.path("q.oinf"), dtypes=dict.fromkeys(tiny_llama.matrices(), "q8_0"))
        self.works("pack", "q.oinf", "--layout", "panel16", "-o", "panels.oinf")
        for source in ("q.oinf", "panels.oinf"):
            found = json.loads(self.text("inspect", source, "--tensors", "--json"))
            starts = {s["kind"]: s["offset"] + s["size_bytes"] - 1 for s in found["sections"] if s["kind"] == "TOKENIZER"}
            starts |= {t["key"]: t["offset"] + 40 for t in found["tensors"] if t["key"] in ("Wup.1", "final_norm", "tok_embeddings")}
            self.assertEqual(len(starts), 4)
            for what, at in starts.items():
                raw = bytearray(self.read(source))
                raw[at] ^= 1
                self.write("bad.oinf", bytes(raw))
                code, _, says = self.run_cli("verify", "bad.oinf", "--deep")
                self.assertEqual(code, 1)
                self.assertIn(what, says)
                for how in ([], ["--layout", "panel16"], ["--layout", "rows"], ["--device", "this-cpu"]):
                    with self.subTest(source=source, what=what, how=how):
                        self.fails("pack", "bad.oinf", *how, "-o", "out.oinf", says=[says])

    def test_pack_for_a_device(self):
        tiny_llama.write(self.path("q.oinf"), dtypes=dict.fromkeys(tiny_llama.matrices(), "q8_0"))
        for device, layout in (("zen4", "panel16"), ("ada-lovelace", "rows")):
            self.works("pack", "q.oinf", "--device", device, "-o", "device.oinf")
            self.works("pack", "q.oinf", "--layout", layout, "-o", "layout.oinf")
            self.assertEqual(self.read("device.oinf"), self.read("layout.oinf"))
        self.fails("pack", "q.oinf", "--device", "zen44", "-o", "no.oinf", says=["zen44", "zen4"])
        self.fails("pack", "q.oinf", "--device", "zen4", "--layout", "rows", "-o", "no.oinf", says=["--layout"], code=2)
        self.assertFalse(os.path.exists(self.path("no.oinf")))

    def test_pack_to_panels_and_back(self):
        tiny_llama.write(self.path("q.oinf"), dtypes=dict.fromkeys(tiny_llama.matrices(), "q8_0"))
        self.works("pack", "q.oinf", "-o", "rows.oinf")
        self.works("pack", "rows.oinf", "--layout", "panel16", "-o", "panels.oinf")
        self.assertIn("tensors in panel16", self.stderr)
        self.works("verify", "panels.oinf", "--deep")
        layouts = {t["key"]: t["layout"] for t in json.loads(self.text("inspect", "panels.oinf", "--tensors", "--json"))["tensors"]}
        self.assertEqual((layouts["Wq.0"], layouts["Wdown.1"], layouts["final_norm"]), ("panel16", "panel16", "rows"))
        self.works("pack", "panels.oinf", "-o", "kept.oinf")
        self.assertEqual(self.read("kept.oinf"), self.read("panels.oinf"))
        self.works("pack", "panels.oinf", "--layout", "rows", "-o", "back.oinf")
        self.assertEqual(self.read("back.oinf"), self.read("rows.oinf"))
        run = ["--prompt-ids", "1,2,3", "--ids", "-n", 16, "--ignore-eos", "--backend", "sim"]
        self.assertEqual(self.text("run", "panels.oinf", *run, "--logits", "p.npy"), self.text("run", "rows.oinf", *run, "--logits", "r.npy"))
        self.assertEqual(self.read("p.npy"), self.read("r.npy"))

    def test_help_shows_two_examples(self):
        for command in ("inspect", "verify", "tokenize", "detokenize", "graph", "pack", "run", "embed"):
            shown = self.text(command, "--help").split("Examples:\n")[1].strip().splitlines()
            self.assertEqual(len(shown), 2, command)

    def test_wrong_usage(self):
        for arguments in (["inspect"], ["inspect", "m.oinf", "--nope"], ["graph"],
                          ["graph", "m.oinf", "--svg", "--html"], ["graph", "m.oinf", "--text", "--dot"], ["pack", "m.oinf"]):
            self.fails(*arguments, says=[], code=2)


if __name__ == "__main__":
    unittest.main()
