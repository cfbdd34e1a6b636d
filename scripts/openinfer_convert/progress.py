# SPDX-License-Identifier: Apache-2.0
"""The bar (stderr, terminals only), the summary for people and the JSON document for programs."""

from __future__ import annotations

import collections
import os
import sys
import time

from .package import Report


def size(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return ""


class Bar:
    def __init__(self, stream=None):
        self.stream = stream or sys.stderr
        self.shown = self.stream.isatty()
        self.start, self.last = time.monotonic(), 0.0

    def __call__(self, done: int, total: int):
        now = time.monotonic()
        if not self.shown or (now - self.last < 0.1 and done < total):
            return
        self.last = now
        share = done / total if total else 1.0
        rate = done / max(now - self.start, 1e-9)
        self.stream.write(f"\r[{'#' * int(30 * share):<30}] {100 * share:5.1f}%  {size(done)} of {size(total)}  {size(rate)}/s\x1b[K")
        self.stream.flush()

    def clear(self):
        if self.shown:
            self.stream.write("\r\x1b[K")
            self.stream.flush()


def peak_resident_bytes() -> int:
    """Of this program alone: getrusage's figure survives exec and would count the caller's memory."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))


def document(report: Report, output: str, writer, seconds: float) -> dict:
    """What --json prints, of files that are written. Keys keep their names and meaning."""
    data = [t for t in report.tensors if not t.target]
    dtypes = collections.defaultdict(lambda: {"tensors": 0, "bytes": 0})
    for tensor in data:
        dtypes[tensor.rows.dtype]["tensors"] += 1
        dtypes[tensor.rows.dtype]["bytes"] += tensor.rows.nbytes
    return {
        "output": output, "name": report.name, "architecture": report.architecture, "table": report.table,
        "tokenizer": report.has_tokenizer, "tensors": len(data), "aliases": len(report.tensors) - len(data),
        "tensor_bytes": sum(t.rows.nbytes for t in data), "dtypes": dict(sorted(dtypes.items())),
        "file_bytes": writer.sizes[0], "shards": writer.shards, "total_bytes": sum(writer.sizes),
        "quantized": {k: {"from": a, "to": b} for k, (a, b) in sorted(report.quantized.items())}, "stayed": dict(sorted(report.stayed.items())),
        "own_names": sorted(report.own_names), "ignored": sorted(report.ignored), "notes": report.notes,
        "seconds": round(seconds, 3), "peak_resident_bytes": peak_resident_bytes(),
    }


def summary(doc: dict, tokenizer: str) -> str:
    """Lines for people; `tokenizer` is the report's."""
    shards = f" + {len(doc['shards'])} shards" if doc["shards"] else ""
    aliases = f", {doc['aliases']} alias{'es' if doc['aliases'] > 1 else ''}" if doc["aliases"] else ""
    kind = f"{doc['architecture']} (table {doc['table']})" if doc["table"] else f"{doc['architecture'] or 'no architecture'}, names as in the checkpoint"
    lines = [f"{doc['name']}: {kind}, {doc['tensors']} tensors{aliases}, {tokenizer}"]
    lines += [f"  {name:8} {d['tensors']:5} tensors  {size(d['bytes']):>10}" for name, d in doc["dtypes"].items()]
    if doc["quantized"]:
        kinds = collections.Counter(f"{q['from']} -> {q['to']}" for q in doc["quantized"].values())
        lines.append("  re-encoded: " + ", ".join(f"{n} {k}" for k, n in sorted(kinds.items())))
    if doc["stayed"]:
        reasons = collections.Counter(doc["stayed"].values())
        lines.append("  kept as they were: " + ", ".join(f"{n} ({reason})" for reason, n in sorted(reasons.items())))
    for what, names in (("under their own names, the table does not know them", doc["own_names"]), ("not needed, left out", doc["ignored"])):
        if names:
            lines.append(f"  {len(names)} tensors {what}: {', '.join(names[:3])}{' …' if len(names) > 3 else ''}")
    lines += [f"  note: {note}" for note in doc["notes"]]
    lines.append(f"{doc['output']}{shards}: {size(doc['total_bytes'])} in {doc['seconds']:.1f} s, peak memory {size(doc['peak_resident_bytes'])}")
    return "\n".join(lines)
