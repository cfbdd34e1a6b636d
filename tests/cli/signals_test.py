# SPDX-License-Identifier: Apache-2.0
"""A signal that ends the command: it dies of the signal, the compiler that it waits for ends too, and nothing half-written stays on the disk."""

import os
import shutil
import signal
import stat
import subprocess
import time
import unittest

import tiny_llama
from harness import COMMAND, Case

SLOW = "#!/bin/sh\n: > started\nsleep 60 &\necho $! > sleeper\nwait\n"


# A library with a handler of its own, as NVRTC's compiler has: it brings back the one that it found, and calls that.
HANDLES_SIGNALS = """
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
static struct sigaction found;
static void theirs(int number) { sigaction(number, &found, 0); found.sa_handler(number); }
int nvrtcVersion(int* major, int* minor) {
  sigaction(SIGTERM, 0, &found);
  struct sigaction own = {.sa_handler = theirs};
  sigaction(SIGTERM, &own, 0);
  fclose(fopen("started", "w"));
  for (;;) pause();
}
#define NOTHING(name) int nvrtc##name(void) { return 1; }
NOTHING(GetNumSupportedArchs) NOTHING(GetSupportedArchs) NOTHING(CreateProgram) NOTHING(DestroyProgram) NOTHING(CompileProgram)
NOTHING(GetProgramLogSize) NOTHING(GetProgramLog) NOTHING(GetCUBINSize) NOTHING(GetCUBIN)
"""


class Signals(Case):
    def setUp(self):
        super().setUp()
        tiny_llama.write(self.path("m.oinf"))
        self.write("slow", SLOW)
        os.chmod(self.path("slow"), stat.S_IRWXU)
        os.mkdir(self.path("cache"))
        self.environment = os.environ | {"CXX": self.path("slow"), "XDG_CACHE_HOME": self.path("cache")}

    def ended_by(self, number, ready, *arguments, **options):
        """Starts the command, sends the signal when ready() holds, and returns what it died of."""
        process = subprocess.Popen([COMMAND, *arguments], cwd=self.folder, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, **options)
        end = time.monotonic() + 60
        while not ready() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        self.assertIsNone(process.poll(), "it ended before it could be interrupted")
        process.send_signal(number)
        try:
            return process.wait(timeout=60)
        finally:
            process.kill()
            process.stdin.close()

    def ends_soon(self, pid):
        """What ended without a parent may stay a zombie where nothing collects it."""
        for _ in range(500):
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                    if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                        return True
            except FileNotFoundError:
                return True
            time.sleep(0.01)
        return False

    def everything(self):
        return sorted(os.path.relpath(os.path.join(root, name), self.folder) for root, folders, names in os.walk(self.folder) for name in folders + names)

    def test_while_kernels_are_compiled(self):
        before = self.everything()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            code = self.ended_by(number, lambda: os.path.exists(self.path("sleeper")) and os.path.getsize(self.path("sleeper")) > 0,
                                 "run", "m.oinf", "--prompt-ids", "1,2", "--ids", "--stats", "s.json")
            self.assertEqual(code, -number)
            sleeper = int(self.read("sleeper"))  # what the compiler has started: cc1plus, as it were
            self.assertTrue(self.ends_soon(sleeper), number)
            os.unlink(self.path("sleeper"))
            os.unlink(self.path("started"))
            self.assertEqual(self.everything(), sorted([*before, "cache/openinfer"]), number)

    def test_while_the_simulator_writes(self):
        before = self.everything()
        code = self.ended_by(signal.SIGTERM, lambda: any(name.endswith(".tmp") for name in os.listdir(self.folder)),
                             "run", "m.oinf", "--prompt-ids", "1,2", "--ids", "-n", "900", "--ignore-eos", "--trace", "t.json", "--stats", "s.json")
        self.assertEqual((code, self.everything()), (-signal.SIGTERM, before))

    def test_while_a_library_handles_signals(self):
        self.write("library.c", HANDLES_SIGNALS)
        compiler = shutil.which("gcc") or shutil.which("cc")
        subprocess.run([compiler, "-shared", "-fPIC", "-o", self.path("library.so"), self.path("library.c")], check=True)
        self.environment["OPENINFER_NVRTC"] = self.path("library.so")
        code = self.ended_by(signal.SIGTERM, lambda: os.path.exists(self.path("started")), "emit", "m.oinf", "--device", "turing", "--api", "cuda", "-o", "p")
        self.assertEqual((code, os.path.exists(self.path("p"))), (-signal.SIGTERM, False))

    def test_an_ignored_signal_stays_ignored(self):
        """As nohup and a shell's background job have it."""
        process = subprocess.Popen([COMMAND, "tokenize", "m.oinf"], cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(b"he", timeout=60)
        self.assertEqual((process.returncode, out), (0, b"256\n"))


if __name__ == "__main__":
    unittest.main()
