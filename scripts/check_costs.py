#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts what one more operator, device and language cost, on the last ones added, and refuses a codegen/README.md that says
something else. --update writes what was counted.

usage: check_costs.py [ROOT] [--update] [--self-test]
"""
import pathlib
import re
import statistics
import sys

README = "codegen/README.md"
START = "<!-- generated: by scripts/check_costs.py --update -->\n"
END = "<!-- /generated -->\n"


def lines(root, *paths):
    """Lines of files; a pattern may stand for several. None of them may be missing."""
    total = 0
    for path in paths:
        found = sorted(root.glob(path))
        if not found:
            raise SystemExit(f"check_costs.py: {path} is gone: count something else")
        total += sum(len(file.read_text("utf-8").splitlines()) for file in found)
    return total


def body(root, path, start):
    """Lines of the function that begins with `start`, to its closing brace."""
    text = (root / path).read_text("utf-8")
    found = re.search(re.escape(start) + r".*?^}$", text, re.M | re.S)
    if not found:
        raise SystemExit(f"check_costs.py: {path} has no '{start}'")
    return found.group(0).count("\n") + 1


def mentions(root, path, pattern):
    count = len(re.findall(pattern, (root / path).read_text("utf-8"), re.M))
    if count == 0:
        raise SystemExit(f"check_costs.py: {path} has no '{pattern}'")
    return count


def operator(root):
    meaning = lines(root, "lib/ops/softmax.cpp")
    template = lines(root, "codegen/kernels/softmax.*")
    lowering = body(root, "codegen/plan/lower_rows.cpp", "void lower_softmax(")
    bound = body(root, "codegen/check/op_bounds.cpp", "Bounded softmax(")
    rows = (mentions(root, "lib/ops/list.def", r"^OPENINFER_OP\(softmax\)$") + mentions(root, "codegen/plan/lower_table.cpp", r'\{"softmax"') +
            mentions(root, "codegen/plan/lower_functions.h", r"^void lower_softmax") + mentions(root, "codegen/check/op_bounds.cpp", r'\{"softmax"') +
            mentions(root, "lib/passes/fused_group.cpp", r"&softmax_op\(\)"))
    return (f"* an operator: softmax is `lib/ops/softmax.cpp` ({meaning} lines, its meaning) with its declaration in `ops.h`, the template\n"
            f"  `kernels/softmax.*` ({template}), a lowering of {lowering} lines in `plan/lower_rows.cpp`, a bound of {bound} in `check/op_bounds.cpp`, {rows} lines in\n"
            "  tables, and a test. An elementwise one is its file in `lib/ops`, its declaration and a line of `list.def`;\n")


def device_sizes(text):
    """Lines of each [device …] with what it says for an api or a driver."""
    sizes, now = {}, None
    for line in text.splitlines():
        if line.startswith(("[device ", "[base ")):
            now = line[8:].split()[0].rstrip("]") if line.startswith("[device ") else None
        if now and line.strip() and not line.startswith(("#", ")rows")):
            sizes[now] = sizes.get(now, 0) + 1
    return sizes


def device(root):
    sizes = {}
    for file in sorted((root / "codegen/devices/rows").glob("*.def")):
        sizes.update(device_sizes(file.read_text("utf-8")))
    least, most = min(sizes, key=lambda d: (sizes[d], d)), max(sizes, key=lambda d: (sizes[d], d))
    return (f"* a device: {sizes[least]} ({least}) to {sizes[most]} lines ({most}) of one file of `devices/rows`, of {len(sizes)} devices half with at most "
            f"{int(statistics.median(sizes.values()))};\n  all numbers with their source;\n")


def language(root):
    emit, host = "codegen/emit/", "codegen/emit/prelude/host/"
    renderer, shared = lines(root, emit + "cuda.*"), lines(root, emit + "renderer.*", emit + "lane_renderer.*")
    prelude, checker = lines(root, emit + "prelude/cuda.cu"), lines(root, "codegen/compile/nvrtc.*", "codegen/compile/cubin.*")
    vulkan, cpu = lines(root, emit + "host_vulkan.*", emit + "host_steps_vulkan.cpp"), lines(root, emit + "host_cpp.*", emit + "host_steps_cpu.cpp")
    held_vulkan, held_cpu = lines(root, host + "vulkan_*"), lines(root, host + "cpu_*", host + "thread_pool.h")
    return (f"* a language: CUDA is a renderer (`emit/cuda.*`, {renderer} lines over the {shared} that languages share), a prelude ({prelude}), a checker\n"
            f"  (`compile/nvrtc.*`, `compile/cubin.*`, {checker}), a line of the golden tests. A host is the larger half: Vulkan's is {vulkan} lines that print\n"
            f"  (`emit/host_vulkan.*`, `host_steps_vulkan.cpp`) and {held_vulkan} that every project holds (`emit/prelude/host/vulkan_*`); a CPU's {cpu} and {held_cpu}.\n")


def replaced(readme, counted):
    start, end = readme.find(START), readme.find(END)
    if start < 0 or end < start:
        raise SystemExit(f"check_costs.py: {README} has no '{START.strip()}' … '{END.strip()}'")
    return readme[:start + len(START)] + counted + readme[end:]


def self_test():
    text = "# x\n[base b : cpu]\n  a 1\n[device d : b]\n  a 2\n\n[when api cuda]\n  a 3\n[device e : b]\n  a 4\n)rows\"\n"
    assert device_sizes(text) == {"d": 4, "e": 2}, device_sizes(text)
    readme = f"before\n{START}old\n{END}after\n"
    assert replaced(readme, "new\n") == f"before\n{START}new\n{END}after\n"
    try:
        replaced("nothing", "new\n")
    except SystemExit:
        return
    raise AssertionError("a README without the marks was taken")


def main():
    if "--self-test" in sys.argv:
        return self_test()
    roots = [a for a in sys.argv[1:] if not a.startswith("--")]
    root = pathlib.Path(roots[0] if roots else pathlib.Path(__file__).parent.parent)
    readme = (root / README).read_text("utf-8")
    now = replaced(readme, operator(root) + device(root) + language(root))
    if now == readme:
        return None
    if "--update" in sys.argv:
        (root / README).write_text(now, "utf-8")
        return None
    for old, new in zip(readme.splitlines(), now.splitlines()):
        if old != new:
            print(f"{README}: '{old}'\n  counted: '{new}'")
    return "check_costs.py: run it with --update"


if __name__ == "__main__":
    sys.exit(main())
