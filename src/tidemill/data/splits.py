"""Assign examples to splits by their content, never by their label.

A group of near-duplicates stays together. The hash of the exact fingerprint of its first member is
a number in [0, 1): 70 % go to train, 15 % to val and 15 % to test. So the splits do not depend on
the labels, and depend on the order of the source only within a group. A test split of the source is
complete: examples that the hash would add to it go to train. Examples without a label cannot judge,
so they go to train as context and are not learnt from.

Examples that join a snapshot later go to train (55 %), val (10 %) or fresh (35 %) by their hash. A
challenger is compared with its champion on examples that neither has learnt, and test never grows.
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
"""The splits that every snapshot needs besides train."""
HELD_BACK: tuple[Split, ...] = ("test", "fresh", "val", "train")
"""All splits, the most strictly held-out first."""
JUDGING: frozenset[Split] = frozenset({"val", "fresh"})
"""The held-out splits that grow."""


def assign_splits(inspection: Inspection, *, near_distance: int) -> Mapping[str, Split]:
    """Return a split for every origin.

    The split of the source stays, with one exception: when the source has no val, or no test, its
    train examples go there by their hash. An example without a split inherits the most strictly
    held-out split of its group, so that no near-duplicate of a held-out example is learnt from.
    Otherwise its hash decides between train, val and, when the source has none, test. An example
    without labels goes to train, unless the source states another split.
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
    """Return a split for every origin that has none yet, beside rows with fixed splits.

    A group that contains such rows inherits their most strictly held-out split, test included; the
    caller omits those. A group with rows in train and in val or fresh gets no split, because it
    would learn what judges or judge what was learnt.
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
    """Return the most strictly held-out of these splits; None without any."""
    present = set(splits)
    return next((split for split in HELD_BACK if split in present), None)


def _share(exact: str) -> float:
    return int.from_bytes(hashlib.sha256(exact.encode()).digest()[:8], "big") / 2**64
