from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tidemill.adapters.memory import MemorySource
from tidemill.data.stratified import StratifiedSource
from tidemill.domain.errors import DataError
from tidemill.domain.types import Example

Make = Callable[..., Example]
Draw = Callable[..., list[Example]]


@pytest.fixture
def rows(example: Make) -> list[Example]:
    sizes = {"rust": 100, "healthy": 40, "phoma": 10}
    return [example(f"{label} {n}", label) for label, size in sizes.items() for n in range(size)]


@pytest.fixture
def draw(codec: Any) -> Draw:
    def drawn(rows: Sequence[Example], *, seed: int = 0, share: float = 0.2) -> list[Example]:
        return list(StratifiedSource(MemorySource(rows), codec, share=share, seed=seed).examples())

    return drawn


def held_back(rows: Sequence[Example]) -> set[str]:
    return {row.origin for row in rows if row.split == "test"}


def test_every_label_has_its_share_in_the_test(draw: Draw, rows: list[Example]) -> None:
    drawn_rows = draw(rows)
    assert [row.origin for row in drawn_rows] == [row.origin for row in rows]
    counts = Counter((row.labels["disease"], row.split) for row in drawn_rows)
    assert counts == {
        ("rust", "train"): 80,
        ("rust", "test"): 20,
        ("healthy", "train"): 32,
        ("healthy", "test"): 8,
        ("phoma", "train"): 8,
        ("phoma", "test"): 2,
    }


def test_the_seed_draws_and_the_order_does_not(draw: Draw, rows: list[Example]) -> None:
    assert held_back(draw(rows)) == held_back(draw(rows[::-1]))
    assert held_back(draw(rows)) != held_back(draw(rows, seed=1))


def test_copies_stay_together_whatever_their_labels(
    draw: Draw, rows: list[Example], example: Make
) -> None:
    copies = [
        example(f"rust {n} ", "rust" if n % 2 else "phoma", origin=f"copy {n}") for n in range(100)
    ]
    back = held_back(draw([*rows, *copies]))
    assert sum(origin.startswith("copy") for origin in back) == 20
    for n in range(100):
        assert (f"rust {n}.txt" in back) == (f"copy {n}" in back)


def test_what_cannot_be_read_is_passed_on_for_the_checks(
    draw: Draw, rows: list[Example], example: Make
) -> None:
    drawn_rows = draw([*rows, example(b"\xff", origin="broken.txt")])
    assert drawn_rows[-1].origin == "broken.txt"


def test_a_source_with_splits_needs_no_draw(draw: Draw, example: Make) -> None:
    with pytest.raises(DataError, match=r"a\.txt is in val already"):
        draw([example("a", split="val")])


def test_the_rest_is_the_source_s(codec: Any, rows: list[Example]) -> None:
    drawn = StratifiedSource(MemorySource(rows), codec, share=0.5, seed=0)
    drawn.prepare(lambda _done, _all: None)
    assert (drawn.name, len(drawn), drawn.notes()) == ("memory", 150, ())
