"""The rule that no test asserts speed: where a source measures how long something took.

A busy machine makes every duration longer, so a test that compares one fails for no fault of the
product. What is forbidden is a duration: two clock readings subtracted, or a clock reading that is
compared. What stays is a deadline, which only ends a wait that has failed: a clock reading compared
in the condition of a `while`, against a limit that was added up before.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_OF_TIME = ("clock_gettime", "monotonic", "perf_counter", "process_time", "thread_time", "time")
CLOCKS = {
    *(f"time.{name}{unit}" for name in _OF_TIME for unit in ("", "_ns")),
    *("timeit.default_timer", "resource.getrusage", "os.times"),
}
MODULES = {clock.partition(".")[0] for clock in CLOCKS}
STOPWATCHES = {"timeit"}
"""Modules that do nothing but measure durations."""


@dataclass(frozen=True, slots=True)
class Duration:
    """A place where a source measures or compares a time, with the text that does."""

    line: int
    text: str


def find_durations(tree: ast.Module) -> list[Duration]:
    """Every place where a module measures a duration or compares a clock reading."""
    return [Duration(node.lineno, ast.unparse(node)) for node in _durations(tree)]


def _durations(tree: ast.Module) -> Iterator[ast.expr | ast.stmt]:
    names = _clock_names(tree)
    if not names:  # most sources know no clock
        yield from _stopwatches(tree)
        return
    readings = _reading_names(tree, names)
    waits = {
        id(node)
        for loop in ast.walk(tree)
        if isinstance(loop, ast.While)
        for node in ast.walk(loop.test)
        if isinstance(node, ast.Compare)
    }
    yield from _stopwatches(tree)
    for node in ast.walk(tree):
        match node:
            case ast.BinOp(op=ast.Sub()):
                if _reads(node.left, names, readings) or _reads(node.right, names, readings):
                    yield node
            case ast.Compare():
                if id(node) not in waits and any(
                    _reads(part, names, readings) for part in (node.left, *node.comparators)
                ):
                    yield node


def _stopwatches(tree: ast.Module) -> Iterator[ast.stmt]:
    """The imports of modules that do nothing but measure."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=modules):
                if STOPWATCHES & {alias.name for alias in modules}:
                    yield node
            case ast.ImportFrom(module=module):
                if module in STOPWATCHES:
                    yield node


def _clock_names(tree: ast.Module) -> dict[str, str]:
    """What local names stand for: a clock, or a module that has some."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in MODULES:
                    names[alias.asname or alias.name] = alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if f"{node.module}.{alias.name}" in CLOCKS:
                    names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree) if names else ():
        if isinstance(node, ast.Assign) and _clock(node.value, names):
            names |= {ast.unparse(target): _full(node.value, names) for target in node.targets}
    return names


def _reading_names(tree: ast.Module, names: dict[str, str]) -> set[str]:
    """The names that hold a clock reading, or a list of them; a limit that was added up is none."""
    readings: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Assign(value=value, targets=targets):
                bound = targets
            case ast.AnnAssign(value=ast.expr() as value, target=target):
                bound = [target]
            case ast.NamedExpr(value=value, target=target):
                bound = [target]
            case _:
                continue
        if _is_reading(value, names):
            readings |= {ast.unparse(target) for target in bound}
    return readings


def _is_reading(node: ast.expr, names: dict[str, str]) -> bool:
    """A call of a clock, alone or as an element: `clock()`, `[clock() for ...]`, `(clock(), x)`."""
    match node:
        case ast.Call(func=function):
            return _clock(function, names)
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return any(_is_reading(part, names) for part in parts)
        case ast.ListComp(elt=part) | ast.GeneratorExp(elt=part) | ast.Starred(value=part):
            return _is_reading(part, names)
        case ast.Attribute(value=inner) | ast.Subscript(value=inner):
            return _is_reading(inner, names)  # `getrusage(...).ru_utime`, `times()[0]`
    return False


def _reads(node: ast.expr, names: dict[str, str], readings: set[str]) -> bool:
    """Is a clock read in an operand, or a name with a reading used?"""
    return any(
        ast.unparse(part) in readings or _is_reading(part, names)
        for part in ast.walk(node)
        if isinstance(part, ast.expr)
    )


def _clock(node: ast.expr, names: dict[str, str]) -> bool:
    return _full(node, names) in CLOCKS


def _full(node: ast.expr, names: dict[str, str]) -> str:
    """A dotted name with its first part resolved by the imports."""
    head, _, rest = ast.unparse(node).partition(".")
    return f"{names.get(head, head if not rest else '')}{'.' if rest else ''}{rest}"
