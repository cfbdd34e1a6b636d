# SPDX-License-Identifier: Apache-2.0
"""A package that somebody cuts while a program computes on its mapping: a long step over one large weight."""

import os
import subprocess
import time

import numpy as np
import tiny_llama  # noqa: F401  (its import of opnf finds scripts/)
import opnf

SIDE, TURNS = 2048, 4000  # 16 MiB of f32, read again in every turn: minutes of work


def graph(turns):
    return f"""oig 1
weight @W : f32[{SIDE}, {SIDE}]
graph (x: f32[1, {SIDE}]) -> (y: f32[1, {SIDE}]) {{
  for l in 0..{turns} carry h = x {{
    n = matmul(h, @W)
    next n
  }}
  return h
}}
"""


GRAPH = graph(TURNS)


def write_package(path):
    w = opnf.Writer(path)
    w.tensor("W", "f32", (SIDE, SIDE), np.zeros((SIDE, SIDE), "<f4"))
    w.write()


def write_input(path):
    np.save(path, np.ones((1, SIDE), "<f4"))


def resident_bytes(pid, package):
    """Of the package's mapping, in this process' memory; 0 before it is mapped and once the process has ended."""
    try:
        with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    total, inside = 0, False
    for line in lines:
        if not line.split(maxsplit=1)[0].endswith(":"):  # the head of a mapping: addresses, rights, …, path
            inside = line.endswith(os.path.realpath(package))
        elif inside and line.startswith("Rss:"):
            total += int(line.split()[1]) * 1024
    return total


def cut_while_running(command, package, folder):
    """Starts the command, cuts the package once most of its weight is in memory, and gives exit code, stdout and stderr."""
    process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    end = time.monotonic() + 120
    while resident_bytes(process.pid, package) < SIDE * SIDE * 3 and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    os.truncate(package, 4096)
    try:
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    return process.returncode, out, err.decode()
