# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments of a conversion, files and disks that end at random bytes: the package is the old one, or the new one, or none.
OPENINFER_KILLS says how many (20; README.md has the figure of 200). A failure names its seed: OPENINFER_SEED brings it back."""
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import checkpoints as c
import numpy as np

KILLS, SEED = int(os.environ.get("OPENINFER_KILLS", "20")), int(os.environ.get("OPENINFER_SEED", "1"))
MIB = 1 << 20
# Kinds of packages that one kill may leave behind: a new one, one over an old one, both in shards.
MODES = (((), False), ((), True), (("--shard-size", "1MiB"), False), (("--shard-size", "1MiB"), True))
# A disk of so many bytes, with the package that was there: the command, then all that it left.
ON_A_SMALL_DISK = """mount -t tmpfs -o size="$SIZE" none "$DISK" || exit 77
for file in "$FOLDER"/out*; do if [ -e "$file" ]; then cp "$file" "$DISK"; fi; done
"$@"; code=$?
rm -f "$FOLDER"/out*; cp -a "$DISK"/. "$FOLDER"; exit $code"""
# The script without its look at what is free, as if another program took that at once: SCRIPTS, then its own arguments.
WITHOUT_A_LOOK = """import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
from openinfer_convert import package
package.check_space = lambda *_: None
sys.argv[0] = sys.path[0] + "/convert.py"
runpy.run_path(sys.argv[0], run_name="__main__")"""


class Killed(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder, self.rng = pathlib.Path(folder.name), random.Random(SEED)
        self.out = self.folder / "out.oinf"
        self.sources = {}
        for which in ("old", "new"):
            rng = np.random.default_rng(len(which) + (which == "new"))
            self.sources[which] = self.folder / f"{which}.npz"
            np.savez(self.sources[which], **{f"t{i}": rng.standard_normal((1024, 1024)).astype("<f4") for i in range(4)})
        self.old, self.whole = {}, {}
        for options in dict.fromkeys(options for options, _ in MODES):
            self.start_from({})
            self.old[options] = self.convert("old", *options)
            self.whole["old"] = self.read()
        self.start_from({})
        self.convert("new")
        self.whole["new"] = self.read()

    def command(self, which: str, *arguments, out=None) -> list:
        return [sys.executable, "-B", str(c.SCRIPTS / "convert.py"), str(self.sources[which]), "-o", str(out or self.out), "--quantize", "q5_1", *arguments]

    def convert(self, which: str, *options) -> dict:
        """A whole conversion's files."""
        subprocess.run(self.command(which, *options), check=True, capture_output=True, timeout=120)
        return {p.name: p.read_bytes() for p in self.folder.iterdir() if p.suffix != ".npz"}

    def read(self) -> dict:
        """Every byte of the package; anything half makes the reader, which knows every checksum, fail."""
        p = c.Package(self.out)
        return {k: p.bytes(k).tobytes() for k in p.tensors}

    def start_from(self, files: dict):
        for path in self.folder.iterdir():
            if path.suffix != ".npz":
                path.unlink()
        for name, raw in files.items():
            (self.folder / name).write_bytes(raw)

    def left(self, which_may: tuple) -> tuple:
        """The package is one of those, whole, or (None) absent. Nothing else lies about but shards and hidden temporary files."""
        names = {p.name for p in self.folder.iterdir() if p.suffix not in (".npz", ".oins")}
        hidden = {n for n in names if n.startswith(".out.") and n.endswith(".tmp")}
        self.assertLessEqual(names - hidden, {"out.oinf"}, f"seed {SEED}")
        found = next((w for w, whole in self.whole.items() if self.read() == whole), "neither") if self.out.exists() else None
        self.assertIn(found, which_may, f"seed {SEED}")
        return found, len(hidden)

    def test_at_random_moments(self):
        """Until so many were killed while they ran. One that ended before its moment came counts as none, and its package is looked at all the same."""
        killed, early, found, hidden, seconds = 0, 0, {}, 0, {}
        while killed < KILLS:
            options, over_an_old_one = MODES[killed % len(MODES)]
            if options not in seconds:  # from a start to an end, on this machine and now
                start = time.monotonic()
                self.convert("new", *options)
                seconds[options] = time.monotonic() - start
            self.start_from(self.old[options] if over_an_old_one else {})
            process = subprocess.Popen(self.command("new", *options), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(self.rng.uniform(0.25, 1.05) * seconds[options])
            process.kill()
            was_killed = process.wait() == -signal.SIGKILL
            seconds[options] *= 1.02 if was_killed else 0.9  # the machine may have become faster, or slower
            which, count = self.left(("old", "new") if over_an_old_one else ("new", None))
            hidden += count
            if was_killed:
                killed += 1
                found[which] = found.get(which, 0) + 1
            else:
                early += 1
                self.assertEqual((process.returncode, which), (0, "new"), f"seed {SEED}")
                self.assertLess(early, 2 * KILLS, "no moment is within a conversion")
        print(f"{killed} conversions killed while they ran ({early} more ended before); left behind: {found}, {hidden} hidden files", file=sys.stderr)

    def test_small_disks(self):
        """Full at a random byte: a tmpfs of our own, where this machine lets us mount one. Known before the first byte of the package, or, every other
        time, by a write that fails."""
        if not shutil.which("unshare"):
            self.skipTest("unshare is not installed")
        size = 4 * MIB * 24 // 32
        for number in range(max(KILLS // 5, 2 * len(MODES))):
            options, over_an_old_one = MODES[number % len(MODES)]
            self.start_from(self.old[options] if over_an_old_one else {})
            taken = sum((len(raw) + 4095) // 4096 * 4096 for raw in self.old[options].values()) if over_an_old_one else 0
            with tempfile.TemporaryDirectory() as disk:
                command = self.command("new", *options, out=pathlib.Path(disk) / "out.oinf")
                looks = number // len(MODES) % 2 == 0
                if not looks:
                    command[2:3] = ["-c", WITHOUT_A_LOOK, str(c.SCRIPTS)]
                result = subprocess.run(["unshare", "--map-root-user", "--mount", "sh", "-c", ON_A_SMALL_DISK, "sh", *command], capture_output=True, text=True, timeout=120,
                                        env=os.environ | {"SIZE": str(taken + self.rng.randrange(4096, size - 4096)), "DISK": disk, "FOLDER": str(self.folder)})
            if result.returncode == 77 or "unshare" in result.stderr:
                self.skipTest(result.stderr.strip())
            self.assertEqual((result.returncode, result.stdout, result.stderr.count("\n")), (1, "", 1), result.stderr)
            self.assertIn("No space left on device", result.stderr)
            self.assertEqual(" free: " in result.stderr, looks, result.stderr)
            self.assertEqual(self.left(("old",) if over_an_old_one else (None,))[1], 0)

    def test_files_that_end_at_random_bytes(self):
        size = 4 * MIB * 24 // 32
        for number in range(max(KILLS // 5, 4)):
            options, over_an_old_one = MODES[number % len(MODES)]
            self.start_from(self.old[options] if over_an_old_one else {})
            limit = self.rng.randrange(1, size // 4 if options else size)
            result = subprocess.run(self.command("new", *options), capture_output=True, text=True, timeout=120, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
            self.assertEqual((result.returncode, result.stdout, result.stderr.count("\n")), (1, "", 1), result.stderr)
            self.assertIn("File too large", result.stderr)
            self.assertEqual(self.left(("old",) if over_an_old_one else (None,))[1], 0)
            self.assertEqual(bool(list(self.folder.glob("*.oins"))), bool(options) and over_an_old_one)


if __name__ == "__main__":
    unittest.main()  # a machine that lets nobody mount a disk tries files that end at random bytes all the same
