# SPDX-License-Identifier: Apache-2.0
"""Everything together: source -> opnf.Writer. What stayed as it was, and why, is kept for the summary."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass, field

import numpy as np

import opnf
from . import mapping, tables
from .errors import ConvertError, one_line
from .expression import evaluate
from .gguf_source import GgufSource
from .hf_source import HfSource, ending
from .pre_tokenizers import NAMES, WITHOUT_PATTERN
from .quantize import Choice, quantize, why_not
from .source import Source

MAX_LIST = 64  # elements of a list that comes along under source/


@dataclass
class Report:
    architecture: str = ""
    table: str = ""
    name: str = ""
    has_tokenizer: bool = False
    tokenizer: str = "without a tokenizer"  # for the summary
    tensors: list = field(default_factory=list)  # Out, as written
    quantized: dict = field(default_factory=dict)  # key -> (dtype before, dtype after)
    stayed: dict = field(default_factory=dict)  # key -> why it is not quantised though a bare --quantize asks
    own_names: list = field(default_factory=list)
    ignored: list = field(default_factory=list)
    notes: list = field(default_factory=list)


def open_source(path: str) -> Source:
    if os.path.isdir(path):
        return HfSource(path)
    if not os.path.isfile(path):
        raise ConvertError(f"{path}: " + ("is neither a file nor a folder" if os.path.lexists(path) else "no such file or folder"))
    if ending(path):
        return HfSource(path)
    if path.endswith(".index.json"):
        raise ConvertError(f"{path}: name the folder instead")
    return GgufSource(path)


def build(source: Source, writer: opnf.Writer, choice: Choice, arch: str | None, name: str | None) -> Report:
    """Fills the writer; reads no tensor. Errors: ConvertError, opnf.OpnfError."""
    table = tables.find(source, arch)
    # What the graph is chosen by: a GGUF of mixtral calls itself llama. Who asks for the checkpoint's own names gets no package
    # that says it keeps to an architecture's.
    own = table["architecture"] if table else ""
    architecture = "" if arch == tables.OWN_NAMES else own or source.architecture or ""
    report = Report(architecture=architecture, table=own, name=name or source.name)
    values, scaled = {}, None
    if table:
        values = tables.hyperparameters(table, source)
        scaled = tables.scaling(table, source, values)
        mapped = mapping.by_table(source, table, values, scaled.used)
        values = {k: v for k, v in values.items() if k not in tables.internal(table)}
        report.own_names, report.ignored = mapped.own_names, mapped.ignored
    else:
        mapped = mapping.by_own_names(source)
    if not mapped.tensors:
        raise ConvertError(f"{source.path}: holds no tensor")
    _write_metadata(source, writer, report, values, scaled.values if scaled else {})
    if table:
        _write_dims_and_states(writer, table, values)
    _write_tokenizer(source, writer, report)
    _write_tensors(writer, mapped.tensors, choice, report)
    report.notes += source.notes
    return report


def _write_metadata(source: Source, writer: opnf.Writer, report: Report, values: dict, scaling: dict):
    writer.meta("general.name", report.name)
    writer.meta("general.source", source.kind)
    if report.architecture:
        writer.meta("general.architecture", report.architecture)
    for key, value in values.items():
        writer.meta(key, value)
    for key, value in scaling.items():
        writer.meta(f"rope_scaling.{key}", value)
    for key, value in sorted(source.other_metadata().items()):
        _write_other(writer, key, value, report)


def _write_other(writer: opnf.Writer, name: str, value, report: Report):
    """Scalars and short lists of one kind; nothing depends on them, so what a package cannot hold is left out."""
    if isinstance(value, (list, np.ndarray)) and len(value) > MAX_LIST:
        return
    try:
        key = "source/" + opnf.escape_key(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 1 << 63:
            writer.meta(key, value, "u64")
        elif not isinstance(value, list) or value:
            writer.meta(key, value)
    except opnf.OpnfError:
        report.notes.append(f"metadata {one_line(name)} is left out: packages cannot hold it")


def _write_dims_and_states(writer: opnf.Writer, table: dict, values: dict):
    for key, value in values.items():
        if isinstance(value, int) and not isinstance(value, bool):
            writer.dim(key, value)
    for key, (low, high) in table["dims"].items():
        writer.dim(key, evaluate(low, values), evaluate(high, values))
    for state in table["states"]:
        sizes = {k: v[1:] if v.startswith("@") else evaluate(v, values) for k, v in state.items() if k not in ("name", "layout", "dtype")}
        writer.kv_cache(state["name"], dtype=state["dtype"], **sizes)


def _described(tokenizer: dict) -> str:
    """For the summary: what of it lib/text does not know."""
    model, pre = one_line(tokenizer["model"] or "nameless"), tokenizer.get("pre", "")
    if model not in ("bpe", "spm", "unigram", "wordpiece", "wordlevel"):
        return f"with a {model} tokenizer, which text commands refuse (bpe, spm, unigram, wordpiece and wordlevel are known)"
    if (pre or model == "bpe") and pre not in NAMES | WITHOUT_PATTERN and not (pre == "custom" and tokenizer.get("pre_json")):
        return f"with a {model} tokenizer of pre-tokenizer {one_line(pre or 'unknown')}, which text commands refuse"
    return f"with a {model} tokenizer"


def _write_tokenizer(source: Source, writer: opnf.Writer, report: Report):
    entries = source.tokenizer()
    if entries is None:
        return
    report.has_tokenizer, report.tokenizer = True, _described(entries)
    for key, value in entries.items():
        kind = {"tokens": "string", "merges": "string", "eos_ids": "i32"}.get(key)
        if key.endswith("_id") or key == "max_word_chars":
            kind = "i32"
        writer.tokenizer(key, value, kind)


def _write_tensors(writer: opnf.Writer, tensors: list, choice: Choice, report: Report):
    for out in tensors:
        wanted, by_pattern = choice.wanted(out.key, out.names)
        if wanted and not out.target:
            reason = "is small and decides much" if out.precise and not by_pattern else why_not(out.rows, wanted, by_pattern)
            if reason is None:
                report.quantized[out.key] = (out.rows.dtype, wanted)
                out.rows = quantize(out.rows, wanted, out.key)
            else:
                report.stayed[out.key] = reason
        report.tensors.append(out)
        if out.target:
            writer.alias(out.key, out.target, shape=out.shape, transposed=out.transposed)
        else:
            writer.tensor(out.key, out.rows.dtype, out.shape, out.rows.chunks, transposed=out.transposed)
    choice.check_all_matched()


def check_space(path: str, needed: int):
    """A full disk is better known before than after an hour."""
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise ConvertError(f"{folder}: no such folder to write {os.path.basename(path)} to")
    if os.path.isdir(path):
        raise ConvertError(f"{path}: is a folder; name a file")
    if not os.access(folder, os.W_OK | os.X_OK):
        read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
        raise ConvertError(f"{path}: cannot be written: {os.strerror(errno.EROFS if read_only else errno.EACCES)}")
    usage = shutil.disk_usage(folder)
    if usage.free < needed and usage.total:  # a file system without a size keeps no account
        raise ConvertError(f"{path}: needs {needed} bytes, {folder} has {usage.free} free: {os.strerror(errno.ENOSPC)}")
