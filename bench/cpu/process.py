# SPDX-License-Identifier: Apache-2.0
"""Running programs for compare_cpu.py: where they work, what they took, one line where they fail."""
import contextlib
import ctypes
import mmap
import os
import pathlib
import shutil
import subprocess
import sys
import time

DISK_RUNS = 3  # of which the median counts: disks vary
DEPTH_TURNS = 3  # of deep tokens and first ones, whose times are subtracted: memory drifts
ROOT = pathlib.Path(__file__).resolve().parents[2]


class Problem(Exception):
    """What the user can mend, in one line."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def need_program(name, why):
    found = shutil.which(name)
    if not found:
        raise Problem(f"there is no {name}, {why}: scripts/setup.sh installs it")
    return found


def need_space(folder, gib, what):
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(f"{folder} cannot be made: {error.strerror}; give another --work") from None
    free = shutil.disk_usage(folder).free / 2**30
    if free < gib:
        raise Problem(f"{folder} has {free:.1f} GiB free, {what} needs {gib:.1f} GiB: delete something or give --work")


def last_line(text):
    lines = [line for line in text.strip().splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["it said nothing"])[-1].strip()[:300]


def run(command, what, **more):
    """Standard output; `what` is named where it fails."""
    result = subprocess.run([str(c) for c in command], capture_output=True, text=True, **more)
    if result.returncode != 0:
        raise Problem(f"{what} failed (exit {result.returncode}): {last_line(result.stderr + result.stdout)}")
    return result.stdout


def drop_pages(path):
    """The page cache forgets this file, so that it is read from the disk. It keeps what another process has mapped."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        kept, pages = pages_in_memory(file)
    if kept > pages // 100:
        raise Problem(f"{path}: {kept} of {pages} pages stay in memory, so that nothing would be read from the disk: end what has it mapped, "
                      "or give --work on a disk")


def pages_in_memory(file):
    """How many of a file's pages the page cache has, and how many there are."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
        pages = -(-len(mapped) // mmap.PAGESIZE)
        there = (ctypes.c_ubyte * pages)()
        first = ctypes.c_char.from_buffer(mapped)
        failed = ctypes.CDLL(None, use_errno=True).mincore(ctypes.c_void_p(ctypes.addressof(first)), ctypes.c_size_t(len(mapped)), there)
        del first
    if failed:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), file.name)
    return pages - bytes(there).count(0), pages


class Machine:
    """How timed programs run: on which processors, and how nicely."""

    def __init__(self, threads, nice):
        self.threads = threads
        self.cpus = sorted(os.sched_getaffinity(0))[:threads]
        if len(self.cpus) < threads:
            raise Problem(f"--threads {threads}: this machine has {len(self.cpus)} processors")

        if nice:
            os.setpriority(os.PRIO_PROCESS, 0, nice)  # whatever is started has it too

    @contextlib.contextmanager
    def _placed(self):
        """What is started inside runs on those processors. Not by a preexec_fn: subprocess then forks
        all of this one's pages, 2 ms of what is timed."""
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, self.cpus)
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)

    def timed(self, command, what):
        """Standard output, seconds from start to end, and the most memory that was resident."""
        # Output goes to files: a pipe that nobody reads would stop the program while wait4 waits for it.
        import tempfile

        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err, self._placed():
            start = time.perf_counter()
            process = subprocess.Popen([str(c) for c in command], stdout=out, stderr=err)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)  # it is waited for
            out.seek(0), err.seek(0)
            text, errors = out.read(), err.read()
        if process.returncode != 0:
            raise Problem(f"{what} failed (exit {process.returncode}): {last_line(errors + text)}")
        return text, seconds, usage.ru_maxrss * 1024

    def until_output(self, command, what):
        """Seconds from start to the first byte of standard output."""
        with self._placed():
            start = time.perf_counter()
            with subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
                first = process.stdout.read(1)
                seconds = time.perf_counter() - start
                process.stdout.read()
        if not first or process.returncode != 0:
            raise Problem(f"{what} failed (exit {process.returncode})")
        return seconds
