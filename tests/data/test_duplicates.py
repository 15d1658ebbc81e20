from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tidemill.data.duplicates import Duplicates, SharedContents, count_duplicates
from tidemill.data.inspection import inspect
from tidemill.domain.types import Example

Make = Callable[..., Example]
Count = Callable[..., Duplicates]


@pytest.fixture
def count(codec: Any) -> Count:
    return lambda *rows: count_duplicates(inspect(rows, codec))


def test_nothing_twice_is_nothing_to_tell(count: Count, crowd: list[Example]) -> None:
    duplicates = count(*crowd)
    assert duplicates == Duplicates(0, 0, 0, ())
    assert duplicates.lines() == ()


def test_each_row_after_the_first_counts_once(count: Count, example: Make) -> None:
    labels = ["rust", "rust", "healthy", "rust", "healthy"]
    rows = [example("leaf" + " " * n, label, origin=f"{n}") for n, label in enumerate(labels)]
    # The third is the first with its label; the fifth bears what the third bore before it.
    assert count(*rows) == Duplicates(4, 3, 1, ())


def test_pairs_of_splits_count_contents_and_not_rows(count: Count, example: Make) -> None:
    rows = [
        example("leaf", split="train", origin="0"),
        example("leaf ", split="train", origin="1"),
        example("leaf  ", split="test", origin="2"),
        example("leaf   ", split="test", origin="3"),
        example("twig", split="val", origin="4"),
        example("twig ", split="test", origin="5"),
        example("stem", origin="6"),
        example("stem ", split="train", origin="7"),
    ]
    duplicates = count(*rows)
    assert duplicates.rows == 5
    assert duplicates.shared == (
        SharedContents(("train", "test"), 1),
        SharedContents(("val", "test"), 1),
    )
    assert duplicates.lines() == (
        "Rows whose content occurred before: 5, 5 with the same label and 0 with another.",
        "Different contents in both train and test: 1.",
        "Different contents in both val and test: 1.",
    )


def test_what_cannot_be_read_repeats_nothing(count: Count, example: Make) -> None:
    broken = [example(b"\xff", origin=f"{n}") for n in range(2)]
    assert count(*broken) == Duplicates(0, 0, 0, ())
