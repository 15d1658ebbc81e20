"""Rules about the files of tests/cases, read from the files. No case is run here."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from tests.cases.verdict import Room

ROOT = Path(__file__).parent.parent
CASES = ROOT / "tests" / "cases"
ROOMS = get_args(Room)
FILES = sorted(CASES.rglob("test_*.py"))
OTHER_MARKS = ("xfail", "skip", "skipif", "slow", "chaos")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.Module) -> list[Function]:
    """The tests of a file, on its top level and in its classes."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, Function) and node.name.startswith("test_")
    ]


def calls(node: ast.AST, name: str) -> list[ast.Call]:
    return [
        call
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2] == name
    ]


def faults(source: str, room: str) -> Iterator[str]:
    """What is wrong with a case of this room."""
    tree = ast.parse(source)
    tests, marks = functions(tree), calls(tree, "falls_short")
    if not ast.get_docstring(tree):
        yield "no docstring tells what is tried"
    if len(tests) != 1:
        yield f"{len(tests)} tests"
    if len(calls(tree, "require")) != 1 or not all(calls(test, "require") for test in tests):
        yield "the verdict is not one call of require, in the test"
    for mark in marks:
        if mark not in [decorator for test in tests for decorator in test.decorator_list]:
            yield "falls_short marks no test"
        values = [arg.value for arg in mark.args if isinstance(arg, ast.Constant)]
        if len(values) != 2 or not all(isinstance(value, str) and value for value in values):
            yield "falls_short needs a room and a reason, as literal words"
        elif values[0] != room:
            yield f"falls_short names the room {values[0]!r}"
    if len(marks) > 1:
        yield "more than one falls_short"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in OTHER_MARKS:
            yield f"{node.attr} hides what a case says"
        if isinstance(node, ast.Name) and node.id == "FallsShort":
            yield "FallsShort is used, which belongs to require"


def test_there_are_cases_in_the_rooms_alone() -> None:
    assert FILES
    assert {path.parent.name for path in FILES} <= set(ROOMS)
    assert {path.parent.parent for path in FILES} == {CASES}


@pytest.mark.parametrize("room", ROOMS)
def test_each_case_has_one_verdict_a_room_and_a_reason(room: str) -> None:
    wrong = {
        path.name: sentences
        for path in sorted((CASES / room).glob("test_*.py"))
        if (sentences := list(faults(path.read_text("utf-8"), room)))
    }
    assert wrong == {}


GOOD = '''
"""Something is tried."""
@falls_short("judge", "it is so; it must be otherwise")
def test_it():
    require(1 > 2, "one is less")
'''


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("", "", None),
        ('@falls_short("judge", "it is so; it must be otherwise")\n', "", None),
        ('"""Something is tried."""', "", "docstring"),
        ("def test_it", "def test_other(): ...\ndef test_it", "2 tests"),
        ("test_it", "it", "0 tests"),
        ("require(1", "print(1", "one call of require"),
        ("require(1", "require(True, '')\n    require(1", "one call of require"),
        ('"judge"', '"data"', "names the room 'data'"),
        (', "it is so; it must be otherwise"', "", "a room and a reason"),
        ('"it is so; it must be otherwise"', '""', "a room and a reason"),
        ('@falls_short("judge"', '@falls_short("judge", "x")\n@falls_short("judge"', "more than"),
        ("@falls", "@pytest.mark.skip\n@falls", "skip hides"),
        ("    require", "    with suppress(FallsShort): require", "belongs to require"),
    ],
)
def test_the_rules_see_what_they_forbid(old: str, new: str, fault: str | None) -> None:
    source = GOOD.replace(old, new, 1) if old else GOOD
    assert old in GOOD
    sentences = list(faults(source, "judge"))
    assert (fault is None) == (not sentences)
    assert fault is None or any(fault in sentence for sentence in sentences)


KINDS = """
import pytest
from tests.cases.verdict import falls_short, require
@falls_short("judge", "known")
def test_expected(): require(False, "2 of 3")
@falls_short("judge", "known")
def test_mended(): require(True, "3 of 3")
@falls_short("judge", "known")
def test_broken(): raise RuntimeError("the server does not start")
@falls_short("judge", "known")
def test_wrong(): assert False
@pytest.fixture
def workspace(): raise OSError("no disk")
@falls_short("judge", "known")
def test_unprepared(workspace): require(False, "never reached")
def test_unmarked(): require(False, "2 of 3")
"""


def test_only_the_verdict_may_fail_under_the_mark(tmp_path: Path) -> None:
    (tmp_path / "test_kinds.py").write_text(KINDS, "utf-8")
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-rA", "--tb=no", "-c", os.devnull]
    done = subprocess.run(
        [sys.executable, *words, f"--rootdir={tmp_path}", "test_kinds.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        check=False,
        text=True,
    )
    summary = [line.split(" - ")[0] for line in done.stdout.splitlines() if "::" in line]
    assert sorted(summary) == [
        "ERROR test_kinds.py::test_unprepared",
        "FAILED test_kinds.py::test_broken",
        "FAILED test_kinds.py::test_mended",
        "FAILED test_kinds.py::test_unmarked",
        "FAILED test_kinds.py::test_wrong",
        "XFAIL test_kinds.py::test_expected",
    ]


def test_cases_are_run_by_their_own_command_alone() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert '-m "not slow and not chaos and not case"' in makefile
    assert "-m case tests/cases" in makefile


@pytest.mark.train_extra
def test_the_folder_gives_each_case_its_marker() -> None:
    folder = "tests/cases/judge"
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--collect-only", "-m", "not case"]
    done = subprocess.run(
        [sys.executable, *words, folder], cwd=ROOT, capture_output=True, check=False, text=True
    )
    count = len(list((ROOT / folder).glob("test_*.py")))
    assert f"no tests collected ({count} deselected)" in done.stdout
