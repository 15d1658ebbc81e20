"""Predicts and records: a prediction is durable before a server or a workspace returns it.

One writer appends to one log and counts its predictions. The engine drains the logs of all writers.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from uuid_utils import uuid7

from tidemill.domain.drift import RequestKind
from tidemill.domain.errors import StorageFailed
from tidemill.domain.ports import Clock, TrafficLog
from tidemill.domain.types import Answer, ModelVersion, Prediction
from tidemill.predictor import Predictor, Preprocessed

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class LoadedVersion:
    """A registered version and its loaded model."""

    version: ModelVersion
    predictor: Predictor


@dataclass(frozen=True, slots=True)
class PredictionRequest:
    """A payload that is to be predicted, decoded already, and who sent it."""

    payload: bytes
    preprocessed: Preprocessed
    kind: RequestKind = "live"
    request_id: str = ""
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """What a version answered to a request, not recorded yet. `bins` are for the drift check."""

    loaded: LoadedVersion
    request: PredictionRequest
    answers: tuple[Answer, ...]
    bins: bytes


class PredictionLog:
    """The log of one writer. Threads may share it."""

    def __init__(self, *, server: str, clock: Clock, traffic: TrafficLog) -> None:
        """`server` is the id of the writer, a UUIDv7, and the name of its log."""
        self._server = server
        self._clock = clock
        self._traffic = traffic
        self._sequence = 0
        self._writing = threading.Lock()

    def check(self) -> None:
        """Raise StorageFailed when the log cannot be written now."""
        self._traffic.check()

    def record(self, observations: Sequence[Observation]) -> list[Prediction]:
        """Return the prediction of each, in order, once all are durable together.

        Raises StorageFailed, and then none of them is in the log.
        """
        if not observations:
            return []
        # Numbers and appends have one order, because the engine reads the log by number.
        with self._writing:
            predictions = self._number(observations)
            try:
                self._traffic.append(predictions)
            except StorageFailed:
                raise
            except Exception as error:
                log.exception("The traffic log failed")
                raise StorageFailed(
                    "The traffic log cannot store the prediction, so it is not returned."
                ) from error
        return predictions

    def _number(self, observations: Sequence[Observation]) -> list[Prediction]:
        now = self._clock.now()
        predictions = []
        for row in observations:
            # A failed append uses its numbers up: nobody can tell how far it came.
            self._sequence += 1
            request = row.request
            predictions.append(
                Prediction(
                    id=str(uuid7()),
                    server=self._server,
                    sequence=self._sequence,
                    version=row.loaded.version.id,
                    at=now,
                    kind=request.kind,
                    # The bundle holds the golden samples; the log need not hold them again.
                    payload=b"" if request.kind == "golden" else request.payload,
                    answers=row.answers,
                    bins=row.bins,
                    remarks=row.loaded.predictor.remarks(request.preprocessed.decoded),
                    request_id=request.request_id,
                    traceparent=request.traceparent,
                )
            )
        return predictions


def observe(loaded: LoadedVersion, requests: Sequence[PredictionRequest]) -> list[Observation]:
    """Run the model once and return what it answers to each request, in order.

    Raises what `Predictor.predict_with_bins` raises.
    """
    rows = loaded.predictor.predict_with_bins([request.preprocessed for request in requests])
    return [
        Observation(loaded, request, answers, bins)
        for request, (answers, bins) in zip(requests, rows, strict=True)
    ]
