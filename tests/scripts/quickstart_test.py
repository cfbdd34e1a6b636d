# SPDX-License-Identifier: Apache-2.0
"""scripts/quickstart.sh and setup.sh say what they do before each long step, and how long it took: run in a copy, where
what would install, build and answer only says that it ran."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

SCRIPTS = pathlib.Path(__file__).resolve().parent.parent.parent / "scripts"
RAN = '#!/bin/sh\necho "RAN $(basename "$0") $*" >&2\n'
STUBS = {
    "bin/dpkg-query": "#!/bin/sh\nprintf installed\n",
    "bin/python3": RAN + 'case $2 in venv) mkdir -p "$4/bin"; cp "$0" "$4/bin/python" ;; pip) exit $PIP_EXITS ;; esac\n',
    "bin/cmake": RAN,
    "scripts/demo_model.sh": RAN + "mkdir -p build/models/smollm2; touch build/models/smollm2/m.gguf build/models/smollm2.oinf\n",
    "build/release/bin/example_03_llama": RAN + "echo It falls.\n",
    "build/release/bin/openinfer": RAN + 'case $1 in emit) mkdir -p "${8}/b"; cp "$0" "${8}/b/model" ;; *) echo 1,2 ;; esac\n',
}
# In this order; SAID is a line of ours before a step, RAN the step, TOOK the line behind it.
STEPS = """SAID == looking for what has to be installed
SAID setup: making build/venv, a Python environment
RAN python3 -m venv --clear build/venv
TOOK setup: making build/venv, a Python environment
SAID setup: installing some==1 other==2 into build/venv
RAN python -m pip install
TOOK setup: installing some==1 other==2 into build/venv
SAID == building
SAID configuring build/release
RAN cmake --preset release
TOOK configuring build/release
SAID compiling the library, the command and the examples
RAN cmake --build --preset release
TOOK compiling the library, the command and the examples
SAID == fetching the model and converting it
RAN demo_model.sh
SAID == asking: Why\\?
RAN example_03_llama
SAID == emitting the model as C\\+\\+ for this CPU
SAID emitting build/models/smollm2_cpu
RAN openinfer emit
TOOK emitting build/models/smollm2_cpu
SAID configuring build/models/smollm2_cpu/b
RAN cmake -S build/models/smollm2_cpu
TOOK configuring build/models/smollm2_cpu/b
SAID compiling build/models/smollm2_cpu/b
RAN cmake --build build/models/smollm2_cpu/b
TOOK compiling build/models/smollm2_cpu/b
SAID == emitting the model as shaders for lavapipe
SAID emitting build/models/smollm2_vulkan
RAN openinfer emit
TOOK compiling build/models/smollm2_vulkan/b
SAID == comparing what the three answer
SAID 24 tokens in the simulator
RAN openinfer run
TOOK 24 tokens in the simulator
SAID 24 tokens in emitted C\\+\\+
RAN model
SAID 24 tokens in emitted shaders
RAN model
TOOK 24 tokens in emitted shaders"""
FORMS = {"SAID": r"^{}( \(.+\))?( \.\.\.)?$", "RAN": r"^RAN {}( |$)", "TOOK": r"^{}: \d+\.\d s$"}


class Quickstart(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        (self.root / "scripts").mkdir()
        for name in ("quickstart.sh", "setup.sh", "steps.sh"):
            shutil.copy(SCRIPTS / name, self.root / "scripts" / name)
        setup = self.root / "scripts/setup.sh"
        setup.write_text(setup.read_text("utf-8").replace("/usr/bin/python3", f"{self.root}/bin/python3"), "utf-8")
        (self.root / "scripts/requirements.txt").write_text("# Two.\nsome==1\nother==2\n", "utf-8")
        for name, text in STUBS.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text, "utf-8")
            (self.root / name).chmod(0o755)

    def run_script(self, name, *arguments, **environment):
        path = f"{self.root}/bin:{os.environ['PATH']}"
        return subprocess.run([self.root / "scripts" / name, *arguments], capture_output=True, text=True, timeout=300, cwd="/",
                              env=os.environ | {"PATH": path, "PIP_EXITS": "0"} | environment)

    def test_each_long_step_is_announced_and_timed(self):
        done = self.run_script("quickstart.sh", "Why?")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines, at = done.stderr.splitlines(), 0
        for step in STEPS.splitlines():
            kind, text = step.split(" ", 1)
            form = re.compile(FORMS[kind].format(text))
            start = at
            at = next((i + 1 for i in range(start, len(lines)) if form.search(lines[i])), None)
            self.assertIsNotNone(at, f"{step}: not there, or not in its place\n{done.stderr}")
        self.assertRegex(done.stdout, r"Answer:   It falls\.\n +\(96 tokens at most: it may end within a sentence\)\n")
        self.assertRegex(done.stdout, r"\n  three token streams +\d+\.\d s\n")
        again = self.run_script("setup.sh")
        self.assertEqual((again.returncode, again.stderr), (0, "setup: everything is there\n"))

    def test_a_step_that_fails_ends_it(self):
        done = self.run_script("setup.sh", PIP_EXITS="1")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertTrue(done.stderr.endswith("setup: error: pip could not install scripts/requirements.txt into build/venv\n"), done.stderr)
        self.assertFalse((self.root / "build/venv/requirements.txt").exists())
        (self.root / "bin/cmake").write_text("#!/bin/sh\nexit 3\n", "utf-8")
        done = self.run_script("quickstart.sh")
        self.assertEqual((done.returncode, done.stdout), (3, ""), done.stderr)
        self.assertTrue(done.stderr.endswith("configuring build/release ...\n"), done.stderr)

    def test_what_is_no_question_is_refused(self):
        for arguments, named in ((["--bad"], "unknown option --bad"), (["-q", "Why?"], "unknown option -q"), (["Why", "is"], "is is one argument too many")):
            done = self.run_script("quickstart.sh", *arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
            self.assertTrue(done.stderr.startswith(f"quickstart.sh: {named}"), done.stderr)
            self.assertIn("quickstart.sh [QUESTION]", done.stderr)
        self.assertIn("quickstart.sh [QUESTION]", self.run_script("quickstart.sh", "--help").stdout)

    def test_an_environment_that_lost_its_packages_is_made_again(self):
        self.assertEqual(self.run_script("setup.sh").returncode, 0)
        self.assertEqual(self.run_script("setup.sh", "--check").returncode, 0)
        python = self.root / "build/venv/bin/python"
        python.write_text('#!/bin/sh\n[ "$1" != -c ] || [ -z "$2" ] || [ "$2" != "import some,other" ]\n', "utf-8")
        done = self.run_script("setup.sh", "--check")
        self.assertEqual((done.returncode, done.stdout), (1, "build/venv\n"))
        self.assertIn("RAN python3 -m venv", self.run_script("setup.sh").stderr)


if __name__ == "__main__":
    unittest.main()
