#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Refuses an #include that goes against the layers: a folder may use those left of it, never those right of it.

usage: check_layers.py [ROOT] [--self-test]
"""
import pathlib
import re
import sys
import tempfile

# What each folder may include besides itself and include/openinfer. Sources of a folder are checked against the row of
# its longest prefix here.
LAYERS = {
    "formats/opnf": [],
    "lib/base": ["formats/opnf"],
    "lib/package": ["formats/opnf", "lib/base"],
    "lib/graph": ["lib/base", "lib/package"],
    "lib/ops": ["lib/base", "lib/package", "lib/graph"],
    "lib/passes": ["lib/base", "lib/package", "lib/graph", "lib/ops"],
    "lib/sim": ["lib/base", "lib/package", "lib/graph", "lib/ops", "lib/passes", "formats/opnf"],
    "lib/text": ["lib/base", "lib/package", "lib/graph", "lib/ops", "lib/passes"],
}
LIBRARY = list(LAYERS)
CODEGEN = ["devices", "kernel_ir", "kernels", "plan", "compile", "emit", "check", "run", "evaluator", "cli"]
for place, part in enumerate(CODEGEN):
    LAYERS["codegen/" + part] = LIBRARY + ["codegen/" + left for left in CODEGEN[:place]]
LAYERS["include/openinfer"] = []

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
# Emitted programs carry the reader verbatim: the standard library and POSIX, nothing else.
READER = re.compile(r"^formats/opnf/reader\.(h|cpp)$")
POSIX = re.compile(r"^(fcntl\.h|unistd\.h|errno\.h|sys/[a-z]+\.h)$")


def layer_of(path):
    """The row of LAYERS that a file or an include belongs to, or None."""
    rows = [row for row in LAYERS if path.startswith(row + "/")]
    return max(rows, key=len) if rows else None


def violations_of(path, text):
    """What is wrong with the includes of the file `path` (relative to the root)."""
    own = layer_of(path)
    for mark, target in INCLUDE.findall(text):
        if target.startswith("openinfer/"):
            target = "include/" + target
        elif mark == '"' and "/" not in target:
            target = path.rsplit("/", 1)[0] + "/" + target
        other = layer_of(target)
        if READER.match(path):
            standard = mark == "<" and (re.fullmatch(r"[a-z_0-9]+", target) or POSIX.match(target))
            if not standard and not READER.match(target):
                yield f"{path}: the reader includes {target}; it may use the standard library and POSIX only"
        elif own == "include/openinfer":
            if other not in (None, own):
                yield f"{path}: a public header includes {target}; users have only include/openinfer"
        elif own and other and other not in (own, "include/openinfer") and other not in LAYERS[own]:
            yield f"{path}: {own} includes {target}; it may use {', '.join(LAYERS[own]) or 'nothing of ours'}"


def check(root):
    found, count = [], 0
    for top in ("include", "formats", "lib", "codegen"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix not in (".h", ".cpp", ".def"):
                continue
            count += 1
            name = path.relative_to(root).as_posix()
            if layer_of(name) is None:
                found.append(f"{name}: this folder has no row in LAYERS")
            found += violations_of(name, path.read_text(encoding="utf-8"))
    return found, count


def self_test():
    """Plants each kind of violation, and includes that are right, in a tree of its own."""
    planted = {
        "lib/graph/bad.cpp": '#include "lib/sim/session.h"\n',
        "lib/base/bad.cpp": '#include "codegen/plan/plan.h"\n',
        "formats/opnf/reader.cpp": '#include <fmt/format.h>\n',
        "include/openinfer/bad.h": '#  include "lib/graph/ir.h"\n',
        "lib/unknown/file.cpp": "",
        "codegen/kernels/bad.h": '#include "codegen/emit/glsl.h"\n',
        "codegen/emit/bad.cpp": '#include "codegen/check/bounds.h"\n',
        "codegen/compile/bad.cpp": '#include "codegen/emit/glsl.h"\n',
    }
    right = {
        "lib/sim/good.cpp": '#include "lib/graph/ir.h"\n#include <openinfer/graph.h>\n#include "neighbour.h"\n',
        "formats/opnf/reader.h": '#include <cstdint>\n#include <sys/mman.h>\n',
        "codegen/emit/good.cpp": '#include "codegen/compile/spirv.h"\n',
        "codegen/check/good.cpp": '#include "codegen/emit/project.h"\n',
        "codegen/cli/good.cpp": '#include "codegen/run/run.h"\n#include "lib/text/tokenizer.h"\n',
    }
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in (planted | right).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        found, _ = check(root)
    named = {line.split(":")[0] for line in found}
    assert named == set(planted), f"planted {sorted(planted)}, found {sorted(named)}"
    assert len(found) == len(planted), found


def main(arguments):
    if "--self-test" in arguments:
        self_test()
        print("every planted violation is found")
        return 0
    root = pathlib.Path(arguments[0]) if arguments else pathlib.Path(__file__).resolve().parent.parent
    found, count = check(root)
    if count == 0:
        print(f"{root}: no sources here", file=sys.stderr)
        return 1
    for line in found:
        print(line, file=sys.stderr)
    print(f"{count} files, {len(found)} includes against the layers")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
