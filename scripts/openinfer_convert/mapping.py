# SPDX-License-Identifier: Apache-2.0
"""Source tensors + table -> the package's tensors: keys, logical shapes, orientation, row streams. Without a table every
tensor keeps its own name (escaped) and stored shape."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import opnf_format as opnf
from . import fused, strided
from . import rows as transforms
from .errors import ConvertError, one_line
from .expression import evaluate
from .rows import Rows
from .source import Source
from .tables import candidates, expand, is_tied, names


@dataclass
class Out:
    """One tensor of the package; an alias if `target` is set (rows are then the target's)."""
    key: str
    rows: Rows
    transposed: bool = False
    target: str | None = None
    names: list = field(default_factory=list)  # in the checkpoint
    precise: bool = False  # its table says: only a --quantize that names it may change it

    @property
    def shape(self) -> tuple:
        return opnf.stored_shape(self.rows.shape, self.transposed)  # the swap is its own inverse


@dataclass
class Mapping:
    tensors: list = field(default_factory=list)
    own_names: list = field(default_factory=list)  # of a known architecture, but not in its table
    ignored: list = field(default_factory=list)


def by_own_names(source: Source) -> Mapping:
    """Tensors that are the same bytes in the same form are stored once."""
    out, first = Mapping(), {}
    for name, rows in source.tensors.items():
        made = _own(name, rows)
        place = (id(rows.file), rows.offset, rows.dtype, rows.shape, getattr(rows, "strides", None))
        target = first.setdefault(place, made)
        made.target = target.key if target is not made and rows.nbytes else None
        out.tensors.append(made)
    return out


def _own(name: str, rows: Rows) -> Out:
    try:
        return Out(opnf.escape_key(name), rows, names=[name])
    except opnf.OpnfError:
        raise ConvertError(f"tensor {one_line(name)!r}: the escaped name is empty or longer than 255 characters") from None


def by_table(source: Source, table: dict, values: dict, used_elsewhere: set) -> Mapping:
    """Errors: a tensor that the table requires is missing, or has another shape."""
    out, used = Mapping(), set(used_elsewhere)
    found: dict = {}
    for entry in table["tensors"]:
        layers = range(values[entry.get("layers", "n_layers")]) if "{l}" in entry["key"] else [None]
        for layer in layers:
            made = _entry(source, table, entry, values, layer, found)
            if made is not None:
                out.tensors.append(made)
                found[made.key] = made
                used.update(made.names)
    ignored = [re.compile(re.escape(p).replace(r"\{l\}", r"\d+").replace(r"\*", ".*") + r"\Z", re.S) for n in table["ignored"][source.kind] for p in names(table, source.kind, n)]
    tied = _tied_names(source, table)
    for name, rows in source.tensors.items():
        if name in used:
            continue
        if any(p.match(name) for p in ignored) or name in tied:
            out.ignored.append(name)
            continue
        out.own_names.append(name)
        out.tensors.append(_own(name, rows))
    return out


def _tied_names(source: Source, table: dict) -> set:
    """What the checkpoint stores although it says that it is another tensor."""
    entries = [e for e in table["tensors"] if "tied" in e and is_tied(table, source, e["tied"])]
    return {n for e in entries for c in candidates(table, e, source.kind) for n in c["names"]}


def _entry(source: Source, table: dict, entry: dict, values: dict, layer, found: dict) -> Out | None:
    key, tied = expand(entry["key"], l=layer), entry.get("tied")
    possible = [c | {"names": [expand(n, l=layer) for n in c["names"]]} for c in candidates(table, entry, source.kind)]
    chosen, found_names = _present(source, possible, values)
    if tied and (is_tied(table, source, tied) or (not found_names and tied[source.kind] == "if missing")):
        target = found[tied["to"]]
        made = Out(key, target.rows, entry.get("transposed", False), target=target.key)
        found_names = []
    elif found_names:
        rows = _apply(source, chosen["transforms"], [source.tensors[n] for n in found_names], values, found_names[0])
        made = Out(key, rows, entry.get("transposed", False) and len(rows.shape) >= 2, names=found_names, precise=entry.get("precise", False))
    elif entry.get("optional"):
        return None
    else:
        wanted = " or ".join(dict.fromkeys(c["names"][0] for c in possible))
        raise ConvertError(f"{source.path}: has no tensor {wanted}, which a {table['architecture']} needs; --arch none converts "
                           "what there is under its own names")
    wanted = tuple(evaluate(d, values) for d in entry["shape"])
    if made.shape != wanted:
        raise ConvertError(f"{source.path}: tensor {' '.join(found_names[:3]) or made.target} is {made.shape} as {key}, the hyperparameters say {wanted} "
                           f"({', '.join(map(str, entry['shape']))})")
    return made


def _present(source: Source, possible: list, values: dict) -> tuple:
    """The first candidate that is there, and its names: with `stack` one for each {e}."""
    for candidate in possible:
        names = candidate["names"]
        stacked = next((t["stack"] for t in candidate["transforms"] if "stack" in t), None)
        if stacked is not None:
            count = min(evaluate(stacked, values), len(source.tensors) + 1)
            names = [expand(n, e=e) for n in names for e in range(count)]
        if all(n in source.tensors for n in names):
            return candidate, names
    return None, []


def _apply(source: Source, steps: list, parts: list, values: dict, name: str) -> Rows:
    rows = parts[0]
    for transform in steps:
        (kind, argument), = transform.items()
        try:
            rows = _transform(kind, argument, rows, parts, values)
        except ConvertError as e:
            raise ConvertError(f"{source.path}: tensor {one_line(name)}: {kind}: {e}") from None
    return rows


def _transform(kind: str, argument, rows: Rows, parts: list, values: dict) -> Rows:
    if kind == "unpermute_rope":
        return transforms.unpermute_rope(rows, evaluate(argument["heads"], values), evaluate(argument["dim"], values))
    if kind == "split":
        return transforms.split(rows, [evaluate(p, values) for p in argument["parts"]], argument["take"])
    if kind == "every":
        return fused.every(rows, argument["step"], argument["from"], argument.get("columns", False))
    if kind == "transpose":
        return strided.transpose(rows)
    if kind == "stack":
        return transforms.stack(parts)
    if kind == "mxfp4":
        return fused.mxfp4(parts)
    if kind == "add_one":
        return transforms.add_one(rows)
    raise ConvertError(f"the table names the unknown transform {kind}")
