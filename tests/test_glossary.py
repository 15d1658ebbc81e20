"""The words of the project are those of docs/glossary.md, and each public name means one thing."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GLOSSARY = ROOT / "docs" / "glossary.md"
CODE = ("src", "tests", "bench", "examples")
SOURCES = sorted(path for room in CODE for path in (ROOT / room).rglob("*.py"))
PAGES = sorted(
    path
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "src").rglob("*.md"),
        *(ROOT / "src").rglob("*.yaml"),
        *(ROOT / "bench").rglob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
    )
    if path != GLOSSARY
)
"""The notes and the changelog tell of times when the words were others."""


@dataclass(frozen=True, slots=True)
class Retired:
    """One row of the table of retired words."""

    pattern: str
    scopes: frozenset[str]
    exceptions: frozenset[str]

    def covers(self, name: str) -> bool:
        """True for a file in whose folder the row applies."""
        return not any(name.startswith(row) for row in self.exceptions if "/" in row)

    def names(self, identifier: str) -> bool:
        """True when the row forbids this identifier."""
        if identifier in self.exceptions:
            return False
        if "part" in self.scopes:
            return any(re.fullmatch(self.pattern, word) for word in words(identifier))
        return "name" in self.scopes and bool(re.fullmatch(self.pattern, identifier.strip("_")))

    def phrases(self, text: str) -> list[str]:
        """The forbidden phrases in a text."""
        if "prose" not in self.scopes:
            return []
        matches = re.finditer(bounded(self.pattern), text, re.I)
        return [match[0] for match in matches if match[0] not in self.exceptions]


@cache
def any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Matches what one of them matches: one look instead of one for each row of the table."""
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


def bounded(pattern: str) -> str:
    """The pattern where it is no part of a longer word, path or option."""
    return rf"(?<![\w/.-])(?:{pattern})(?![\w-])"


@cache
def words(identifier: str) -> list[str]:
    """`PictureRows` and `picture_rows` both consist of `picture` and `rows`."""
    split = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", identifier)
    split = re.sub(r"([A-Z])([A-Z][a-z])", r"\1_\2", split)
    return [word.lower() for word in split.split("_") if word]


def section(title: str) -> str:
    match = re.search(
        rf"^## {title}$(.*?)(?=^## |\Z)", GLOSSARY.read_text(encoding="utf-8"), re.M | re.S
    )
    assert match, title
    return match[1]


def table(title: str) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines[2:]]
    return [[cell.strip().replace("\\|", "|") for cell in row] for row in cells]


def coded(cell: str) -> list[str]:
    """What stands between backquotes in a cell."""
    return re.findall(r"`([^`]+)`", cell)


def retired() -> list[Retired]:
    return [
        Retired(
            coded(pattern)[0],
            frozenset(re.split(r",\s*", scopes)),
            frozenset(coded(exceptions)),
        )
        for pattern, scopes, _, exceptions in table("Retired words")
    ]


def defined(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every name that a module defines, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield node.lineno, node.asname
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.lineno, node.name


def spoken(content: str) -> Iterator[tuple[int, str]]:
    """The comments and the strings of a module, with the lines where they begin."""
    for token in tokenize.generate_tokens(io.StringIO(content).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING):
            yield token.start[0], token.string


def misnamed(content: str, rows: Iterable[Retired]) -> list[tuple[int, str]]:
    """The lines of a module that define a retired name."""
    rows = list(rows)
    names = list(defined(ast.parse(content)))
    whole = any_of(tuple(row.pattern for row in rows))
    suspects = {
        name
        for name in {name for _, name in names}
        if any(whole.fullmatch(part) for part in (name.strip("_"), *words(name)))
    }
    forbidden = {name for name in suspects if any(row.names(name) for row in rows)}
    return [(line, name) for line, name in names if name in forbidden]


def misspoken(texts: Iterable[tuple[int, str]], rows: Iterable[Retired]) -> list[tuple[int, str]]:
    """The lines of texts that hold a retired phrase."""
    rows = list(rows)
    inside = re.compile(bounded(any_of(tuple(row.pattern for row in rows)).pattern), re.I)
    return [
        (line, phrase)
        for line, text in texts
        if inside.search(text)
        for row in rows
        for phrase in row.phrases(text)
    ]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_glossary_has_its_tables() -> None:
    assert {"workspace", "snapshot", "gate, check, verdict"} <= {row[0] for row in table("Terms")}
    assert len(retired()) > 15
    for row in retired():
        assert row.scopes <= {"name", "part", "prose"}, row
        re.compile(row.pattern)


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("workshop = 1", "workshop"),
        ("def f(keep_anchor): ...", "keep_anchor"),
        ("class PictureRows: ...", "PictureRows"),
        ("def said(): ...", "said"),
        ("for told in (): ...", "told"),
        ("import a as story", "story"),
    ],
)
def test_a_retired_name_is_noticed(source: str, fault: str) -> None:
    assert [name for _, name in misnamed(source, retired())] == [fault]


@pytest.mark.parametrize("source", ["kept_alive = 1", "said_by = 2", "x.found", "foundation = 1"])
def test_other_names_are_not(source: str) -> None:
    assert misnamed(source, retired()) == []


def test_a_retired_phrase_is_noticed() -> None:
    rows = retired()
    assert misspoken(spoken('"""Reads the anchor."""\nx = 1  # a workshop\n'), rows) == [
        (1, "anchor"),
        (2, "workshop"),
    ]
    assert misspoken([(1, "The treadmill and the windmill-like thing.")], rows) == []


def covering(rows: Iterable[Retired], path: Path) -> list[Retired]:
    """The rows that apply to a file."""
    return [row for row in rows if row.covers(name_of(path))]


def test_no_name_is_retired() -> None:
    rows = retired()
    faults = [
        f"{name_of(path)}:{line}: {name}"
        for path in SOURCES
        for line, name in misnamed(path.read_text(encoding="utf-8"), covering(rows, path))
    ]
    modules = [
        name_of(path) for path in SOURCES for row in covering(rows, path) if row.names(path.stem)
    ]
    assert faults + modules == []


def test_no_phrase_is_retired() -> None:
    rows = retired()
    own = Path(__file__).resolve()
    faults = [
        f"{name_of(path)}:{line}: {phrase}"
        for path in SOURCES
        if path.resolve() != own
        for line, phrase in misspoken(
            spoken(path.read_text(encoding="utf-8")), covering(rows, path)
        )
    ]
    for path in PAGES:
        lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        pages = misspoken(lines, covering(rows, path))
        faults += [f"{name_of(path)}:{line}: {phrase}" for line, phrase in pages]
    assert faults == []


def public(tree: ast.Module) -> Iterator[str]:
    """The classes, functions and type aliases that a module offers to others."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            # A constant in capitals belongs to its module.
            names = [t.id for t in node.targets if isinstance(t, ast.Name) and not t.id.isupper()]
        else:
            continue
        yield from (name for name in names if not name.startswith("_"))


def test_every_public_name_has_one_meaning() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "src").rglob("*.py")):
        # The functions of a command are named as people type them.
        if not {"cli", "migrations"} & set(path.relative_to(ROOT).parts):
            for name in public(ast.parse(path.read_text(encoding="utf-8"))):
                places[name].append(name_of(path))
    shared = {name for row in table("Shared names") for name in coded(row[0])}
    faults = {name: where for name, where in places.items() if len(where) > 1}
    assert {name: where for name, where in faults.items() if name not in shared} == {}
    assert shared <= set(faults), "these are defined once only"
