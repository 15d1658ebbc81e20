"""Convert a record into a row of its table, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from tidemill.domain.api_key import ApiKey
from tidemill.domain.cycle import Cycle
from tidemill.domain.drift import DriftVerdict, FeatureDrift, Profile
from tidemill.domain.ledger import R, Record
from tidemill.domain.types import Answer, Check, Prediction, Snapshot, Verdict


def to_row(record: Record) -> dict[str, Any]:
    """Return the record's columns."""
    values = asdict(record)
    if isinstance(record, DriftVerdict):
        values["answers"] = values.pop("n")  # the column `n` is the row's number
    if isinstance(record, Cycle):
        values["open"] = record.open or None
    return values


def from_row(kind: type[R], row: Mapping[str, Any]) -> R:
    """Return the record of a row."""
    values = {field.name: row[field.name] for field in fields(kind)}
    if kind is Snapshot:
        values["classes"] = {target: tuple(names) for target, names in values["classes"].items()}
    if kind is Verdict:
        values["checks"] = tuple(Check(**check) for check in values["checks"])
    if kind is DriftVerdict:
        values["n"] = row["answers"]
        values["features"] = tuple(FeatureDrift(**feature) for feature in values["features"])
    if kind is ApiKey:
        values["scopes"] = tuple(values["scopes"])
    if kind is Cycle:
        values["runs"] = tuple(values["runs"])
    return kind(**values)


def prediction_to_row(prediction: Prediction) -> dict[str, Any]:
    """Return the columns of a drained prediction, without payload and bins."""
    return {
        "id": prediction.id,
        "server": prediction.server,
        "sequence": prediction.sequence,
        "version": prediction.version,
        "at": prediction.at,
        "kind": prediction.kind,
        "example": prediction.example,
        "request_id": prediction.request_id,
        "traceparent": prediction.traceparent,
        "answers": [_answer_to_json(answer) for answer in prediction.answers],
    }


def _answer_to_json(answer: Answer) -> dict[str, Any]:
    # Not asdict: its deep copies would cost a drain more than the writes.
    values = {name: getattr(answer, name) for name in Answer.__slots__}
    return {**values, "probabilities": dict(answer.probabilities)}


def prediction_from_row(row: Mapping[str, Any]) -> Prediction:
    """Return the prediction of a row, without its payload."""
    values = {name: value for name, value in row.items() if name not in ("n", "answers")}
    answers = tuple(Answer(**answer) for answer in row["answers"])
    return Prediction(**values, payload=b"", answers=answers)


def profile_from_row(row: Mapping[str, Any]) -> Profile:
    """Return the profile of a row."""
    values = {name: value for name, value in row.items() if name not in ("window", "counts")}
    return Profile(**values, counts=tuple(row["counts"]))
