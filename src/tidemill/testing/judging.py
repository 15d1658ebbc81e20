"""Judge invented evidence with the gate: rows of outcomes in, a verdict out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import numpy as np

from tidemill.domain.errors import UsageError
from tidemill.domain.types import SPLITS, Split, Verdict
from tidemill.loop.evidence import Evidence, Outcomes, TargetEvidence
from tidemill.loop.gate import GatePolicy, judge

Origin = Literal["", "correction", "confirmation", "sampled"]
Correctness = tuple[bool, float]
"""Whether a model was right about an example, and its confidence between 0 and 1."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """How two models do on one target of one example. Raises UsageError for impossible values.

    split        "test", "fresh", "val" or "train"
    target       the target's name
    label        the label of the example
    challenger   whether the judged model was right, and its confidence
    champion     the same of the champion; None without one
    answered_by  the version that the label was given about; empty for none
    how          "correction", "confirmation", "sampled", or empty
    actor        who gave the label
    group        near-duplicates share a group; empty for an example of its own
    """

    split: Split
    target: str
    label: str
    challenger: Correctness
    champion: Correctness | None = None
    answered_by: str = ""
    how: Origin = ""
    actor: str = ""
    group: str = ""

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise UsageError(
                f"There is no split {self.split!r}.", hint=f"Splits are {', '.join(SPLITS)}."
            )
        if self.how not in get_args(Origin):
            raise UsageError(
                f"A label is no {self.how!r}.",
                hint=f"`how` is empty or one of {', '.join(filter(None, get_args(Origin)))}.",
            )
        for name, value in (("challenger", self.challenger), ("champion", self.champion)):
            if not _is_correctness(value) and (name == "challenger" or value is not None):
                raise UsageError(
                    f"The {name} cannot be {value!r}.",
                    hint="Give whether it was right and its confidence, such as (True, 0.9).",
                )
        for name in ("target", "label"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value:
                raise UsageError(f"A row needs a {name}, not {value!r}.")


def judge_outcomes(
    rows: Iterable[OutcomeRow | Mapping[str, Any]], policy: GatePolicy | None = None
) -> Verdict:
    """Judge a challenger by rows of outcomes, as the gate judges it by its answers.

    A row is an `OutcomeRow` or a mapping of its fields. What the rows do not tell counts as sound:
    the golden samples, the label names and the exported graph. The gate of today reads the rows of
    test and fresh; it accepts every other split and `answered_by`, `how`, `actor` and `group`, and
    does not use them. Without a policy the default one judges. The verdict is about the version
    "challenger", against "champion" or None, at the epoch.

    Raises UsageError for an unknown field or split, for a row without a field that it needs, for no
    rows, and when only some rows of the same target and split have a champion.

    >>> steady = {"split": "test", "target": "disease", "champion": (True, 0.9)}
    >>> rows = [{**steady, "label": f"{n % 4}", "challenger": (True, 0.9)} for n in range(200)]
    >>> judge_outcomes(rows).passed
    True
    >>> worse = [{**row, "challenger": (n % 5 > 0, 0.9)} for n, row in enumerate(rows)]
    >>> [check.name for check in judge_outcomes(worse).failed]
    ['non_inferiority']
    """
    if not isinstance(policy, GatePolicy | None):
        raise UsageError(f"{policy!r} is no policy.", hint="Give a GatePolicy(margin=0.1).")
    read = [row if isinstance(row, OutcomeRow) else _read(row) for row in rows]
    if not read:
        raise UsageError("Without rows there is nothing to judge.")
    by_target: dict[str, list[OutcomeRow]] = {}
    for row in read:
        by_target.setdefault(row.target, []).append(row)
    targets = tuple(_target_evidence(target, own) for target, own in by_target.items())
    evidence = Evidence(
        targets=targets,
        golden_samples=max(target.class_count for target in targets),
        validation_rows=sum(row.split == "val" for row in read),
        class_faults=(),
        golden_faults=(),
        parity_gap=0.0,
    )
    checks = judge(evidence, policy or GatePolicy())
    return Verdict(
        id="outcomes",
        version="challenger",
        champion="champion" if any(row.champion for row in read) else None,
        passed=all(check.passed for check in checks),
        checks=checks,
        test_uses=1,
        at=EPOCH,
    )


def _read(row: Mapping[str, Any]) -> OutcomeRow:
    if not isinstance(row, Mapping):
        raise UsageError(f"{row!r} is no row.", hint="Give OutcomeRow or a mapping of its fields.")
    known = [field.name for field in fields(OutcomeRow)]
    if unknown := [str(key) for key in row if key not in known]:
        raise UsageError(
            f"A row has no field {', '.join(unknown)}.", hint=f"Its fields are {', '.join(known)}."
        )
    needed = ("split", "target", "label", "challenger")
    if missing := [name for name in needed if name not in row]:
        raise UsageError(f"A row lacks {', '.join(missing)}.")
    return OutcomeRow(**row)


def _is_correctness(value: object) -> bool:
    if not isinstance(value, tuple | list) or len(value) != 2:
        return False
    right, confidence = value
    if not isinstance(right, bool | np.bool_) or isinstance(confidence, bool):
        return False
    return isinstance(confidence, int | float | np.number) and bool(0 <= confidence <= 1)


def _target_evidence(target: str, rows: Sequence[OutcomeRow]) -> TargetEvidence:
    test = [row for row in rows if row.split == "test"]
    fresh = [row for row in rows if row.split == "fresh"]
    counts = Counter(row.label for row in test)
    return TargetEvidence(
        target=target,
        class_count=len({row.label for row in rows}),
        prior=max(counts.values(), default=0) / max(len(test), 1),
        label_uses=(),
        test=_outcomes([row.challenger for row in test], test),
        test_champion=_champion_outcomes(target, test),
        fresh=_outcomes([row.challenger for row in fresh], fresh),
        fresh_champion=_champion_outcomes(target, fresh),
    )


def _champion_outcomes(target: str, rows: Sequence[OutcomeRow]) -> Outcomes | None:
    known = [row.champion for row in rows if row.champion is not None]
    if not known:
        return None
    if len(known) < len(rows):
        raise UsageError(
            f"{len(rows) - len(known)} of {len(rows)} {rows[0].split} rows of {target} have no "
            "champion.",
            hint="Give the champion for every row of a target and split, or for none.",
        )
    return _outcomes(known, rows)


def _outcomes(answers: Sequence[Correctness], rows: Sequence[OutcomeRow]) -> Outcomes:
    return Outcomes(
        correct=np.array([right for right, _ in answers], np.bool_),
        confidence=np.array([confidence for _, confidence in answers], np.float64),
        labels=tuple(row.label for row in rows),
    )
