"""Read the labels of the champion's targets from rows of another system's table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from reprlib import repr as shortened

from tidemill.adapters.feedback_table import FaultyRow, FeedbackTable, LabelRow
from tidemill.data.rows import cell_text
from tidemill.domain.errors import (
    BadPayload,
    Conflict,
    ForeignLabel,
    InvalidRequest,
    NotFound,
    PayloadGone,
    UsageError,
)
from tidemill.domain.feedback import Feedback
from tidemill.domain.text import has_controls
from tidemill.domain.types import ModelVersion
from tidemill.loop.feedback import FEEDBACK_TABLE
from tidemill.loop.feedback_intake import (
    MAX_ACTOR,
    LabelClaim,
    PredictionLookup,
    ResolvedLabel,
    label_feedback,
    resolve_payload_label,
    store_examples,
)
from tidemill.loop.prediction_log import LoadedVersion
from tidemill.workspace.workspace import Workspace

WRITERS = 4
"""The number of payloads that are written at once."""


@dataclass(frozen=True, slots=True)
class PageLabels:
    """The labels of the rows that can be imported, and a sentence for each other row."""

    feedback: Sequence[Feedback]
    faults: Sequence[str]


class LabelReader:
    """Converts the rows of a table into feedback without recording it."""

    def __init__(self, workspace: Workspace, table: FeedbackTable) -> None:
        """Load the champion.

        Raises NotFound when there is none, and UsageError when the configured names do not fit its
        targets.
        """
        self._workspace = workspace
        self._table = table
        champion = workspace.champion()
        self._champion = self._load(champion)
        self._versions: dict[str, LoadedVersion | None] = {champion.id: self._champion}
        self._classes = self._champion.predictor.classes
        self._columns = table.columns.targets(self._classes)
        known = {name for target in self._columns for name in self._classes[target]}
        if unknown := [name for name in table.columns.values.values() if name not in known]:
            raise UsageError(
                f"feedback.values has the label {unknown[0]!r}, which the champion has not.",
                hint=f"The champion's labels are {self.known_labels()}.",
            )

    def known_labels(self) -> str:
        """Return the labels of every target, for a message."""
        named = {target: ", ".join(self._classes[target]) for target in self._columns}
        if len(self._classes) == 1:
            return next(iter(named.values()))
        return "; ".join(f"{target}: {names}" for target, names in named.items())

    def read(self, page: Sequence[LabelRow | FaultyRow]) -> PageLabels:
        """Read the labels of a page and make their examples durable. Raises StorageFailed."""
        labels: list[tuple[LabelRow, ResolvedLabel]] = []
        examples: dict[int, str] = {}
        faults: list[str] = []
        lookup = PredictionLookup(self._workspace, self._champion, self._find_loaded)
        for row in page:
            if isinstance(row, FaultyRow):
                faults.append(row.fault)
                continue
            try:
                resolved, stored = self._read_row(lookup, row)
                examples |= dict(enumerate(stored, start=len(labels)))
            except (
                BadPayload,
                Conflict,
                ForeignLabel,
                InvalidRequest,
                NotFound,
                PayloadGone,
            ) as error:
                named = f"The row of {self._table.name} of {row.at}"
                faults.append(f"{named} cannot be imported: {error.message}")
            else:
                labels += [(row, label) for label in resolved]
        examples |= self._store_payloads([label for _, label in labels])
        return PageLabels(
            [
                label_feedback(label, examples[at], at=row.at)
                for at, (row, label) in enumerate(labels)
            ],
            faults,
        )

    def _read_row(
        self, lookup: PredictionLookup, row: LabelRow
    ) -> tuple[list[ResolvedLabel], Sequence[str]]:
        """Return the labels of one row, and the ids of their examples if it names a prediction.

        A row whose prediction or its payload is gone counts by its own payload, if it has one.
        Raises what `_resolve` and `store_examples` raise.
        """
        if row.prediction:
            try:
                resolved = self._resolve(lookup, row)
                # A missing payload of a prediction is a fault of this row alone.
                return resolved, store_examples(self._workspace, resolved)
            except (NotFound, PayloadGone):
                if row.payload is None:
                    raise
        return self._resolve(lookup, replace(row, prediction="")), ()

    def _store_payloads(self, labels: Sequence[ResolvedLabel]) -> dict[int, str]:
        """Store the payloads durably. Return the id of each, by the position of its label."""
        payloads = {
            at: label.payload for at, label in enumerate(labels) if label.payload is not None
        }
        # Several at a time, because most of the time is spent waiting for the disk.
        with ThreadPoolExecutor(WRITERS) as pool:
            ids = list(pool.map(self._workspace.blobs.put, payloads.values()))
        return dict(zip(payloads, ids, strict=True))

    def _resolve(self, lookup: PredictionLookup, row: LabelRow) -> list[ResolvedLabel]:
        """Return the labels of one row, at least one.

        Raises ForeignLabel and what `resolve_payload_label` and `resolve_label` raise.
        """
        if len(row.actor) > MAX_ACTOR:
            raise InvalidRequest(f"Its actor has {len(row.actor)} characters.")
        if has_controls(row.actor):
            raise InvalidRequest(f"Its actor has control characters: {shortened(row.actor)}.")
        labels = []
        for target, column in self._columns.items():
            value = row.labels[column]
            if value is None and len(self._columns) > 1:
                continue  # of several targets, a row may name some
            label = label_of(value, self._classes[target], self._table.columns.values)
            if label is None:
                raise ForeignLabel(f"{shortened(value)} is no label of {target}.")
            claim = LabelClaim(target, label, row.actor or FEEDBACK_TABLE)
            if row.prediction or row.payload is None:
                labels.append(lookup.resolve_label(row.prediction, row.item, claim))
            else:
                decoded = self._champion.predictor.decode(row.payload)
                labels.append(
                    resolve_payload_label(self._champion, row.payload, claim, decoded=decoded)
                )
        if not labels:
            raise ForeignLabel("It has no label.")
        return labels

    def _find_loaded(self, id: str) -> LoadedVersion | None:
        """Return the model of a version if its codec is needed for items."""
        if id not in self._versions:
            if self._champion.predictor.many is None:
                self._versions[id] = None
            else:
                with self._workspace.ledger.begin(write=False) as unit:
                    version = unit.get(ModelVersion, id)
                self._versions[id] = self._load(version)
        return self._versions[id]

    def _load(self, version: ModelVersion) -> LoadedVersion:
        return LoadedVersion(version, self._workspace.predictor(version))


def label_of(value: object, classes: Sequence[str], values: Mapping[str, str]) -> str | None:
    """Return the label that a value of the database means; None when it means none.

    The name of a class means itself. `values` maps other texts, in lower case, to labels. A truth
    value is spelled `true` or `false`, a whole number by its digits.
    """
    if value in classes:
        return str(value)
    if isinstance(value, bytes):
        return None
    word = cell_text(value)
    label = word if word in classes else values.get(word.lower())
    return label if label in classes else None
