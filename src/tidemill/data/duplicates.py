"""Count the duplicates of a data set."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import combinations

from tidemill.data.inspection import Inspection
from tidemill.domain.types import SPLITS, Split


@dataclass(frozen=True, slots=True)
class SharedContents:
    """The number of different contents that two splits have in common."""

    splits: tuple[Split, Split]
    contents: int

    def line(self) -> str:
        """Return the figure as a plain sentence."""
        return f"Different contents in both {' and '.join(self.splits)}: {self.contents}."


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Rows whose content occurred before, in the source's order.

    `same_label` of them have labels that the content had before, `other_label` have others.
    Together they are `rows`. `shared` lists each pair of the source's splits that have contents in
    common.
    """

    rows: int
    same_label: int
    other_label: int
    shared: tuple[SharedContents, ...]

    def lines(self) -> tuple[str, ...]:
        """Return the figures as plain sentences; no sentence when nothing occurs twice."""
        if not self.rows:
            return ()
        first = (
            f"Rows whose content occurred before: {self.rows},"
            f" {self.same_label} with the same label and {self.other_label} with another."
        )
        return (first, *(shared.line() for shared in self.shared))


def count_duplicates(inspection: Inspection) -> Duplicates:
    """Count the readable rows by their exact fingerprints."""
    borne: dict[str, set[tuple[tuple[str, str], ...]]] = defaultdict(set)
    within: dict[str, set[Split]] = defaultdict(set)
    counts: Counter[bool] = Counter()
    for row, fingerprint in inspection.readable:
        labels = tuple(sorted(row.labels.items()))
        before = borne[fingerprint.exact]
        if before:
            counts[labels in before] += 1
        before.add(labels)
        if row.split is not None:
            within[fingerprint.exact].add(row.split)
    shared = [
        SharedContents((one, other), count)
        for one, other in combinations(SPLITS, 2)
        if (count := sum({one, other} <= splits for splits in within.values()))
    ]
    return Duplicates(counts.total(), counts[True], counts[False], tuple(shared))
