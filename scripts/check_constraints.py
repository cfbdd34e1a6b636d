#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Refuses a check [Cn] that include/openinfer/ops.h documents for an operator and that no test in tests/ops names.

A test names it by its own name, TEST_CASE("matmul_c1"), or by a tag, TEST_CASE("arithmetic_c1", "[add_c1][sub_c1]").
A comment of ops.h speaks for the functions between it and the next comment; an operator's name is that of its function,
but for those in RENAMED. A test that names what no comment documents is refused as well.

usage: check_constraints.py [ROOT] [--self-test]
"""
import pathlib
import re
import sys

OPERATORS = {"+": "add", "-": "sub", "*": "mul", "/": "div"}
RENAMED = {"and_": "and", "or_": "or", "not_": "not", "xor_": "xor"}

FUNCTION = re.compile(r"^(?:requires\(.*?\) )?(?:Value|void|std::tuple<.*?>) (operator.|\w+)\((.*)$")
CHECK = re.compile(r"\[C(\d+)\]")
TEST = re.compile(r'TEST_CASE(?:_METHOD)?\(((?:[^")]|"(?:[^"\\]|\\.)*")*)\)', re.DOTALL)
NAMED = re.compile(r"\b([a-z_0-9]+_c\d+)\b")


def operator_of(function, parameters):
    """The operator that a function of ops.h makes."""
    if function.startswith("operator"):
        return "neg" if "," not in parameters else OPERATORS[function[-1]]
    if function in ("max", "min") and "Over" in parameters:
        return f"reduce_{function}"
    return RENAMED.get(function, function)


def documented(header):
    """{"add_c1": line, …} of ops.h."""
    found, checks, after_code = {}, [], True
    for number, line in enumerate(header.splitlines(), 1):
        if line.startswith("///"):
            checks = ([] if after_code else checks) + CHECK.findall(line)
            after_code = False
            continue
        after_code = True
        if line.startswith("// "):
            checks = []
        if match := FUNCTION.match(line):
            for check in checks:
                found.setdefault(f"{operator_of(*match.groups())}_c{check}", number)
    return found


def tested(text):
    return {name for arguments in TEST.findall(text) for name in NAMED.findall(arguments)}


def violations(header, tests):
    """`tests`: {path: text}."""
    wanted = documented(header)
    named = {name: path for path, text in tests.items() for name in tested(text)}
    for name, line in wanted.items():
        if name not in named:
            operator, number = name.rsplit("_c", 1)
            yield f"include/openinfer/ops.h, ops_elementwise.h: no test in tests/ops names [C{number}] of {operator}: {name}"
    for name in sorted(set(named) - set(wanted)):
        if name.rsplit("_c", 1)[0] in {known.rsplit("_c", 1)[0] for known in wanted}:
            yield f"{named[name]}: {name} names a check that ops.h does not document"


def self_test():
    header = """/// a + b, a - b.  Errors: [C1]
/// and [C2].
Value operator+(const Value& a, const In& b);
Value operator-(const Value& a, const In& b);
/// -x [C1].
Value operator-(const In& x);
struct Over {};
/// Largest [C3].
Value max(const In& x, Over over);
Pipe max(Over over);
/// No check.
Value exp(const In& x);
"""
    assert set(documented(header)) == {"add_c1", "add_c2", "sub_c1", "sub_c2", "neg_c1", "reduce_max_c3"}
    test = 'TEST_CASE("both", "[add_c1][sub_c1]") {}\nTEST_CASE_METHOD(F, "add_c2") {}\nTEST_CASE("neg_c1") { f("sub_c2"); }'
    assert [v.split(": ")[-1] for v in violations(header, {"t": test})] == ["sub_c2", "reduce_max_c3"]
    extra = test + '\nTEST_CASE("x", "[sub_c2][reduce_max_c3][add_c7][other_c1]") {}'
    assert list(violations(header, {"t": extra})) == ["t: add_c7 names a check that ops.h does not document"]


def main(arguments):
    if "--self-test" in arguments:
        return self_test()
    root = pathlib.Path(arguments[0]) if arguments else pathlib.Path(__file__).resolve().parent.parent
    tests = {str(path.relative_to(root)): path.read_text() for path in sorted(root.glob("tests/ops/*_test.cpp"))}
    headers = (root / "include/openinfer" / name for name in ("ops.h", "ops_elementwise.h"))
    found = list(violations("\n".join(header.read_text() for header in headers), tests))
    for violation in found:
        print(violation, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
