"""Predicts and records: a prediction is durable before a server or a workspace returns it.

One writer appends to one log and counts its predictions. The engine drains the logs of all writers.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from uuid_utils import uuid7

from tidemill.domain.drift import RequestKind
from tidemill.domain.errors import StorageFailed
from tidemill.domain.ports import Clock, TrafficLog
from tidemill.domain.types import ModelVersion, Prediction
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


class PredictionLog:
    """The log of one writer. Only one thread may use it at a time."""

    def __init__(self, *, server: str, clock: Clock, traffic: TrafficLog) -> None:
        """`server` is the id of the writer, a UUIDv7, and the name of its log."""
        self._server = server
        self._clock = clock
        self._traffic = traffic
        self._sequence = 0

    def predict(
        self, loaded: LoadedVersion, requests: Sequence[PredictionRequest]
    ) -> list[Prediction]:
        """Return one prediction per request, in order. Nothing is recorded yet.

        Raises what `Predictor.predict_with_bins` raises.
        """
        predictor = loaded.predictor
        inputs = [request.preprocessed for request in requests]
        observed = predictor.predict_with_bins(inputs)
        now = self._clock.now()
        predictions = []
        for request, (answers, bins) in zip(requests, observed, strict=True):
            # A failed append uses its numbers up: nobody can tell how far it came.
            self._sequence += 1
            golden = request.kind == "golden"
            predictions.append(
                Prediction(
                    id=str(uuid7()),
                    server=self._server,
                    sequence=self._sequence,
                    version=loaded.version.id,
                    at=now,
                    kind=request.kind,
                    # The bundle holds the golden samples; the log need not hold them again.
                    payload=b"" if golden else request.payload,
                    answers=answers,
                    bins=bins,
                    remarks=predictor.remarks(request.preprocessed.decoded),
                )
            )
        return predictions

    def append(self, predictions: Sequence[Prediction]) -> None:
        """Make these durable together. Raises StorageFailed, and then none of them is kept."""
        if not predictions:
            return
        try:
            self._traffic.append(predictions)
        except StorageFailed:
            raise
        except Exception as error:
            log.exception("The traffic log failed")
            raise StorageFailed(
                "The traffic log cannot store the prediction, so it is not returned."
            ) from error
