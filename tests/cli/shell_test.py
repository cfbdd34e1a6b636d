# SPDX-License-Identifier: Apache-2.0
"""completion and man: everything that --help shows is in them, and shells and troff take them."""

import re
import shutil
import subprocess
import unittest

from harness import Case


def options(text):
    """Flags of a --help, as (name, whether it takes a value)."""
    return [name for line in text.splitlines() if re.match(r"  -", line) for name in re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", line.split("  ")[1])]


class Shell(Case):
    def setUp(self):
        super().setUp()
        self.commands = re.findall(r"^  ([a-z]+) ", self.text("--help").split("Subcommands:")[1], re.MULTILINE)
        self.help = {command: self.text(command, "--help") for command in self.commands}

    def test_there_is_something_to_compare(self):
        self.assertIn("eval", self.commands)
        self.assertIn("--stop", options(self.help["run"]))
        self.assertIn("-n", options(self.help["run"]))
        self.assertGreater(len(options(self.help["run"])), 25)

    def test_the_manual_has_every_flag(self):
        page = self.text("man")
        plain = page.replace("\\-", "-").replace("\\fB", "").replace("\\fR", "").replace("\\fI", "")
        sections = dict(zip(*[iter(re.split(r"^\.SS (\w+)$", plain, flags=re.MULTILINE)[1:])] * 2))
        self.assertEqual(sorted(sections), sorted(self.commands))
        for command, text in self.help.items():
            for flag in options(text):
                self.assertRegex(sections[command], rf"(?m)^(.*, )?{flag}\b", f"{command} {flag}")
            for example in re.findall(r"^  (openinfer .*)$", re.split("(?i)examples:", text)[1], re.MULTILINE):
                self.assertIn(example, sections[command])
        self.assertNotRegex(page, r"[^\x00-\x7f]")

    def test_the_manual_says_of_convert_what_the_script_says(self):
        """Its --help is Python's, which wraps lines as it likes."""
        squeeze = lambda text: re.sub(r"\s+", "", text)  # noqa: E731
        plain = self.text("man").replace("\\-", "-").replace("\\fB", "").replace("\\fR", "").replace("\\fI", "")
        rows = re.findall(r"^\.TP\n(.*)\n(.*)$", re.search(r"^\.SS convert$(.*?)^\.PP\nExamples", plain, re.MULTILINE | re.DOTALL)[1], re.MULTILINE)
        self.assertEqual([head.split(" ")[0].rstrip(",") for head, _ in rows], ["-h", "SRC", "-o", "--quantize", "--arch", "--name", "--shard-size", "--json"])
        for head, text in rows[1:]:
            self.assertIn(squeeze(text), squeeze(self.help["convert"]))
            if " " in head:
                self.assertIn(squeeze(head.split(" ")[-1]), squeeze(self.help["convert"]))

    def test_troff_takes_the_manual(self):
        page = self.works("man")
        self.write("openinfer.1", page)
        ran = 0
        for tool in (["mandoc", "-Tlint", "-Wwarning"], ["groff", "-man", "-ww", "-z", "-Tutf8"]):
            if not shutil.which(tool[0]):
                continue
            done = subprocess.run([*tool, self.path("openinfer.1")], capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), tool)
            ran += 1
        if shutil.which("man"):
            done = subprocess.run(["man", "-l", self.path("openinfer.1")], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "MANPAGER": "cat", "LANG": "C.UTF-8", "MANWIDTH": "100"}, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            if "--max-context" not in done.stdout:  # a system without manuals replaces the command by an excuse
                self.assertNotIn("SYNOPSIS", done.stdout)

    def complete(self, *words):
        """What bash offers behind those words."""
        script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _openinfer "$1" "${@: -1}" "${@: -2:1}"; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(["bash", "-c", script, "-", self.path("c.bash"), "openinfer", *words], capture_output=True, text=True, check=True)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_bash_completes_commands_flags_and_values(self):
        self.write("c.bash", self.works("completion", "bash"))
        subprocess.run(["bash", "-n", self.path("c.bash")], check=True)
        self.assertEqual([word for word in self.complete("") if not word.startswith("-")], self.commands)
        self.assertEqual(self.complete("ev"), ["eval"])
        for command, text in self.help.items():
            offered = self.complete(command, "-")
            for flag in options(text):
                self.assertIn(flag, offered, command)
        self.assertEqual(self.complete("run", "m.oinf", "--backend", ""), ["sim", "cpu", "vulkan", "cuda"])
        self.assertEqual(self.complete("run", "m.oinf", "--numerics", ""), ["strict", "bf16", "fast"])
        self.assertEqual(self.complete("completion", ""), ["bash", "zsh", "fish"])
        self.assertIn("zen4", self.complete("emit", "m.oinf", "--device", "z"))
        self.assertIn("zen4", self.complete("devices", "z"))
        self.assertEqual(self.complete("run", "m.oinf", "--logits", "-"), [])  # bash's own file names
        self.assertEqual(self.complete("run", ""), [])

    def test_zsh_and_fish_have_every_flag(self):
        zsh, fish = self.text("completion", "zsh"), self.text("completion", "fish")
        for command, text in self.help.items():
            block = re.search(rf"^    {command}\)\n(.*?);;$", zsh, re.MULTILINE | re.DOTALL)[1]
            lines = [line for line in fish.splitlines() if f"__fish_seen_subcommand_from {command}'" in line]
            for flag in options(text):
                self.assertRegex(block, rf"(?<![\w-]){flag}(?![\w-])", f"{command} {flag}")
                wanted = f" -l {flag[2:]} " if flag.startswith("--") else f" -s {flag[1:]} "
                self.assertTrue(any(wanted in line for line in lines), f"{command} {flag}")
        for shell, text in (("zsh", zsh), ("fish", fish)):
            self.write("script", text)
            if shutil.which(shell):
                subprocess.run([shell, "-n", self.path("script")], check=True)

    def test_wrong_usage(self):
        self.fails("completion", says=["completion: SHELL"], code=2)
        self.fails("completion", "tcsh", says=["completion: SHELL", "tcsh", "fish"], code=2)


if __name__ == "__main__":
    unittest.main()
