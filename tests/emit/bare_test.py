# SPDX-License-Identifier: Apache-2.0
"""A project needs nothing of ours: moved away with only the package beside it, it builds from CMake, a compiler and the system's
headers, and passes --check. What the compiler read and what the program loads is looked at, file by file; where namespaces
may be made, the source tree is not even there."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "cli"))
import tiny_llama  # noqa: E402
from harness import COMMAND  # noqa: E402

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
PATH = "/usr/local/bin:/usr/bin:/bin"
# What every C++ program loads, and Vulkan's loader.
SYSTEM_LIBRARIES = {"linux-vdso", "ld-linux-x86-64", "ld-linux-aarch64", "libc", "libm", "libstdc++", "libgcc_s", "libpthread", "libdl"}


def hidden_tree():
    """A command in front of others that puts an empty folder over the source tree, or why there is none."""
    hide = ["unshare", "--map-root-user", "--mount", "sh", "-c", f'mount -t tmpfs none {shlex.quote(ROOT)} && exec "$@"', "sh"]
    if not shutil.which("unshare"):
        return None, "unshare is not installed"
    done = subprocess.run([*hide, "ls", "-A", ROOT], capture_output=True, text=True, check=False, cwd="/")
    if done.returncode != 0 or done.stdout:
        return None, done.stderr.strip() or "the tree is still seen"
    return hide, ""


def header_folders(compiler):
    """Where the compiler looks for <headers>."""
    done = subprocess.run([compiler, "-xc++", "-E", "-v", "/dev/null"], capture_output=True, text=True, check=True, env={"PATH": PATH, "LC_ALL": "C"})
    listed = done.stderr.split("#include <...> search starts here:\n")[1].split("End of search list.")[0]
    return [os.path.realpath(line.strip()) for line in listed.splitlines()]


def files_read(build):
    """What is in the compiler's dependency files, and how many of them there are."""
    found, count = set(), 0
    for folder, _, names in os.walk(build):
        for name in names:
            if not name.endswith(".d"):
                continue
            count += 1
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                text = file.read().replace("\\\n", " ")
            for path in text.split(": ", 1)[1].split():
                found.add(os.path.realpath(os.path.join(build, path)))
    return found, count


class Bare(unittest.TestCase):
    DEVICE, LIBRARIES = "this-cpu", SYSTEM_LIBRARIES

    @classmethod
    def setUpClass(cls):
        """Emitted in one folder, moved to another."""
        made, home = tempfile.TemporaryDirectory(), tempfile.TemporaryDirectory()
        cls.addClassCleanup(made.cleanup)
        cls.addClassCleanup(home.cleanup)
        cls.home = os.path.realpath(home.name)
        assert not cls.home.startswith(ROOT + os.sep), "temporary folders must lie outside of the tree"
        package, project = os.path.join(made.name, "tiny.oinf"), os.path.join(made.name, "project")
        tiny_llama.write(package)
        subprocess.run([COMMAND, "emit", package, "--device", cls.DEVICE, "--check-data", "--max-context", "64", "-o", project], check=True, capture_output=True)
        shutil.move(project, os.path.join(cls.home, "p"))
        shutil.move(package, os.path.join(cls.home, "tiny.oinf"))

    def bare(self, *command, around=()):
        """Without the tests' environment, in the new folder."""
        environment = {"PATH": PATH, "HOME": self.home, "LC_ALL": "C"}
        done = subprocess.run([*around, *command], cwd=self.home, env=environment, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_builds_and_passes_its_check(self):
        hide, why = hidden_tree()
        if why:
            print(f"the source tree stays in sight: {why}", file=sys.stderr)
        around = hide or ()
        self.bare("cmake", "-B", "p/b", "-S", "p", around=around)
        self.bare("cmake", "--build", "p/b", around=around)
        self.assertRegex(self.bare("p/b/model", "tiny.oinf", "--check", around=around), r"check: \d+ nodes, \d+ values within bounds\n$")
        out = self.bare("p/b/model", "tiny.oinf", "--prompt-ids", "1,2,3", "--generate", "8", "--ignore-eos", around=around)
        self.assertEqual(out, ",".join(map(str, tiny_llama.greedy([1, 2, 3], 8))) + "\n")
        self.only_its_own_and_the_systems_files()
        self.only_the_systems_libraries()

    def only_its_own_and_the_systems_files(self):
        with open(os.path.join(self.home, "p/b/CMakeCache.txt"), encoding="utf-8") as file:
            compiler = re.search(r"^CMAKE_CXX_COMPILER:\w+=(.*)$", file.read(), re.M)[1]
        folders = header_folders(compiler)
        read, units = files_read(os.path.join(self.home, "p/b"))
        self.assertGreaterEqual(units, 3)  # kernels, host, check
        project = {path for path in read if path.startswith(self.home + os.sep)}
        for name in ("host/model.cpp", "host/reader.h", "host/main.cpp"):
            self.assertIn(os.path.join(self.home, "p", name), project)
        for path in read - project:
            folder = next((f for f in folders if path.startswith(f + os.sep)), None)
            self.assertIsNotNone(folder, f"{path} is neither the project's nor in {folders}")
            self.assertNotIn("openinfer", os.path.relpath(path, folder))
            self.assertFalse(path.startswith(ROOT + os.sep), path)

    def only_the_systems_libraries(self):
        for line in self.bare("ldd", "p/b/model").splitlines():
            name = os.path.basename(line.split()[0]).split(".so")[0]
            self.assertIn(name, self.LIBRARIES, line)


class VulkanBare(Bare):
    DEVICE, LIBRARIES = "lavapipe", SYSTEM_LIBRARIES | {"libvulkan"}


if __name__ == "__main__":
    unittest.main()
