# SPDX-License-Identifier: Apache-2.0
"""Files of a checkpoint are opened here: a pipe is refused, not waited for. What was opened is known, so that no package takes its place."""

from __future__ import annotations

import os
import stat

from .errors import ConvertError


_opened: set = set()  # (device, inode)


def was_opened(path: str) -> bool:
    """Whether open_regular() opened that file, under this name or another."""
    try:
        status = os.stat(path)
    except OSError:
        return False
    return (status.st_dev, status.st_ino) in _opened


def open_regular(path: str) -> int:
    """A descriptor."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as e:
        raise ConvertError(f"{path}: {e.strerror}") from None
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode):
        _opened.add((status.st_dev, status.st_ino))
        return fd
    os.close(fd)
    raise ConvertError(f"{path}: is not a regular file")
