# SPDX-License-Identifier: Apache-2.0
"""Source tensors + table -> the package's tensors: keys, logical shapes, orientation, row streams. Without a table every
tensor keeps its own name (escaped) and stored shape."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import opnf_format as opnf
from . import rows as transforms
from .errors import ConvertError, one_line
from .rows import Rows
from .source import Source
from .tables import evaluate, expand


@dataclass
class Out:
    """One tensor of the package; an alias if `target` is set (rows are then the target's)."""
    key: str
    rows: Rows
    transposed: bool = False
    target: str | None = None
    names: list = field(default_factory=list)  # in the checkpoint

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


def by_table(source: Source, table: dict, values: dict, scaling: dict) -> Mapping:
    """Errors: a tensor that the table requires is missing, or has another shape."""
    out, used = Mapping(), set()
    found: dict = {}
    for entry in table["tensors"]:
        layers = range(values["n_layers"]) if "{l}" in entry["key"] else [None]
        for layer in layers:
            made = _entry(source, table, entry, values, layer, found)
            if made is not None:
                out.tensors.append(made)
                found[made.key] = made
                used.update(made.names)
    if scaling.get("type") == "llama3":
        used.add(table["rope_scaling"]["factors_tensor"])
    ignored = [re.compile(re.escape(p).replace(r"\{l\}", r"\d+") + r"\Z") for p in table["ignored"][source.kind]]
    for name, rows in source.tensors.items():
        if name in used:
            continue
        if any(p.match(name) for p in ignored) or (name in _tied_names(source, table) and _is_tied(source, table)):
            out.ignored.append(name)
            continue
        out.own_names.append(name)
        out.tensors.append(_own(name, rows))
    return out


def _tied_names(source: Source, table: dict) -> set:
    return {n for e in table["tensors"] if "tied" in e for n in e[source.kind]}


def _is_tied(source: Source, table: dict) -> bool:
    return any(source.get(e["tied"][source.kind]) is True for e in table["tensors"] if "tied" in e)


def _entry(source: Source, table: dict, entry: dict, values: dict, layer, found: dict) -> Out | None:
    key = expand(entry["key"], l=layer)
    patterns = [expand(p, l=layer) for p in entry[source.kind]]
    tied = entry.get("tied")
    names = _present(source, entry, patterns, values)
    if tied and (source.get(tied[source.kind]) is True or (not names and tied[source.kind] == "if missing")):
        target = found[tied["to"]]
        made = Out(key, target.rows, entry.get("transposed", False), target=target.key)
        names = []
    elif names:
        rows = _apply(source, entry, [source.tensors[n] for n in names], values, names[0])
        made = Out(key, rows, entry.get("transposed", False) and len(rows.shape) >= 2, names=names)
    elif entry.get("optional"):
        return None
    else:
        raise ConvertError(f"{source.path}: has no tensor {' or '.join(patterns)}, which a {table['architecture']} needs; --arch none converts "
                           "what there is under its own names")
    wanted = tuple(evaluate(d, values) for d in entry["shape"])
    if made.shape != wanted:
        raise ConvertError(f"{source.path}: tensor {' '.join(names) or made.target} is {made.shape} as {key}, the hyperparameters say {wanted} "
                           f"({', '.join(map(str, entry['shape']))})")
    return made


def _present(source: Source, entry: dict, patterns: list, values: dict) -> list:
    """The source's names for an entry: one, or for `stack` one for each {e}."""
    stacked = next((t["stack"] for t in entry.get("transforms", {}).get(source.kind, []) if "stack" in t), None)
    for pattern in patterns:
        count = 1 if stacked is None else min(evaluate(stacked, values), len(source.tensors) + 1)
        names = [expand(pattern, e=e) for e in range(count)]
        if all(n in source.tensors for n in names):
            return names
    return []


def _apply(source: Source, entry: dict, parts: list, values: dict, name: str) -> Rows:
    rows = parts[0]
    for transform in entry.get("transforms", {}).get(source.kind, []):
        (kind, argument), = transform.items()
        try:
            if kind == "unpermute_rope":
                rows = transforms.unpermute_rope(rows, evaluate(argument["heads"], values), evaluate(argument["dim"], values))
            elif kind == "split":
                rows = transforms.split(rows, [evaluate(p, values) for p in argument["parts"]], argument["take"])
            elif kind == "stack":
                rows = transforms.stack(parts)
            elif kind == "add_one":
                rows = transforms.add_one(rows)
            else:
                raise ConvertError(f"the table names the unknown transform {kind}")
        except ConvertError as e:
            raise ConvertError(f"{source.path}: tensor {one_line(name)}: {kind}: {e}") from None
    return rows
