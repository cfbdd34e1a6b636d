# SPDX-License-Identifier: Apache-2.0
"""The one exception for bad input: its text is the line that the user reads."""


class ConvertError(Exception):
    """What is wrong, where, and the remedy where there is one."""


def one_line(text) -> str:
    """Text from a stranger's file, safe to print: no control characters, at most 300 characters."""
    shown = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in str(text)[:301])
    return shown if len(str(text)) <= 300 else shown[:299] + "…"
