"""Which split an example belongs to, decided by what it shows and never by its label.

A group of near-duplicates moves as one: the exact fingerprint of its first recorded member,
hashed, is a number in [0, 1) that says 70 % train, 15 % val, 15 % test. So the answer depends
neither on the labels nor on the order of the source, but for who came first within a group. An
test that the source gives is whole: what the hash would add to it is learnt from. What has no
label cannot judge: it is in train, where it is seen beside others and never learnt from.

What joins a snapshot later is hashed into 55 % train, 10 % val and 35 % fresh: a challenger is
compared with its champion on what neither has learnt, and test never grows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from tidemill.data import near
from tidemill.data.inspection import InspectedExample, Inspection
from tidemill.domain.types import Split

TRAIN_SHARE = 0.70
VAL_SHARE = 0.15
JOINED_TRAIN_SHARE = 0.55
JOINED_VAL_SHARE = 0.10
HELD_OUT: tuple[Split, ...] = ("val", "test")
"""The splits that every snapshot needs beside train."""
HELD_BACK: tuple[Split, ...] = ("test", "fresh", "val", "train")
"""The splits, the most strictly held back first."""
JUDGING: frozenset[Split] = frozenset({"val", "fresh"})
"""The splits that are held back and grow."""


def assign_splits(inspection: Inspection, *, near_distance: int) -> Mapping[str, Split]:
    """Return a split for every origin.

    A given split is respected, with one exception: when the source gives no val, or no test,
    its train examples whose hash says so become it. An example without a split inherits the most
    strictly held-back given split of its group, so that nothing resembling a held-back example
    is learnt from. Else its hash decides between train, val and, when the source gives none,
    test. An example without labels is in train, unless the source gives another split.
    """
    source_splits = {row.split for row in inspection.rows if row.split is not None}
    missing = set(HELD_OUT) - source_splits
    chosen: dict[str, Split] = {}
    for members in group_near_duplicates(inspection, near_distance=near_distance):
        hashed = hash_split(
            members[0].fingerprint.exact if members[0].fingerprint else members[0].id
        )
        learnt: Split = hashed if hashed in missing else "train"
        unsplit: Split = learnt if hashed == "test" else hashed
        inherited = strictest_split(row.split for row in members)
        for row in members:
            if not row.labels:
                chosen[row.origin] = row.split or "train"
            elif row.split is not None:
                chosen[row.origin] = learnt if row.split == "train" else row.split
            elif inherited is not None:
                chosen[row.origin] = learnt if inherited == "train" else inherited
            else:
                chosen[row.origin] = unsplit
    return chosen


def group_near_duplicates(
    inspection: Inspection, *, near_distance: int
) -> list[Sequence[InspectedExample]]:
    """Return every row in exactly one group of near-duplicates; most groups have one member."""
    readable = [row for row, _ in inspection.readable]
    close_groups = near.group(
        [print_.near for _, print_ in inspection.readable], near_distance
    ).groups
    together = [[readable[position] for position in positions] for positions in close_groups]
    grouped = {row.origin for members in together for row in members}
    return [*together, *([row] for row in inspection.rows if row.origin not in grouped)]


def hash_split(exact: str) -> Split:
    """Return the split of a group whose first member has this exact fingerprint."""
    share = _share(exact)
    if share < TRAIN_SHARE:
        return "train"
    return "val" if share < TRAIN_SHARE + VAL_SHARE else "test"


def assign_joining(inspection: Inspection, *, near_distance: int) -> Mapping[str, Split]:
    """Return a split for every origin that has none yet, beside rows that have theirs for good.

    A group that touches such rows inherits the most strictly held-back of their splits, test
    included: the caller leaves those out. One that touches train and val or fresh has no split that
    it could join without learning what judges, or judging by what is learnt, and gets none.
    """
    chosen: dict[str, Split] = {}
    for members in group_near_duplicates(inspection, near_distance=near_distance):
        joining = [row for row in members if row.split is None]
        if not joining:
            continue
        first = joining[0].fingerprint
        touched = {row.split for row in members if row.split is not None}
        if "train" in touched and touched & JUDGING and "test" not in touched:
            continue
        inherited = strictest_split(touched)
        split = inherited or joining_split(first.exact if first else joining[0].id)
        chosen |= {row.origin: split for row in joining}
    return chosen


def joining_split(exact: str) -> Split:
    """Return the split of a joining group whose first member has this exact fingerprint."""
    share = _share(exact)
    if share < JOINED_TRAIN_SHARE:
        return "train"
    return "val" if share < JOINED_TRAIN_SHARE + JOINED_VAL_SHARE else "fresh"


def strictest_split(splits: Iterable[Split | None]) -> Split | None:
    """Return the most strictly held-back of the splits that were given; None when none was."""
    present = set(splits)
    return next((split for split in HELD_BACK if split in present), None)


def _share(exact: str) -> float:
    return int.from_bytes(hashlib.sha256(exact.encode()).digest()[:8], "big") / 2**64
