"""A small table of papers with four planted faults, to prove that the checks find them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

from tidemill.data.random_stream import stream
from tidemill.domain.errors import UsageError
from tidemill.recipes.cora.sample.citations import TOPICS, Citations, papers
from tidemill.recipes.shared.canvas import Dice

NODES, EDGES = "nodes.csv", "edges.csv"
UNREADABLE = "?" * 300
"""A broken id, longer than an id may be."""


class PaperRow(NamedTuple):
    """One line of the table; `words` are positions with blanks between."""

    id: str
    label: str
    split: str
    words: str


def plant(folder: Path, *, seed: int = 0, each: int = 20) -> dict[str, tuple[str, ...]]:
    """Write `nodes.csv` and `edges.csv` and return the origins of each fault's rows.

    `each` papers a topic in train, a quarter as many (at least two) in val and in test, planted
    ones included. Exactly four faults, in disjoint rows:

    * `identical`: two train rows of one topic with one id;
    * `leak`: a train row and a test row of one topic with one id;
    * `conflict`: two train rows of two topics with one id;
    * `broken`: a train row whose id cannot be one.

    Raises UsageError when `each` is below 4 or the folder holds anything already.
    """
    if each < 4:
        raise UsageError(f"Cannot plant faults among {each} papers a topic.", hint="At least 4.")
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty.", hint="Name a new folder.")
    folder.mkdir(parents=True, exist_ok=True)
    kinds, held_back = len(TOPICS), max(2, each // 4)
    splits = ["train"] * kinds * each + ["val", "test"] * kinds * held_back
    splits.sort(key=("train", "val", "test").index)
    written = papers(Citations(seed, train=len(splits), val=0, test=0))
    rows = [
        PaperRow(paper.id, paper.topic, split, " ".join(map(str, paper.words)))
        for paper, split in zip(written, splits, strict=True)
    ]
    planted = _spoil(rows, Dice(stream("faults", "citations", seed)), splits.index("test"))
    known = {row.id for row in rows}
    edges = [(paper.id, link) for paper in written for link in paper.links]
    _write(folder / NODES, PaperRow._fields, rows)
    known_edges = [edge for edge in edges if known.issuperset(edge)]
    _write(folder / EDGES, ("source", "target"), known_edges)
    return {
        fault: tuple(f"{NODES} line {at + 2}" for at in places) for fault, places in planted.items()
    }


def _spoil(rows: list[PaperRow], dice: Dice, test: int) -> dict[str, tuple[int, ...]]:
    """Plant the faults in separate rounds of topics, and return the rows of each fault."""
    kinds = len(TOPICS)
    rounds = list(range(rows.index(next(row for row in rows if row.split != "train")) // kinds))
    first, second, third, fourth = (
        kinds * rounds.pop(dice.whole(0, len(rounds) - 1)) for _ in range(4)
    )
    topic = dice.whole(0, kinds - 1)
    pairs = {
        "identical": (first + topic, second + topic),
        "leak": (third + topic, test + topic),
        "conflict": (fourth, fourth + 1),
    }
    for one, again in pairs.values():
        rows[again] = rows[again]._replace(id=rows[one].id)
    broken = first + (topic + 1) % kinds
    rows[broken] = rows[broken]._replace(id=UNREADABLE)
    return {**pairs, "broken": (broken,)}


def _write(
    path: Path, header: tuple[str, ...], rows: list[PaperRow] | list[tuple[str, str]]
) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
