"""A test row, and a new file that sorts before it and is a near-duplicate of its neighbour.

Read again with the new file, the source must not hand to training what was test before.
"""

from __future__ import annotations

import hashlib

from tests.cases.names import (
    Fingerprint,
    InspectedExample,
    Inspection,
    assign_splits,
    split_of_digest_alone,
)
from tests.cases.verdict import falls_short, require

NEAR_DISTANCE = 6
FAR = [int.from_bytes(hashlib.sha256(b"%d" % at).digest()[:8], "big") for at in range(50)]
"""Perceptual hashes far from each other."""


def row(name: str, near: int) -> InspectedExample:
    exact = hashlib.sha256(name.encode()).hexdigest()
    return InspectedExample(exact, {"y": "a"}, None, "folder", name, Fingerprint(exact, near))


def row_of_split(start: str, split: str, near: int) -> InspectedExample:
    """The first row whose name begins so and whose own hash says this split."""
    names = (f"{start}{at}" for at in range(999))
    digests = ((name, hashlib.sha256(name.encode()).hexdigest()) for name in names)
    name = next(name for name, digest in digests if split_of_digest_alone(digest) == split)
    return row(name, near)


@falls_short("data", "one more file moves two rows from test to train; they must stay")
def test_one_more_file_moves_no_row_to_another_split() -> None:
    others = [row(f"z{at}", near) for at, near in enumerate(FAR)]
    test, neighbour = row_of_split("m", "test", 0), row("n1", 1)
    new = row_of_split("b", "train", 3)
    known = (test, neighbour, *others)
    before = assign_splits(Inspection(known), near_distance=NEAR_DISTANCE)
    after = assign_splits(Inspection((new, *known)), near_distance=NEAR_DISTANCE)
    moved = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    require(not moved, f"one more file moves {len(moved)} rows that were there: {moved}")
