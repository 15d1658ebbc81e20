"""The rows of a batch that are decoded, predicted and recorded together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from pathlib import Path
from typing import Any

from tidemill.codecs.payload_like import to_payload
from tidemill.data.payload_files import InputRow
from tidemill.domain.drift import RequestKind
from tidemill.domain.errors import BadPayload, DataError, InvalidRequest, TidemillError
from tidemill.domain.types import Prediction, payload_id
from tidemill.loop.prediction_log import LoadedVersion, PredictionRequest
from tidemill.workspace.batch_journal import BatchJournal, JournalRow
from tidemill.workspace.predictions import Recorder

CHUNK = 64
"""Payloads of a chunk."""
CHUNK_BYTES = 64 << 20
"""A chunk ends with the payload that reaches this size."""


class BatchChunk:
    """Rows that are recorded together. `logged` holds predictions that need not be repeated."""

    def __init__(
        self,
        loaded: LoadedVersion,
        kind: RequestKind,
        logged: Mapping[str, list[Prediction]],
        pool: Executor,
        *,
        stop: bool,
    ) -> None:
        """`pool` decodes the rows. With `stop`, the first error ends the batch."""
        self._loaded = loaded
        self._kind = kind
        self._logged = logged
        self._pool = pool
        self._stop = stop
        self._rows: list[tuple[InputRow, Future[PredictionRequest | TidemillError]]] = []
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        return len(self._rows) >= CHUNK or self._bytes >= CHUNK_BYTES

    def add(self, row: InputRow) -> None:
        """Begin to decode one row."""
        self._bytes += _size_of(row)
        self._rows.append((row, self._pool.submit(self._decode, row)))

    def finish(self, recorder: Recorder, journal: BatchJournal) -> int:
        """Predict, log and then journal the rows; the chunk is empty then. Returns their number.

        Raises DataError for the first row at fault where errors stop, after the rows before it.
        """
        rows = [(row, future.result()) for row, future in self._rows]
        self._rows, self._bytes = [], 0
        faults = [at for at, (_, outcome) in enumerate(rows) if isinstance(outcome, TidemillError)]
        end = faults[0] if faults and self._stop else len(rows)
        if done := self._predict(recorder, rows[:end]):
            journal.append(done)
        for row, error in rows[end:]:
            if isinstance(error, TidemillError):
                raise _stopped(row, error)
        return len(done)

    def _predict(
        self, recorder: Recorder, rows: Sequence[tuple[InputRow, PredictionRequest | TidemillError]]
    ) -> list[JournalRow]:
        outcomes: list[Prediction | TidemillError | None] = [None] * len(rows)
        requests: list[tuple[int, PredictionRequest]] = []
        for at, (_, outcome) in enumerate(rows):
            if isinstance(outcome, TidemillError):
                outcomes[at] = outcome
            elif logged := self._logged.get(payload_id(outcome.payload)):
                outcomes[at] = logged.pop(0)
            else:
                requests.append((at, outcome))
        while requests:
            try:
                predictions = recorder.predict(self._loaded, [each for _, each in requests])
            except BadPayload as error:
                # The model overflowed on one of them; the others are predicted without it.
                at, _ = requests.pop(error.index)
                if self._stop:
                    raise _stopped(rows[at][0], error) from error
                outcomes[at] = error
            else:
                for (at, _), prediction in zip(requests, predictions, strict=True):
                    outcomes[at] = prediction
                break
        return [
            self._journal_row(row, request, outcome)
            for (row, request), outcome in zip(rows, outcomes, strict=True)
        ]

    def _decode(self, row: InputRow) -> PredictionRequest | TidemillError:
        if row.error is not None or row.value is None:
            return row.error or DataError("There is no payload.")
        form = self._loaded.predictor.codec.payload
        try:
            payload = to_payload(form, row.value, cells=row.cells)
            return PredictionRequest(
                payload, self._loaded.predictor.preprocess(payload), self._kind
            )
        except (BadPayload, InvalidRequest, DataError) as error:
            return error

    def _journal_row(
        self,
        row: InputRow,
        request: PredictionRequest | TidemillError,
        outcome: Prediction | TidemillError | None,
    ) -> JournalRow:
        body: dict[str, Any] = {"source": row.source, "extras": row.extras}
        if isinstance(outcome, TidemillError):
            fields = {"code": outcome.code, "message": outcome.message, "hint": outcome.hint}
            return JournalRow(body | {"error": fields})
        assert outcome is not None  # noqa: S101 - every request has an outcome
        assert isinstance(request, PredictionRequest)  # noqa: S101 - for mypy
        remarks = self._loaded.predictor.remarks(request.preprocessed.decoded)
        body |= {"id": outcome.id, "answers": outcome.answers, "remarks": remarks}
        return JournalRow(body, outcome.server, outcome.sequence)


def _size_of(row: InputRow) -> int:
    """Return how many bytes a payload has, or will have once its file is read."""
    if isinstance(row.value, os.PathLike):
        with suppress(OSError):
            return Path(row.value).stat().st_size
    return len(row.value) if isinstance(row.value, bytes | str) else 0


def _stopped(row: InputRow, error: TidemillError) -> DataError:
    hint = f"{error.hint} --errors write lists such rows in a file and goes on from here."
    return DataError(f"{row.source}: {error.message}", hint=hint.strip())
