from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

import pytest

from tidemill.adapters.memory import MemorySource
from tidemill.data.blocks import BlockSplitSource
from tidemill.domain.types import Example

Make = Callable[..., Example]


@pytest.fixture
def rows(example: Make) -> list[Example]:
    train = [example(f"train {n}", split="train") for n in range(1000)]
    return [*train, *(example(f"test {n}", split="test") for n in range(100))]


def drawn(rows: Sequence[Example], size: int = 10) -> list[Example]:
    return list(BlockSplitSource(MemorySource(rows), size=size).examples())


def test_whole_blocks_of_neighbours_are_held_back(rows: list[Example]) -> None:
    drawn_rows = drawn(rows)
    assert [row.origin for row in drawn_rows] == [row.origin for row in rows]
    for start in range(0, 1000, 10):
        assert len({row.split for row in drawn_rows[start : start + 10]}) == 1
    held_out = sum(row.split == "val" for row in drawn_rows)
    assert 90 <= held_out <= 210
    # Not all at one place.
    assert len([split for split, _ in groupby(drawn_rows, key=lambda row: row.split)]) > 10


def test_the_test_stays_as_it_came(rows: list[Example]) -> None:
    drawn_rows = drawn(rows)
    assert [row.split for row in drawn_rows[1000:]] == ["test"] * 100


def test_the_same_rows_are_drawn_again(rows: list[Example]) -> None:
    assert drawn(rows) == drawn(rows)
    assert drawn(rows[:500]) == drawn(rows)[:500]
