"""Which split an example belongs to, decided by what it shows and never by its label.

A group of near-duplicates moves as one: the exact fingerprint of its first recorded member,
hashed, is a number in [0, 1) that says 70 % train, 15 % val, 15 % anchor. So the answer depends
neither on the labels nor on the order of the source, but for who came first within a group.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from tidemill.data import near
from tidemill.data.inspection import Inspected, Inspection
from tidemill.domain.types import Split

TRAIN_SHARE = 0.70
VAL_SHARE = 0.15
HELD_OUT: tuple[Split, ...] = ("val", "anchor")
"""The splits that every snapshot needs beside train."""
HELD_BACK: tuple[Split, ...] = ("anchor", "fresh", "val", "train")
"""The splits, the most strictly held back first."""


def assign(inspection: Inspection, *, near_distance: int) -> Mapping[str, Split]:
    """A split for every origin.

    A given split is respected, with one exception: when the source gives no val, or no anchor,
    its train examples whose hash says so become it. An example without a split inherits the most
    strictly held-back given split of its group, so that nothing resembling a held-back example
    is learnt from.
    """
    given = {row.split for row in inspection.rows if row.split is not None}
    missing = set(HELD_OUT) - given
    chosen: dict[str, Split] = {}
    for members in groups(inspection, near_distance=near_distance):
        hashed = by_hash(members[0].fingerprint.exact if members[0].fingerprint else members[0].id)
        learnt: Split = hashed if hashed in missing else "train"
        inherited = most_held_back(row.split for row in members)
        for row in members:
            if row.split is not None:
                chosen[row.origin] = learnt if row.split == "train" else row.split
            elif inherited is not None:
                chosen[row.origin] = learnt if inherited == "train" else inherited
            else:
                chosen[row.origin] = hashed
    return chosen


def groups(inspection: Inspection, *, near_distance: int) -> list[Sequence[Inspected]]:
    """Every row in exactly one group of near-duplicates; most groups have one member."""
    readable = [row for row, _ in inspection.readable]
    found = near.group([print_.near for _, print_ in inspection.readable], near_distance).groups
    together = [[readable[position] for position in positions] for positions in found]
    grouped = {row.origin for members in together for row in members}
    return [*together, *([row] for row in inspection.rows if row.origin not in grouped)]


def by_hash(exact: str) -> Split:
    """The split of a group whose first member has this exact fingerprint."""
    share = int.from_bytes(hashlib.sha256(exact.encode()).digest()[:8], "big") / 2**64
    if share < TRAIN_SHARE:
        return "train"
    return "val" if share < TRAIN_SHARE + VAL_SHARE else "anchor"


def most_held_back(splits: Iterable[Split | None]) -> Split | None:
    """The most strictly held-back of the splits that were given; None when none was."""
    present = set(splits)
    return next((split for split in HELD_BACK if split in present), None)
