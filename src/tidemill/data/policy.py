"""Decide which faulty examples are excluded or relabelled. Pure; each decision has a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tidemill.data.checks import Finding
from tidemill.data.inspection import InspectedExample, Inspection
from tidemill.data.splits import HELD_BACK
from tidemill.domain.errors import DataRefused, UsageError
from tidemill.domain.types import Labels

POLICIES = ("stop", "drop", "majority", "keep")
SAME = ("identical", "conflict", "leak")
"""The kinds of findings about examples with the same content."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """Excluded origins with their reasons, and origins with new labels."""

    excluded: Mapping[str, str] = field(default_factory=dict)
    relabelled: Mapping[str, Labels] = field(default_factory=dict)


def apply_policy(
    inspection: Inspection, findings: Sequence[Finding], policy: str, *, keep_test: bool = False
) -> Resolution:
    """Resolve the errors among `findings` by `policy`; warnings change nothing.

    * `stop` refuses any error.
    * `drop` excludes unreadable examples, held-out examples without a label, and all sides of a
      conflict. It keeps the first file of identical content, and the most strictly held-out one of
      a leak.
    * `majority` works like `drop`, but a conflict keeps one file, the most strictly held-out one,
      with the most frequent labels. A tie excludes all of them.
    * `keep` excludes only unreadable examples and held-out examples without a label.

    With `keep_test`, every readable example in the source's test split stays unchanged, and
    examples elsewhere with the same content are excluded, under every policy but `stop`.

    Raises DataRefused with a line per error under `stop`, and under every policy when a class has
    too few examples. Raises UsageError for an unknown policy.
    """
    if policy not in POLICIES:
        raise UsageError(
            f"No data policy is called {policy!r}.",
            hint=f"Choose checks.policy={'|'.join(POLICIES)}.",
        )
    errors = [finding for finding in findings if finding.severity == "error"]
    refuse_errors([error for error in errors if policy == "stop" or error.kind == "too_few"])
    rows = {row.origin: row for row in inspection.rows}
    excluded: dict[str, str] = {}
    relabelled: dict[str, Labels] = {}
    for error in errors:
        members = [rows[origin] for origin in error.files]
        in_test = [row for row in members if keep_test and row.split == "test"]
        if in_test and error.kind in SAME:
            labels_to_keep = {row.origin: row.labels for row in in_test}
        else:
            labels_to_keep = _labels_to_keep(error, members, policy)
        excluded |= {
            origin: error.sentence for origin in error.files if origin not in labels_to_keep
        }
        relabelled |= {
            origin: labels
            for origin, labels in labels_to_keep.items()
            if labels != rows[origin].labels
        }
    return Resolution(excluded, relabelled)


def refuse_errors(errors: Sequence[Finding]) -> None:
    """Raise DataRefused with one line per error; do nothing when there is none."""
    if not errors:
        return
    short = [error for error in errors if error.kind == "too_few"]
    hint = "Choose what happens to them: checks.policy=drop (or majority, keep)."
    if len(short) == len(errors):
        hint = "Add examples of these classes, or take the classes out; no policy waives this."
    raise DataRefused(
        f"The checks found {len(errors)} {'fault' if len(errors) == 1 else 'faults'} in the data.",
        hint=hint,
        lines=[error.line() for error in errors],
    )


def _labels_to_keep(
    error: Finding, rows: Sequence[InspectedExample], policy: str
) -> dict[str, Labels]:
    """Return the files of one error that stay, with their labels."""
    if error.kind in ("undecodable", "missing_label"):
        return {}
    if policy == "keep":
        return {row.origin: row.labels for row in rows}
    first = min(rows, key=_exposure)
    if error.kind != "conflict":
        return {first.origin: first.labels}
    winner = _majority(rows) if policy == "majority" else None
    return {} if winner is None else {first.origin: winner}


def _exposure(row: InspectedExample) -> int:
    # An example without a split may go to any split, so examples with a split come first.
    return len(HELD_BACK) if row.split is None else HELD_BACK.index(row.split)


def _majority(rows: Sequence[InspectedExample]) -> Labels | None:
    """Return the most frequent labels; None at a tie. Rows without labels have no vote."""
    votes = Counter(tuple(sorted(row.labels.items())) for row in rows if row.labels)
    (winner, most), *others = votes.most_common(2)
    return None if others and others[0][1] == most else dict(winner)
