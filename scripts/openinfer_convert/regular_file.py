# SPDX-License-Identifier: Apache-2.0
"""Files of a checkpoint are opened here: a pipe is refused, not waited for."""

from __future__ import annotations

import os
import stat

from .errors import ConvertError


def open_regular(path: str) -> int:
    """A descriptor."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as e:
        raise ConvertError(f"{path}: {e.strerror}") from None
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise ConvertError(f"{path}: is not a regular file")
