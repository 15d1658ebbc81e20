from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tidemill.adapters.memory import MemorySource
from tidemill.data.merged_source import MergedSource
from tidemill.data.notes import notes_of
from tidemill.domain.errors import DataError, UsageError
from tidemill.domain.types import Example

Make = Callable[..., Example]


class Named(MemorySource):
    """A memory source with a name, and something to tell."""

    def __init__(self, name: str, rows: Sequence[Example]) -> None:
        super().__init__([replace(example, source=name) for example in rows])
        self.name = name
        self.prepared: list[str] = []

    def prepare(self, progress: Callable[[int, int], None]) -> None:
        self.prepared.append(self.name)
        progress(1, 1)

    def notes(self) -> tuple[str, ...]:
        return ("1 row left out.",)


def test_every_example_says_where_it_came_from(example: Make) -> None:
    one = Named("boolq", [example("a", origin="x.csv line 2")])
    two = Named("justice", [example("b", origin="x.csv line 2"), example("c")])
    merged = MergedSource([one, two])
    steps: list[Any] = []
    merged.prepare(lambda done, everything: steps.append((done, everything)))
    assert (one.prepared, two.prepared, steps) == (["boolq"], ["justice"], [(1, 1), (1, 1)])
    rows = list(merged.examples())
    assert [(row.source, row.origin) for row in rows] == [
        ("boolq", "boolq/x.csv line 2"),
        ("justice", "justice/x.csv line 2"),
        ("justice", "justice/c.txt"),
    ]
    assert len(merged) == 3
    assert notes_of(merged) == ("boolq: 1 row left out.", "justice: 1 row left out.")


def test_two_sources_of_one_name_are_refused(example: Make) -> None:
    with pytest.raises(UsageError, match="Two sources are called boolq"):
        MergedSource([Named("boolq", [example("a")]), Named("boolq", [example("b")])])


def test_sources_of_other_targets_are_refused(example: Make) -> None:
    other = replace(example("b"), labels={"mood": "good"})
    merged = MergedSource([Named("one", [example("a")]), Named("two", [other])])
    with pytest.raises(DataError, match=r"two/b\.txt has labels for mood, not disease"):
        list(merged.examples())


def test_merging_nothing_is_an_error() -> None:
    with pytest.raises(DataError, match="hold no example"):
        list(MergedSource([]).examples())
