# SPDX-License-Identifier: Apache-2.0
"""Architecture tables (scripts/architectures/*.json): loading, choosing, and hyperparameters of a checkpoint by their rules.
scripts/README.md describes the fields."""

from __future__ import annotations

import json
import math
import pathlib

from . import rope_scaling
from .errors import ConvertError, one_line
from .expression import Indivisible, evaluate
from .source import Source

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "architectures"
OWN_NAMES = "none"  # --arch none: no table
MAX_SIZE = 1 << 40  # of a hyperparameter; far beyond any model, far below overflow of products


def known() -> list:
    return sorted(p.stem for p in FOLDER.glob("*.json"))


def find(source: Source, asked: str | None) -> dict | None:
    """The table that the user asked for, or the one for what the checkpoint says it is."""
    if asked not in (None, OWN_NAMES, *known()):
        raise ConvertError(f"--arch {asked}: there is no such table; there are {', '.join(known())}, and {OWN_NAMES} keeps the checkpoint's names")
    tables = [json.loads((FOLDER / f"{name}.json").read_text("utf-8")) for name in known() if asked in (None, name)]
    fitting = [t for t in tables if t["architecture"] == asked or (asked is None and source.architecture in t[source.kind])]
    # Of several for one name, that whose condition holds.
    fitting.sort(key=lambda t: "when" not in t)
    return next((t for t in fitting if asked or all(source.get(k) for k in t.get("when", {}).get(source.kind, []))), None)


def expand(pattern: str, **indices) -> str:
    for name, value in indices.items():
        pattern = pattern.replace(f"{{{name}}}", str(value))
    return pattern


def names(table: dict, kind: str, pattern: str) -> list:
    """`*` at the start of a tensor's name stands for each of the table's prefixes."""
    return [p + pattern[1:] for p in table["prefixes"][kind]] if pattern.startswith("*") else [pattern]


def candidates(table: dict, entry: dict, kind: str) -> list:
    """What a source may call an entry: dicts of `names` (that of the tensor, those of others that go `with` it) and `transforms`."""
    out = []
    for item in entry.get(kind, []):
        item = {"name": item} if isinstance(item, str) else item
        together = [names(table, kind, n) for n in (item["name"], *item.get("with", []))]
        out += [{"names": list(each), "transforms": item.get("transforms", entry.get("transforms", {}).get(kind, []))} for each in zip(*together)]
    return out


class _Lookup:
    """A source's answers, under the prefixes that the table knows for its configuration."""

    def __init__(self, table: dict, source: Source):
        self.prefixes = table.get("config_prefixes", {}).get(source.kind, [""])
        self.source = source

    def first(self, keys: list):
        return next((v for p in self.prefixes for v in (self.source.get(p + k) for k in keys) if v is not None), None)

    def is_null(self, keys: list) -> bool:
        return any(self.source.is_null(p + k) for p in self.prefixes for k in keys)


def _functions(table: dict, source: Source) -> dict:
    """rows('KEY'): rows of that tensor as stored, None if it is not there; has('NAME'): whether the source has that tensor."""
    def rows(key: str):
        entry = next(t for t in table["tensors"] if t["key"] == key)
        found = (source.tensors.get(n) for c in candidates(table, entry, source.kind) for n in c["names"][:1])
        return next((t.shape[0] for t in found if t is not None and t.shape), None)

    return {"rows": rows, "has": lambda name: name in source.tensors}


def hyperparameters(table: dict, source: Source) -> dict:
    """key -> int, float, bool, str or list. Errors: one that is missing, of another type, or out of range, by the checkpoint's name."""
    look = _Lookup(table, source)
    _check_expected(table, source, look)
    values, functions = {}, _functions(table, source)
    for rule in table["hyperparameters"]:
        given = rule.get(source.kind, [])
        value = look.first(given)
        where = f"{source.path}: {rule['key']} ({' or '.join(given).replace('{arch}', source.architecture or '')})"
        if value is None:
            value = _default(rule, values, functions, where, source.kind, look.is_null(given))
        values[rule["key"]] = _checked(where, value, rule)
    if values.get("n_layers", 0) > len(source.tensors):
        raise ConvertError(f"{source.path}: n_layers is {values['n_layers']}, but there are only {len(source.tensors)} tensors")
    if "windows" in table:
        values["windows"] = _windows(table["windows"], source, values, look)
    return values


def internal(table: dict) -> set:
    """Keys that serve other rules only."""
    return {r["key"] for r in table["hyperparameters"] if r.get("internal")}


def _check_expected(table: dict, source: Source, look: _Lookup):
    for rule in table["expect"]:
        value = look.first([rule[source.kind]]) if source.kind in rule else None
        if value is not None and value not in rule["values"]:
            raise ConvertError(f"{source.path}: {rule[source.kind]} is {one_line(value)}, which {table['architecture']} packages do not "
                               "know; --arch none converts the tensors under their own names")


def _default(rule: dict, values: dict, functions: dict, where: str, kind: str, null: bool):
    default = rule["null"] if null and "null" in rule else rule.get("default")
    if isinstance(default, dict):
        default = default.get(kind)
    try:
        value = evaluate(default, values, functions)
    except Indivisible as e:
        raise ConvertError(f"{where.split(': ')[0]}: {rule['key']} is not given and {e}") from None
    if value is None:
        raise ConvertError(f"{where} is missing" + (": a config.json beside the weights would say it" if kind == "huggingface" else ""))
    return value


def _checked(where: str, value, rule: dict):
    kind = rule["type"]
    if kind == "choice":
        known = rule["values"]
        value = str(value) if type(value) is int else value  # GGUF numbers some
        if value in known.values():  # the default's word
            return value
        if not isinstance(value, str) or value not in known:
            raise ConvertError(f"{where} is {one_line(value)}: one of {', '.join(known)} is known")
        return known[value]
    if kind == "flag":
        if not isinstance(value, bool):
            raise ConvertError(f"{where} is {one_line(value)}: true or false is needed")
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConvertError(f"{where} is {one_line(value)}: one number is needed")
    if kind in ("real", "number"):
        if not math.isfinite(value) or value < 0 or (kind == "real" and value == 0):
            raise ConvertError(f"{where} is {value}: a positive number is needed" + (" (or 0)" if kind == "number" else ""))
        return float(value)
    least = 0 if kind == "count" else 1
    if value != value or value in (math.inf, -math.inf) or value != int(value) or not least <= value <= MAX_SIZE:
        raise ConvertError(f"{where} is {value}: a whole number from {least} to 2^40 is needed")
    return int(value)


def _windows(rule: dict, source: Source, values: dict, look: _Lookup) -> list:
    """For each layer how many of the last keys it sees, its own position among them; 0: all."""
    given = rule["size"].get(source.kind, [])
    size = look.first(given)
    if size is None:
        size = 0 if look.is_null(given) else rule.get("default", {}).get(source.kind, 0)
    enabled = look.first(rule["enabled"].get(source.kind, [])) if "enabled" in rule and source.kind in rule["enabled"] else True
    size = _checked(f"{source.path}: the size of the window", size, {"type": "count"}) if enabled is True else 0
    kinds, layers = look.first(rule.get("kinds", {}).get(source.kind, [])), range(values["n_layers"])
    if kinds is not None:
        slides = _slides(source, kinds, len(layers))
    else:
        slides = [bool(evaluate(rule["slides"], values | {"l": l})) for l in layers]
    return [size if s else 0 for s in slides]


def _slides(source: Source, kinds, count: int) -> list:
    """Which layers slide: names or flags for each layer, or every how many layers one does not."""
    if isinstance(kinds, bool):
        return [kinds] * count
    if isinstance(kinds, int) and kinds >= 0:
        return [kinds == 0 or (l + 1) % kinds != 0 for l in range(count)]
    if isinstance(kinds, str):
        kinds = [kinds] * count
    if not isinstance(kinds, list) or len(kinds) != count or not all(k in (True, False, "sliding_attention", "full_attention") for k in kinds):
        raise ConvertError(f"{source.path}: the kinds of its layers are {one_line(kinds)}: full_attention or sliding_attention for each of {count} is needed")
    return [k in (True, "sliding_attention") for k in kinds]


def scaling(table: dict, source: Source, values: dict) -> rope_scaling.Scaling:
    return rope_scaling.read(table, source, values, _Lookup(table, source).first)


def is_tied(table: dict, source: Source, tied: dict) -> bool:
    """Whether the checkpoint says that the tensor is another's."""
    value = _Lookup(table, source).first([tied[source.kind]])
    return tied.get("default", False) if value is None and tied[source.kind] != "if missing" else value is True
