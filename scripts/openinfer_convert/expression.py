# SPDX-License-Identifier: Apache-2.0
"""Sizes and defaults of the architecture tables: arithmetic over hyperparameters, as Python writes it."""

from __future__ import annotations

import ast
import operator

BINARY = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Mod: operator.mod, ast.Pow: operator.pow}
COMPARE = {ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge}
FUNCTIONS = {"int": int, "min": min, "max": max}


class Indivisible(Exception):
    """a / b of whole numbers that leaves a rest."""


def evaluate(text, values: dict, functions: dict | None = None):
    """text: a number, or an expression. Errors: Indivisible; KeyError for a name that is no hyperparameter."""
    return text if not isinstance(text, str) else _value(ast.parse(text, mode="eval").body, values, FUNCTIONS | (functions or {}))


def _value(node, values: dict, functions: dict):
    def of(inner):
        return _value(inner, values, functions)

    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return _divided(node, of(node.left), of(node.right))
    if isinstance(node, ast.BinOp):
        return BINARY[type(node.op)](of(node.left), of(node.right))
    if isinstance(node, ast.UnaryOp):
        return -of(node.operand) if isinstance(node.op, ast.USub) else not of(node.operand)
    if isinstance(node, ast.BoolOp):
        return (all if isinstance(node.op, ast.And) else any)(of(v) for v in node.values)
    if isinstance(node, ast.Compare):
        return COMPARE[type(node.ops[0])](of(node.left), of(node.comparators[0]))
    if isinstance(node, ast.IfExp):
        return of(node.body) if of(node.test) else of(node.orelse)
    return functions[node.func.id](*map(of, node.args))


def _divided(node, over, under):
    if not isinstance(over, int) or not isinstance(under, int):
        return over / under
    if under == 0 or over % under:
        raise Indivisible(f"{ast.unparse(node.left)} = {over} is no multiple of {ast.unparse(node.right)} = {under}")
    return over // under
