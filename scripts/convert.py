#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Converts a checkpoint into a package: scripts/convert.py SRC -o M.oinf. See scripts/README.md."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import re
import signal
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXAMPLES = """examples:
  scripts/convert.py build/models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf -o build/smollm2.oinf
  scripts/convert.py my-llama/ -o build/my-llama.oinf --quantize q8_0 --quantize 'lm_head|embed=f16'"""
UNITS = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


def parse_size(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]iB|B|)", text)
    if not match or not (value := int(float(match[1]) * UNITS[match[2]])):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size like 64MiB or 1.5GiB")
    return value


class Once(argparse.Action):
    """A flag of which a second value would silently take the place of the first."""

    def __call__(self, parser, namespace, value, flag=None):
        if getattr(namespace, self.dest) is not None:
            parser.error(f"{flag} may be given once")
        setattr(namespace, self.dest, value)


class OneLineParser(argparse.ArgumentParser):
    """Wrong usage is one line and exit code 2, as in the other commands."""

    def error(self, message: str):
        fail(f"convert: {message}")
        raise SystemExit(2)

    def print_help(self, file=None):
        print_out(self.format_help())


def parse_arguments(arguments: list) -> argparse.Namespace:
    parser = OneLineParser(prog="convert.py", description="Converts a checkpoint into a package (.oinf).", epilog=EXAMPLES,
                           formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("source", metavar="SRC", help="a GGUF file (any part of a split one), a Hugging Face folder (config.json with safetensors or PyTorch weights), or a .safetensors, .npz, .pt, .pth or .bin file")
    parser.add_argument("-o", "--output", metavar="M.oinf", required=True, action=Once, help="the package; an old one is replaced when the new one is whole")
    parser.add_argument("--quantize", metavar="[PATTERN=]TYPE", action="append", default=[],
                        help="f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 for every tensor of two or more dimensions, or for those whose key or name in the "
                             "checkpoint the regular expression finds (TYPE may then be keep); repeatable, the last pattern that matches counts")
    parser.add_argument("--arch", metavar="A", action=Once, help="the table to use (scripts/architectures/A.json); none: keep the checkpoint's own names")
    parser.add_argument("--name", metavar="N", action=Once, help="general.name of the package; default: the checkpoint's")
    parser.add_argument("--shard-size", metavar="S", type=parse_size, action=Once, help="put tensors into files of at most that size (64MiB, 1.5GiB) beside M.oinf")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of the summary")
    options = parser.parse_args(arguments)
    for name, given in (("SRC", options.source), ("-o", options.output), ("--quantize", min(options.quantize, default=None)), ("--arch", options.arch), ("--name", options.name)):
        if given == "":  # a script's variable that is not set
            parser.error(f"{name} needs a value, and the one given is empty")
    if options.output == "-":
        parser.error("-o -: a package cannot go to standard output; a file of that name is ./-")
    for name, given in (("--arch", options.arch), ("--name", options.name)):
        if given and any("\ud800" <= letter <= "\udfff" for letter in given):  # how Python holds bytes that are none
            parser.error(f"{name} is not UTF-8: {ascii(given)}")
    return options


class Interruptible:
    """Ctrl-C and SIGTERM while the package is written: raised between two chunks, where the writer can undo what it
    has made, and nowhere else. A package whose last chunk is written is finished."""

    def __init__(self, bar):
        self.bar, self.asked = bar, False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def _ask(self, number, frame):
        self.asked = True

    def __call__(self, done: int, total: int):
        if self.asked:
            raise KeyboardInterrupt
        self.bar(done, total)


def convert(options: argparse.Namespace):
    import opnf
    from openinfer_convert import package, progress, regular_file
    from openinfer_convert.errors import ConvertError
    from openinfer_convert.quantize import Choice

    choice = Choice.parse(options.quantize)
    start = time.monotonic()
    try:
        if os.path.exists(options.output) and os.path.exists(options.source) and os.path.samefile(options.output, options.source):
            raise ConvertError(f"{options.output}: is the source itself; name another file")
        behind_link = os.path.realpath(options.output) if os.path.exists(options.output) else options.output
        writer = opnf.Writer(behind_link, shard_size=options.shard_size)
        report = package.build(package.open_source(options.source), writer, choice, options.arch, options.name)
        if regular_file.was_opened(options.output):  # shards have names of their own
            raise ConvertError(f"{options.output}: is a file of the source; name another one")
        package.check_space(options.output, writer.data_bytes())
        bar = progress.Bar()
        doc = {}

        def whole():  # what cannot be told of is not put in place
            bar.clear()
            doc.update(progress.document(report, options.output, writer, time.monotonic() - start))
            if options.json:
                print_out(json.dumps(doc, ensure_ascii=False) + "\n")

        try:
            writer.write(progress=Interruptible(bar), whole=whole)
        finally:
            bar.clear()
    except (ConvertError, opnf.OpnfError) as e:
        raise SystemExit(fail(str(e))) from None
    if not options.json:
        say(progress.summary(doc, report.tokenizer))


def fail(message: str) -> int:
    """One line, whatever the length of what it quotes."""
    line = " ".join(message.split())
    say("openinfer: error: " + (line if len(line) <= 2000 else f"{line[:1500]} … {line[-500:]}"))
    return 1


def say(text: str):
    """To standard error. Where it is closed or full nobody is left to be told, and the work goes on."""
    shown = "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)  # names come from files
    try:
        print(shown, file=sys.stderr, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # Python flushes once more at its end


def open_standard_files():
    """What the caller left closed, so that no file of ours becomes standard output; writing to it fails, or is lost."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # the lowest free descriptor
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")


def print_out(text: str):
    """Standard output, whose failure is not the package's."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as e:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes once more at its end
        raise SystemExit(fail(f"standard output cannot be written: {e.strerror}")) from None


def use_project_python(missing: ImportError) -> int:
    """Goes on under build/venv, which scripts/setup.sh makes with the libraries that this needs."""
    python = ROOT / "build" / "venv" / "bin" / "python"
    if python.exists() and pathlib.Path(sys.prefix).resolve() != (ROOT / "build" / "venv").resolve():
        os.execv(python, [str(python), *sys.argv])
    needed = "conversion needs numpy, gguf, safetensors and xxhash"
    if (ROOT / "scripts" / "setup.sh").exists():
        return fail(f"{missing}: {needed}; run scripts/setup.sh, which puts them into build/venv")
    return fail(f"{missing}: {needed}; put them into a virtual environment whose bin is first in PATH: "
                f"python3 -m venv DIR && DIR/bin/pip install -r {ROOT / 'scripts' / 'requirements.txt'}")


def main() -> int:
    open_standard_files()
    options = parse_arguments(sys.argv[1:])
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        convert(options)
    except ImportError as e:
        return use_project_python(e)
    except KeyboardInterrupt:
        return fail("interrupted; nothing was written")
    except OSError as e:
        ours = e.filename is None or str(e.filename).endswith(".tmp")
        return fail(f"{options.output if ours else e.filename}: {e.strerror or e}")
    except MemoryError:
        return fail(f"{options.source}: not enough memory")
    except Exception as e:  # whatever a stranger's file provokes: one line, and nothing is left behind
        if type(e).__name__ == "UsageError":
            fail(str(e))
            return 2
        if "OPENINFER_TRACE" in os.environ:
            raise
        return fail(f"{options.source}: internal error: {type(e).__name__}: {e} (OPENINFER_TRACE=1 shows where)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
