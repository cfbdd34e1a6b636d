# SPDX-License-Identifier: Apache-2.0
"""The compiler flags of every CPU row give what its isa says: the compiler itself is asked for its macros.

Rows of another architecture than the compiler's are compiled where clang++ is there, which has every target, or g++'s cross
compiler for Arm.
"""

import json
import os
import platform
import shutil
import subprocess
import unittest

COMMAND, COMPILER = os.environ["OPENINFER_COMMAND"], os.environ["OPENINFER_COMPILER"]
ARM = {"asimd": "__ARM_NEON", "fp16": "__ARM_FEATURE_FP16_VECTOR_ARITHMETIC", "dotprod": "__ARM_FEATURE_DOTPROD",
       "i8mm": "__ARM_FEATURE_MATMUL_INT8", "bf16": "__ARM_FEATURE_BF16_VECTOR_ARITHMETIC"}
X86 = {"sse4.1": "__SSE4_1__", "sse4.2": "__SSE4_2__", "amx-tile": "__AMX_TILE__", "amx-int8": "__AMX_INT8__",
       "amx-bf16": "__AMX_BF16__"}


def macro(feature, arm):
    return ARM[feature] if arm else X86.get(feature, f"__{feature.upper()}__")


def macros(compiler, flags, target):
    command = [compiler, *target, *flags, "-dM", "-E", "-x", "c++", os.devnull]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        return None, " ".join(command) + "\n" + done.stderr
    found = {line.split()[1] for line in done.stdout.splitlines()}
    return found | {name.replace("__AMX", "__AMX_") for name in found}, ""  # clang++ before 15 writes __AMXINT8__


class Flags(unittest.TestCase):
    def test_flags_give_the_isa(self):
        rows = json.loads(subprocess.check_output([COMMAND, "devices", "--json"]))["devices"]
        cpus = [row for row in rows if row["class"] == "cpu"]
        self.assertGreater(len(cpus), 15)
        clang, cross, native_arm = shutil.which("clang++"), shutil.which("aarch64-linux-gnu-g++"), platform.machine() in ("aarch64", "arm64")
        tested = 0
        for row in cpus:
            arm = row["isa"][0] == "asimd"
            compilers = [(COMPILER, [])] if arm == native_arm else []
            if arm and cross:
                compilers.append((cross, []))
            if clang:
                compilers.append((clang, ["--target=" + ("aarch64-linux-gnu" if arm else "x86_64-linux-gnu")]))
            for compiler, target in compilers:
                with self.subTest(row=row["name"], compiler=compiler):
                    have, error = macros(compiler, row["compiler_flags"], target)
                    self.assertIsNotNone(have, error)
                    missing = [feature for feature in row["isa"] if macro(feature, arm) not in have]
                    self.assertEqual(missing, [])
                    tested += 1
        self.assertGreaterEqual(tested, 5)


if __name__ == "__main__":
    unittest.main()
