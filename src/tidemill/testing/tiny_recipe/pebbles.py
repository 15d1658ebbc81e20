"""Generated pebbles: the same seed gives the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from tidemill.domain.types import Example, Split, payload_id
from tidemill.testing.tiny_recipe.codec import MEASURED, Pebble

TARGET = "stone"
STONES = ("flint", "granite", "slate")
CENTRES = np.array([[40.0, 30.0, 60.0], [40.0, 50.0, 100.0], [40.0, 70.0, 140.0]])
"""A typical pebble of each stone, in the order of MEASURED. Gloss does not depend on the stone."""
SPREAD = np.array([4.0, 4.5, 9.0])
SHIFT = np.array([30.0, 20.0, 40.0])
"""The change of every measurement by a shift of 1: flint then weighs as much as granite did."""
PLACES: tuple[Split | None, ...] = (None, *get_args(Split))


def pebbles(n: int, seed: int, shift: float, *, split: Split | None = None) -> list[Example]:
    """Return the first `n` pebbles of a seed and a split, their stones taking turns.

    Each split has pebbles of its own. `shift` moves the measurements and nothing else: with another
    one these are the same pebbles on other instruments.
    """
    draws = np.random.default_rng([seed, PLACES.index(split)]).standard_normal((n, len(MEASURED)))
    return [_example(at, draw, shift, seed, split) for at, draw in enumerate(draws)]


def _example(
    at: int,
    draw: np.ndarray[tuple[int], np.dtype[np.float64]],
    shift: float,
    seed: int,
    split: Split | None,
) -> Example:
    stone = at % len(STONES)
    measured = CENTRES[stone] + SPREAD * draw + SHIFT * shift
    values = dict(zip(MEASURED, np.round(measured, 4).tolist(), strict=True))
    payload = Pebble(**values).to_bytes()
    return Example(
        id=payload_id(payload),
        payload=payload,
        labels={TARGET: STONES[stone]},
        source="pebbles",
        origin=f"pebbles/{seed}/{shift:g}/{split or 'any'}/{at:06d}",
        split=split,
    )


@dataclass(frozen=True, slots=True)
class PebbleSource:
    """Pebbles for every split that learns or judges. Fulfils `domain.ports.Source`."""

    seed: int
    train: int
    val: int
    test: int
    shift: float
    name: str = "pebbles"

    def prepare(self, progress: Callable[[int, int], None]) -> None:
        """Do nothing: pebbles are generated when they are read."""

    def examples(self) -> Iterator[Example]:
        """Yield every pebble, in the same order each time."""
        yield from pebbles(self.train, self.seed, self.shift, split="train")
        yield from pebbles(self.val, self.seed, self.shift, split="val")
        yield from pebbles(self.test, self.seed, self.shift, split="test")

    def __len__(self) -> int:
        return self.train + self.val + self.test


def flip_half(examples: Sequence[Example]) -> list[Example]:
    """Give every second pebble the label of the next stone."""
    names = sorted({example.labels[TARGET] for example in examples})
    following = {name: names[(at + 1) % len(names)] for at, name in enumerate(names)}
    return [
        replace(example, labels={TARGET: following[example.labels[TARGET]]}) if at % 2 else example
        for at, example in enumerate(examples)
    ]
