#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Refuses a folder of sources or data without a README.md, an empty one, and one of more than 60 lines.

A folder that only holds folders needs none; below a folder of COVERED its README speaks for all. Tables that a test
writes and compares, between GENERATED and its end, do not count up to MOST_GENERATED lines: nobody has to keep them
true, and lib/ops has one.

usage: check_readmes.py [ROOT] [--self-test]
"""
import os
import pathlib
import sys
import tempfile

TOPS = [".ci", "bench", "cmake", "codegen", "examples", "formats", "include", "lib", "scripts", "tests"]
COVERED = ["tests/fuzz/corpus", "tests/catch2_v3", "tests/models/families"]  # all files of a corpus are inputs; a header must lie where it is included from
MOST_LINES = 60
GENERATED, GENERATED_END = "<!-- generated:", "<!-- /generated -->"
MOST_GENERATED = 40


def folders(root):
    """Relative path and names of the files of every folder that has some."""
    for top in TOPS:
        for place, inner, files in os.walk(root / top):
            inner[:] = sorted(name for name in inner if name != "__pycache__")
            if files:
                yield pathlib.Path(place).relative_to(root).as_posix(), files


def lines_of(text):
    """Lines that people wrote, and lines of generated tables."""
    written = generated = 0
    inside = False
    for line in text.splitlines():
        inside = inside or line.startswith(GENERATED)
        written, generated = written + (not inside), generated + inside
        inside = inside and line != GENERATED_END
    return written, generated


def violations(root):
    for folder, files in folders(root):
        if "README.md" in files:
            lines, generated = lines_of((root / folder / "README.md").read_text("utf-8"))
            if not 1 < lines <= MOST_LINES:
                yield f"{folder}/README.md: {lines} lines, 2 to {MOST_LINES} are wanted"
            if generated > MOST_GENERATED:
                yield f"{folder}/README.md: {generated} generated lines, at most {MOST_GENERATED} are wanted"
        elif not any(folder.startswith(above + "/") for above in COVERED):
            yield f"{folder}: no README.md that says what comes in and what goes out"
    for above in COVERED:
        if (root / above).is_dir() and not (root / above / "README.md").is_file():
            yield f"{above}: no README.md that speaks for its folders"


def self_test():
    """Plants each kind of violation, and folders that are right, in a tree of its own."""
    table = [GENERATED + " by x -->\n" + "row\n" * rows + GENERATED_END + "\n" for rows in (38, 39)]
    planted = {"lib/bare/file.cpp": "", "lib/long/README.md": "line\n" * 61, "codegen/empty/README.md": "", "tests/fuzz/corpus/x/input": "",
               "lib/table/README.md": "line\n" * 2 + table[1], "lib/around/README.md": "line\n" + table[0] + "line\n" * 60}
    right = {".ci/README.md": "two\nlines\n", "lib/only_folders/good/README.md": "line\n" * 60, "lib/generated/README.md": "line\n" * 60 + table[0], "tests/catch2_v3/README.md": "two\nlines\n",
             "tests/catch2_v3/catch2/catch.hpp": "", "build/bare/file.cpp": "", "scripts/__pycache__/x.pyc": ""}
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in (planted | right).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, "utf-8")
        found = list(violations(root))
    expected = ["lib/bare", "lib/long/README.md", "lib/table/README.md", "lib/around/README.md", "codegen/empty/README.md", "tests/fuzz/corpus"]
    assert sorted(line.split(":")[0] for line in found) == sorted(expected), found


def main(arguments):
    if "--self-test" in arguments:
        return self_test()
    root = pathlib.Path(arguments[0]) if arguments else pathlib.Path(__file__).resolve().parent.parent
    found = list(violations(root))
    for violation in found:
        print(violation, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
