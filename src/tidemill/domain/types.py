"""The terms of the domain: one frozen record per noun. Standard library only.

Times are timezone-aware UTC. Every id is text: a sha256 for objects named by their content
(example, snapshot, bundle), a UUIDv7 for objects named by their time (run, verdict, prediction,
event), and `v1`, `v2`, ... for model versions, because people say them aloud.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from tidemill.domain.drift import RequestKind
from tidemill.domain.errors import UsageError
from tidemill.figures.charts import Bar, LowerBound, draw_bars, draw_lower_bounds
from tidemill.figures.markup import (
    build_block,
    figure,
    format_number,
    format_share,
    number_cell,
    paragraph,
    shorten,
    tabulate,
    word_cell,
)

Split = Literal["train", "val", "test", "fresh"]
SPLITS: tuple[Split, ...] = ("train", "val", "test", "fresh")
GAINS = ("non_inferiority", "fresh_gain")
"""The checks whose value is the lower bound of a change of accuracy."""
MAX_GAINS = 20
"""Gains that a notebook draws of a verdict; of more, the smallest against their thresholds."""
MAX_ANSWERS, MAX_LABELS = 20, 5
"""Answers of a prediction, and labels of an answer, that a notebook shows."""
Labels = Mapping[str, str]
"""Maps a target to a label: `{"disease": "rust"}`."""
Classes = Mapping[str, Sequence[str]]
"""Maps a target to all its labels, in the order of the logits."""


def payload_id(payload: bytes) -> str:
    """Return the id of an example: the sha256 of its payload's bytes, in hex."""
    return hashlib.sha256(payload).hexdigest()


@dataclass(frozen=True, slots=True)
class Example:
    """One payload with a label per target, and its origin.

    `split` is None if Tidemill assigns the split. `origin` names the example in messages, for
    example by its file; it is not part of any id.
    """

    id: str
    payload: bytes = field(repr=False)
    labels: Labels
    source: str
    origin: str
    split: Split | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's label and probabilities for one item of one payload and one target."""

    target: str
    label: str
    confidence: float
    probabilities: Mapping[str, float] = field(repr=False)
    item: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Which parts of an image an answer rests on.

    `drops` [rows, columns]: how far the probability of `label` fell, on average, when a cell was
    covered; negative where it rose. `image` is the map over the image, a PNG.
    """

    version: str
    target: str
    label: str
    probability: float
    drops: tuple[tuple[float, ...], ...] = field(repr=False)
    image: bytes = field(repr=False)

    @property
    def strongest(self) -> tuple[int, int]:
        """Row and column of the cell that mattered most."""
        cells = [(drop, -y, -x) for y, row in enumerate(self.drops) for x, drop in enumerate(row)]
        _, y, x = max(cells)
        return -y, -x

    def _repr_png_(self) -> bytes:
        return self.image


@dataclass(frozen=True, slots=True)
class Prediction:
    """One recorded response to a payload. A golden request of the server keeps no payload.

    `bins` has one byte for each feature of the version's reference: the bin of this prediction.
    `example` is the payload's id, empty for a golden request. Reading a log computes it, and the
    ledger stores it in place of the payload. `remarks` say how the payload was decoded (a text that
    was cut). They follow from the payload, so they are not stored. `request_id` and `traceparent`
    (W3C Trace Context) are those of the request over HTTP; both may be empty.
    """

    id: str
    server: str
    sequence: int
    version: str
    at: datetime
    kind: RequestKind
    payload: bytes = field(repr=False)
    answers: tuple[Answer, ...]
    bins: bytes = field(default=b"", repr=False)
    example: str = ""
    remarks: tuple[str, ...] = field(default=(), compare=False, repr=False)
    request_id: str = ""
    traceparent: str = ""

    def _repr_html_(self) -> str:
        """Return the answers as a table, and the probabilities of a single one, for a notebook."""
        shown, several = self.answers[:MAX_ANSWERS], any(row.item for row in self.answers)
        rows = [
            (
                shorten(row.target),
                *([shorten(row.item)] if several else []),
                shorten(row.label),
                number_cell(format_share(row.confidence)),
            )
            for row in shown
        ]
        columns = ("target", *(["item"] if several else []), "label", "confidence")
        rest = len(self.answers) - len(shown)
        ranked = sorted(
            self.answers[0].probabilities.items() if len(self.answers) == 1 else (),
            key=lambda row: row[1],
            reverse=True,
        )
        bars = [Bar(label, share, format_share(share)) for label, share in ranked[:MAX_LABELS]]
        caption = "The most probable labels"
        return build_block(
            f"Prediction of {self.version}, {self.at:%Y-%m-%d %H:%M:%S} UTC",
            paragraph(f"Id {self.id}"),
            tabulate(columns, rows),
            paragraph(f"{rest} more answers are in `answers`." if rest else ""),
            figure(draw_bars(bars, caption, most=1), caption),
            *map(paragraph, self.remarks),
        )

    @property
    def label(self) -> str:
        """The label of the only answer. Raises UsageError where there are several."""
        return self._only_answer().label

    @property
    def confidence(self) -> float:
        """The confidence of the only answer. Raises UsageError where there are several."""
        return self._only_answer().confidence

    def require_id(self) -> str:
        """Return the id. Raises UsageError for a prediction that was not recorded."""
        if not self.id:
            raise UsageError(
                "The prediction was not recorded, so nothing else knows it.",
                hint="Predict with record=True.",
            )
        return self.id

    def _only_answer(self) -> Answer:
        if len(self.answers) != 1:
            raise UsageError(
                f"The prediction has {len(self.answers)} answers.",
                hint="Its `answers` have a target and an item each.",
            )
        return self.answers[0]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An immutable version of the data. `classes` are the labels per target, in model order."""

    id: str
    recipe: str
    rows: int
    splits: Mapping[str, int]
    classes: Mapping[str, tuple[str, ...]]
    policy: str
    parent: str | None
    at: datetime


RunStatus = Literal["running", "finished", "failed", "interrupted", "abandoned"]
"""
running      its process trains
finished     it registered a version
failed       it ended by an error of its own
interrupted  its process was interrupted, by Ctrl-C or by the end of its engine
abandoned    its engine is gone, or its cycle has ended
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One training execution. `config` is the resolved tree, `code` identifies the sources.

    `error` gives the reason of a failed, interrupted or abandoned run.
    """

    id: str
    recipe: str
    snapshot: str
    seed: int
    config: Mapping[str, Any] = field(repr=False)
    code: Mapping[str, Any] = field(repr=False)
    environment: Mapping[str, Any] = field(repr=False)
    at: datetime
    status: RunStatus = "running"
    metrics: Mapping[str, Any] = field(default_factory=dict, repr=False)
    weights: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A registered bundle. A server opens only the bundle with this id."""

    id: str
    bundle: str
    run: str
    snapshot: str
    recipe: str
    parent: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Check:
    """One criterion of the gate and its result, with a sentence that a person can act on.

    `value` is the measured number and `threshold` its bound, where both are numbers.
    """

    name: str
    passed: bool
    reason: str
    value: float | None = None
    target: str = ""
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judgement of a version against the champion of that moment.

    `override_reason` is a person's reason for promoting against the judgement, else empty.
    `test_uses` counts the readings of this snapshot's test split, including this one.
    """

    id: str
    version: str
    champion: str | None
    passed: bool
    checks: tuple[Check, ...]
    test_uses: int
    at: datetime
    override_reason: str = ""

    @property
    def allows(self) -> bool:
        """True when the version may get an alias with this verdict."""
        return self.passed or bool(self.override_reason)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if not check.passed)

    def name(self, check: Check) -> str:
        """Return the name of a check, with its target if the verdict has several targets."""
        several = len({row.target for row in self.checks if row.target}) > 1
        return f"{check.name} of {check.target}" if several and check.target else check.name

    def _repr_html_(self) -> str:
        """Return the gains as a figure and the checks as a table, for a notebook."""
        against = f"against {self.champion}" if self.champion else "without a champion"
        override = f"Promoted by override: {self.override_reason}" if self.override_reason else ""
        gains = [
            LowerBound(self.name(check), check.value, check.threshold, check.passed)
            for check in self.checks
            if check.name in GAINS and check.value is not None
        ]
        if len(gains) > MAX_GAINS:
            gains = sorted(gains, key=lambda row: row.bound - (row.threshold or 0))[:MAX_GAINS]
        rows = [
            (
                self.name(check),
                word_cell("passed" if check.passed else "failed", good=check.passed),
                number_cell(format_number(check.value)),
                number_cell(format_number(check.threshold)),
                check.reason,
            )
            for check in self.checks
        ]
        caption = "Lower bounds of the change of accuracy; a tick is the threshold"
        return build_block(
            f"Verdict on {self.version}, {against}: {'passed' if self.passed else 'refused'}",
            paragraph(
                f"{len(self.failed)} of {len(self.checks)} checks failed, at "
                f"{self.at:%Y-%m-%d %H:%M} UTC. Times that test was read: {self.test_uses}."
            ),
            paragraph(override),
            figure(draw_lower_bounds(gains, caption), caption),
            tabulate(("check", "result", "value", "threshold", "reason"), rows),
        )


AliasName = Literal["champion", "challenger", "previous"]


@dataclass(frozen=True, slots=True)
class Alias:
    """A name that points at a version, and the verdict that allowed it."""

    name: AliasName
    version: str
    verdict: str
    at: datetime
