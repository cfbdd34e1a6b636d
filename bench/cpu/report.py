# SPDX-License-Identifier: Apache-2.0
"""What compare_cpu.py found, as a Markdown table and as a plot."""
import html
import statistics

# name in the results, heading, how it is printed
FIGURES = [
    ("decode", "decode, tokens/s", lambda v: f"{v:,.1f}"),
    ("deep", "decode at depth {depth}", lambda v: f"{v:,.1f}"),
    ("prefill", "prefill {prompt}, tokens/s", lambda v: f"{v:,.0f}"),
    ("rows", "{rows} rows, tokens/s", lambda v: f"{v:,.1f}"),
    ("disk_first_s", "first token from the disk, s", lambda v: f"{v:.3f}"),
    ("disk_process_s", "process from the disk, s", lambda v: f"{v:.2f}"),
    ("first_s", "first token, s", lambda v: f"{v:.3f}"),
    ("process_s", "process, s", lambda v: f"{v:.2f}"),
    ("peak_bytes", "peak MiB", lambda v: f"{v / 2**20:,.0f}"),
]
LESS_IS_BETTER = {"first_s", "process_s", "disk_first_s", "disk_process_s", "peak_bytes"}


def median(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


def ratio(rounds, figure, ours, other):
    """Median over rounds of ours : other, from runs next to each other; above 1 is better."""
    pairs = [((r.get(ours) or {}).get(figure), (r.get(other) or {}).get(figure)) for r in rounds]
    pairs = [(a, b) if figure not in LESS_IS_BETTER else (b, a) for a, b in pairs if a and b]
    return median([a / b for a, b in pairs])


def summary(rounds, engines):
    """By figure: medians of each engine and the ceiling, ratios of the first engine to all others."""
    ours = engines[0]
    found = {}
    for figure, _, _ in FIGURES:
        found[figure] = {name: median([r[name].get(figure) for r in rounds if name in r]) for name in (*engines, "ceiling")}
        found[figure]["shares"] = {name: ratio(rounds, figure, name, "ceiling") for name in engines}
        found[figure]["ratios"] = {other: ratio(rounds, figure, ours, other) for other in (*engines[1:], "ceiling")}
    # Seconds that a token at depth takes more, over what its cache takes to be read.
    found["cache_times"] = median([r[ours]["deep_s"] / r["ceiling"]["cache_s"] for r in rounds])
    found["rows_times"] = median([r[ours]["rows_times"] for r in rounds])
    return found


def cell(show, found, figure, peers):
    ours, ceiling = found[figure][found["ours"]], found[figure]["ratios"]["ceiling"]
    if ours is None:
        return "–"
    text = f"{show(ours)} ({ceiling:.0%})" if ceiling else show(ours)
    for peer in peers:
        if found[figure]["ratios"].get(peer):
            text += f" · {found[figure]['ratios'][peer]:.2f}×"
    return text


def markdown(report):
    plan = report["plan"]
    lines = [report["machine"], ""]
    peaks = report["peaks"]
    lines.append(f"Ceilings, {report['threads']} threads: f32 {peaks['f32']:,.0f} Gflop/s, bf16 {peaks['bf16']:,.0f}, int8 {peaks['int8']:,.0f} Gop/s"
                 + (f" (quants of four bits {peaks['int4']:,.0f})" if peaks["int4"] > 1.1 * peaks["int8"] else "")
                 + (f" (tiles: bf16 {peaks['bf16_tiles']:,.0f}, int8 {peaks['int8_tiles']:,.0f})" if peaks["int8_tiles"] else "")
                 + f", barrier {peaks['barrier_ns']:,.0f} ns; read " + ", ".join(f"{t} thread{'s' if t > 1 else ''} {gb:.1f} GB/s" for t, gb in report["read"]) + ".")
    lines += ["", "Each cell: ours (share of its ceiling)" + "".join(f" · ours : {t}" for t in report["peers"].values()) + "; above 1 is better everywhere. Shares are of the ceilings of their round, not of the greatest above.", ""]
    head = ["model", "numerics"] + [h.format(**plan) for _, h, _ in FIGURES] + ["cache ×", f"{plan['rows']} rows : 1"]
    lines += ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in report["results"]:
        found = {**row["found"], "ours": "ours"}
        cells = [row["model"], row["numerics"]] + [cell(show, found, f, report["peers"]) for f, _, show in FIGURES]
        cells += [f"{found['cache_times']:.2f}", f"{found['rows_times']:.1f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


# --- the plot: shares of the ceiling, a panel for each of two figures ---

COLOURS = {"ours": "#2b6cb0", "llama": "#b7791f", "ik_llama": "#718096"}


def bars(report):
    """Label, and for decode and prefill the share of the ceiling of each engine."""
    names = ["ours", *report["peers"]]
    for row in report["results"]:
        shares = {}
        for figure in ("decode", "prefill"):
            at = row["found"][figure]["shares"]
            shares[figure] = {n: at[n] for n in names if at.get(n)}
        yield f"{row['model']} {row['numerics']}", shares


def svg(report):
    rows = list(bars(report))
    names = ["ours", *report["peers"]]
    titles = {"ours": "OpenInfer", **report["peers"]}
    left, panel, gap, bar = 190, 330, 40, 11
    group = bar * len(names) + 12
    height, width = 74 + group * len(rows) + 20, left + 2 * panel + gap + 30
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
           f'<rect width="{width}" height="{height}" fill="white"/>']
    for i, name in enumerate(names):
        x = left + i * 230
        out.append(f'<rect x="{x}" y="10" width="12" height="12" fill="{COLOURS[name]}"/>')
        out.append(f'<text x="{x + 17}" y="21">{html.escape(titles[name][:36])}</text>')
    for p, (figure, title) in enumerate((("decode", "decode: share of what read bandwidth allows"), ("prefill", "prefill: share of the arithmetic peak"))):
        x0 = left + p * (panel + gap)
        out.append(f'<text x="{x0}" y="44" font-weight="bold">{title}</text>')
        for share in (0, 0.25, 0.5, 0.75, 1):
            x = x0 + panel * share
            line = 'stroke="#c53030"' if share == 1 else 'stroke="#e2e8f0"'
            out.append(f'<line x1="{x:.1f}" y1="62" x2="{x:.1f}" y2="{height - 16}" {line}/>')
            out.append(f'<text x="{x:.1f}" y="58" text-anchor="middle" fill="#4a5568" font-size="10">{share:.0%}</text>')
        for r, (label, shares) in enumerate(rows):
            y = 72 + r * group
            if p == 0:
                out.append(f'<text x="{left - 8}" y="{y + group / 2}" text-anchor="end">{html.escape(label)}</text>')
            for i, name in enumerate(n for n in names if n in shares[figure]):
                share = shares[figure][name]
                out.append(f'<rect x="{x0}" y="{y + i * bar}" width="{panel * min(share, 1.05):.1f}" height="{bar - 2}" fill="{COLOURS[name]}"/>')
                out.append(f'<text x="{x0 + panel * min(share, 1.05) + 3:.1f}" y="{y + i * bar + bar - 3}" font-size="9">{share:.0%}</text>')
    return "\n".join(out) + "\n</svg>\n"
