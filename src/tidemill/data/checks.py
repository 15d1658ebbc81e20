"""Find the faults of a data set before any compute is spent. Pure: facts in, findings out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tidemill.data import splits
from tidemill.data.inspection import InspectedExample, Inspection
from tidemill.domain.types import SPLITS, Labels, Split

FindingKind = Literal[
    "undecodable",
    "missing_label",
    "identical",
    "conflict",
    "leak",
    "near_duplicate",
    "too_few",
    "unlabelled",
]
NAMED = 5
"""The number of files that a sentence names before it counts the rest."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault. The sentence names the first few files, `files` holds all their origins."""

    kind: FindingKind
    severity: Literal["error", "warning"]
    sentence: str
    files: tuple[str, ...]

    def line(self) -> str:
        """Return the finding as one line for a person."""
        return f"{self.severity}: {self.sentence} [{self.kind}]"


def find_faults(
    inspection: Inspection, *, near_distance: int = 6, minimum_per_class: int = 5
) -> tuple[Finding, ...]:
    """Return every fault of the examples, errors first; each real fault is exactly one finding.

    Examples with identical content are one finding: a conflict when their labels differ, else a
    leak when their splits differ, else `identical`. Near-duplicates lie within `near_distance` bits
    of each other's perceptual hash without being identical; they are a warning. Examples without
    labels in train are one warning together. An example without labels in a held-out split is an
    error, because it cannot judge. Classes are counted as the source labels them, in the splits of
    `splits.assign_splits`. Raises UsageError for an invalid distance.
    """
    assigned = splits.assign_splits(inspection, near_distance=near_distance)
    findings = [
        *_undecodable(inspection),
        *_unlabelled(inspection),
        *_same_content(inspection),
        *find_small_classes(inspection.rows, assigned, minimum_per_class=minimum_per_class),
        *_near_duplicates(inspection, near_distance),
    ]
    return tuple(sorted(findings, key=lambda finding: finding.severity))


def find_small_classes(
    rows: Sequence[InspectedExample], assigned: Mapping[str, Split], *, minimum_per_class: int
) -> Iterator[Finding]:
    """Yield one error per class with fewer than `minimum_per_class` examples in train.

    A class is also too small when a val or test split of the source has none of it. A row without
    an assigned split makes its class known, but does not count.
    """
    splits_of = {row.split for row in rows}
    held_back = [split for split in splits.HELD_OUT if split in splits_of]
    members: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        for item in row.labels.items():
            members[item].append(row.origin)
    for (target, label), origins in sorted(members.items()):
        count = Counter(assigned[origin] for origin in origins if origin in assigned)
        short = [f"none in {split}" for split in held_back if not count[split]]
        if count["train"] < minimum_per_class:
            short.insert(0, f"{count['train']} in train where {minimum_per_class} are needed")
        if short:
            yield Finding(
                "too_few",
                "error",
                f"The class {label} of {target} has {' and '.join(short)}: {_named(origins)}.",
                tuple(origins),
            )


def _undecodable(inspection: Inspection) -> Iterator[Finding]:
    for row in inspection.rows:
        if row.fingerprint is None:
            sentence = f"{row.origin} cannot be read: {row.fault.rstrip('.')}."
            yield Finding("undecodable", "error", sentence, (row.origin,))


def _unlabelled(inspection: Inspection) -> Iterator[Finding]:
    rows = [row for row, _ in inspection.readable if not row.labels]
    for row in rows:
        if row.split not in (None, "train"):
            sentence = f"{row.origin} is held out in {row.split} and has no label."
            yield Finding("missing_label", "error", sentence, (row.origin,))
    context = tuple(row.origin for row in rows if row.split in (None, "train"))
    if context:
        have = "example has" if len(context) == 1 else "examples have"
        sentence = (
            f"{len(context)} {have} no label, to be seen but not learnt from: {_named(context)}."
        )
        yield Finding("unlabelled", "warning", sentence, context)


def _same_content(inspection: Inspection) -> Iterator[Finding]:
    same: dict[str, list[InspectedExample]] = defaultdict(list)
    for row, fingerprint in inspection.readable:
        same[fingerprint.exact].append(row)
    for rows in same.values():
        if len(rows) > 1:
            yield _judge_same(rows)


def _judge_same(rows: Sequence[InspectedExample]) -> Finding:
    files = tuple(row.origin for row in rows)
    splits_of = _splits_of(rows)
    if any(row.labels != rows[0].labels for row in rows):
        named = _named([f"{row.origin} ({_labelled(row.labels)})" for row in rows])
        return Finding(
            "conflict", "error", f"The same content has different labels: {named}.", files
        )
    if len(splits_of) > 1:
        named = _named([f"{row.origin} ({row.split or 'no split'})" for row in rows])
        return Finding(
            "leak", "error", f"The same content is in {' and '.join(splits_of)}: {named}.", files
        )
    return Finding(
        "identical", "error", f"{len(rows)} examples have the same content: {_named(files)}.", files
    )


def _near_duplicates(inspection: Inspection, near_distance: int) -> Iterator[Finding]:
    for rows in splits.group_near_duplicates(inspection, near_distance=near_distance):
        if len({row.fingerprint for row in rows}) < 2:
            continue
        files = tuple(row.origin for row in rows)
        splits_of = _splits_of(rows)
        crossing = f" across {' and '.join(splits_of)}" if len(splits_of) > 1 else ""
        differing = len({_labelled(row.labels) for row in rows}) > 1
        labelled = ", with different labels" if differing else ""
        sentence = (
            f"{len(files)} examples look almost the same{crossing}{labelled}: {_named(files)}."
        )
        yield Finding("near_duplicate", "warning", sentence, files)


def _splits_of(rows: Iterable[InspectedExample]) -> list[Split]:
    present = {row.split for row in rows}
    return [split for split in SPLITS if split in present]


def _labelled(labels: Labels) -> str:
    return ", ".join(f"{target}={label}" for target, label in sorted(labels.items())) or "no label"


def _named(files: Sequence[str]) -> str:
    more = len(files) - NAMED
    listed = ", ".join(files[:NAMED])
    return f"{listed} and {more} more" if more > 0 else listed
