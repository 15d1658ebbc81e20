"""Feedback that joins a snapshot, for the tests of what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from tidemill.data.retraining_set import AcceptedLabels, RetrainingSet
from tidemill.data.snapshots import SnapshotStore
from tidemill.domain.types import Example, Split, payload_id

Make = Callable[..., Example]
Extend = Callable[..., RetrainingSet]
Named = Callable[[Split], str]
DISTANCE = 6
AT = datetime(2026, 4, 1, tzinfo=UTC)


def accept_label(
    payload: str | bytes, label: str = "rust", id: str = "", **more: str
) -> AcceptedLabels:
    data = payload.encode() if isinstance(payload, str) else payload
    labels = {"disease": label} | more
    return AcceptedLabels((id or f"f-{payload!r}",), payload_id(data), labels, lambda: data)


def rows(store: SnapshotStore, id: str) -> dict[str, Example]:
    """The rows of a snapshot by payload, verified."""
    opened = store.open(id)
    opened.verify()
    return {row.payload.decode(): row for row in opened.rows()}
