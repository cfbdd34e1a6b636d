# SPDX-License-Identifier: Apache-2.0
"""What the converter asks of any checkpoint."""

from __future__ import annotations


class Source:
    """tensors: name -> FileRows, shapes as stored (out, in). architecture: the checkpoint's own word for it, or None."""
    kind = ""
    architecture: str | None = None
    name = ""
    tensors: dict

    def __init__(self, path: str):
        self.path = path
        self.notes: list = []  # what the user should know: lines of the summary

    def get(self, key: str):
        """A hyperparameter: bool, int, float, str, list, or None if the checkpoint is silent."""
        raise NotImplementedError

    def is_null(self, key: str) -> bool:
        """Whether the checkpoint says that there is no such thing, rather than nothing."""
        return False

    def other_metadata(self) -> dict:
        """Everything else it says, flat: name -> scalar, list or array."""
        raise NotImplementedError

    def tokenizer(self) -> dict | None:
        """Entries of the package's TOKENIZER section (formats/opnf/spec.md), or None."""
        raise NotImplementedError
