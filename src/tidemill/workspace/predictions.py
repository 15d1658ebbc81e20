"""Predict with the champion, explain its answers, serve it, and record feedback."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path

from uuid_utils import uuid7

from tidemill.adapters.child_process import Ended, ServerProcess, require_ready
from tidemill.adapters.traffic import SqliteTraffic
from tidemill.bundle import open_folder
from tidemill.codecs.payload_like import (
    PayloadLike,
    find_files,
    list_payloads,
    name_payload,
    to_payload,
)
from tidemill.domain.errors import (
    BadPayload,
    Corrupt,
    InvalidRequest,
    NotFound,
    Unavailable,
)
from tidemill.domain.feedback import Feedback
from tidemill.domain.ports import Clock
from tidemill.domain.types import Explanation, ModelVersion, Prediction, payload_id
from tidemill.learn.progress import SILENT, Progress
from tidemill.loop.feedback_intake import (
    LabelClaim,
    PredictionLookup,
    record_labels,
    resolve_payload_label,
)
from tidemill.loop.lineage import PREDICTION_ID
from tidemill.loop.prediction_log import LoadedVersion, PredictionLog, PredictionRequest, observe
from tidemill.occlusion import map_occlusion
from tidemill.predictor import Predictor
from tidemill.settings import Settings
from tidemill.workspace.parts import WorkspaceParts, load_predictor

BATCH = 64
"""Payloads that are held and predicted together."""


class PredictionPart(WorkspaceParts):
    """The methods of a workspace that use its champion."""

    _loaded: LoadedVersion | None = None

    def predict(self, payload: PayloadLike, *, record: bool = True) -> Prediction:
        """Return the champion's prediction for one payload.

        `payload` is bytes, the path of a file, a text, a Pillow image, a dict, or a row of a data
        frame. The prediction is in the traffic log before this returns, so feedback and drift
        checks know it. With `record=False` it is not, and it has no id. Raises NotFound without a
        champion, BadPayload, InvalidRequest and DataError for the payload, Corrupt, StorageFailed.
        """
        loaded = self._load_champion()
        request = _preprocess(loaded.predictor, payload, 0, alone=True)
        [prediction] = self._predict(loaded, [request], record=record)
        return prediction

    def predict_many(
        self,
        payloads: Iterable[PayloadLike] | PayloadLike,
        *,
        record: bool = True,
        progress: Progress = SILENT,
    ) -> list[Prediction]:
        """Return the champion's prediction for each of many payloads, in order.

        `payloads` is a folder, a glob, a data frame, an Arrow table, or an iterable of what
        `predict` takes. They are read and recorded in batches. Raises what `predict` raises, and
        names the payload at fault; the batches before it stay recorded.
        """
        loaded = self._load_champion()
        form = loaded.predictor.codec.payload
        total = len(payloads) if isinstance(payloads, list | tuple) else 0
        predictions: list[Prediction] = []
        values = list_payloads(form, payloads)
        while batch := list(islice(values, BATCH)):
            requests = [
                _preprocess(loaded.predictor, value, index, alone=total == 1)
                for index, value in enumerate(batch, len(predictions))
            ]
            predictions += self._predict(loaded, requests, record=record)
            progress.step(len(predictions), max(total, len(predictions)))
        return predictions

    def find_files(self, *paths: str | os.PathLike[str]) -> list[Path]:
        """Return the files that these paths, folders and globs name, as `predict_many` reads them.

        Raises NotFound without a champion, and DataError for a path that names no file.
        """
        return find_files(self._load_champion().predictor.codec.payload, paths)

    def explain(
        self, payload: PayloadLike, *, target: str | None = None, label: str | None = None
    ) -> Explanation:
        """Return which parts of an image the champion's answer rests on. Nothing is recorded.

        `target` is by default the model's first, `label` the predicted one. Raises what `predict`
        raises, and UsageError for another kind of payload and for an unknown target or label.
        """
        loaded = self._load_champion()
        content = to_payload(loaded.predictor.codec.payload, payload)
        try:
            occlusion = map_occlusion(loaded.predictor, content, target=target, label=label)
        except BadPayload as error:
            raise name_payload(error, payload) from error
        return occlusion.explanation(loaded.version.id)

    def feedback(
        self,
        subject: Prediction | PayloadLike,
        label: str,
        *,
        target: str = "",
        item: str = "",
        actor: str = "",
    ) -> Feedback:
        """Record the right label of a prediction or of a payload; it is pending at first.

        A text that has the form of a prediction's id names that prediction. `target` is needed
        where the model has several, `item` where the prediction has several.
        Raises ForeignLabel for a label that the model does not have, InvalidRequest, NotFound,
        PayloadGone, StorageFailed, and what `predict` raises for a payload.
        """
        champion = self._load_champion()
        claim = LabelClaim(target, label, actor or self.actor)
        if isinstance(subject, Prediction):
            subject = subject.require_id()
        if isinstance(subject, str) and PREDICTION_ID.fullmatch(subject):
            lookup = PredictionLookup(self, champion, self._find_loaded)
            resolved = lookup.resolve_label(subject, item, claim)
        else:
            payload = to_payload(champion.predictor.codec.payload, subject)
            resolved = resolve_payload_label(
                champion, payload, claim, decoded=champion.predictor.decode(payload)
            )
        [(record, _)] = record_labels(self, [resolved])
        return record

    def serve(self, *, port: int = 0, host: str | None = None) -> ServerProcess:
        """Start a server of this workspace as a child process, and wait until it is ready.

        Use it in a `with` block; `url` is where it listens. Port 0 takes a free one. The server
        gets this workspace's settings, logs to `server.log` there, and ends with this process.
        Raises NotReady when no model passes its golden check, and Unavailable when it cannot start.
        """
        settings = self.settings.variables()
        if host is not None:
            settings["TIDEMILL_HOST"] = host
        log = self.home / "server.log"
        try:
            with log.open("ab") as file:
                server = ServerProcess(self.home, port=port, settings=settings, log=file)
        except OSError as error:
            raise Unavailable(
                f"{self.home} cannot be served: {error.strerror}.",
                hint="Train a model first: workspace.train(promote=True).",
            ) from error
        except Ended as ended:
            fault = Unavailable("The server did not start.", hint=f"{log} says why.")
            raise ended.error or fault from ended
        try:
            require_ready(server.url)
        except BaseException:
            server.stop()
            raise
        return server

    def close(self) -> None:
        """Let go of files and connections; a later call opens them again."""
        recorder: Recorder | None = self.__dict__.pop("_recorder", None)
        if recorder is not None:
            recorder.close()
        self._loaded = None
        self.__dict__.pop("_others", None)
        super().close()

    @cached_property
    def _recorder(self) -> Recorder:
        return self._open_recorder()

    def _open_recorder(self) -> Recorder:
        return Recorder(self.home / "traffic", self.settings, self.clock)

    def _predict(
        self, loaded: LoadedVersion, requests: Sequence[PredictionRequest], *, record: bool
    ) -> list[Prediction]:
        """Predict, and record where asked; an example id stands for each payload from here on."""
        examples = [payload_id(request.payload) for request in requests]
        if record:
            if self._recorder.process != os.getpid():
                # A fork has a log of its own: two writers of one log would count alike.
                del self._recorder
            predictions = self._recorder.predict(loaded, requests)
            return [
                replace(row, payload=b"", example=example)
                for row, example in zip(predictions, examples, strict=True)
            ]
        inputs = [request.preprocessed.decoded for request in requests]
        rows = zip(inputs, loaded.predictor.predict(inputs), examples, strict=True)
        return [
            Prediction(
                id="",
                server="",
                sequence=0,
                version=loaded.version.id,
                at=self.clock.now(),
                kind="live",
                payload=b"",
                answers=answers,
                example=example,
                remarks=loaded.predictor.remarks(decoded),
            )
            for decoded, answers, example in rows
        ]

    def _load_champion(self) -> LoadedVersion:
        """Return the champion of this moment, loaded once."""
        champion = self.champion()
        if self._loaded is None or self._loaded.version.id != champion.id:
            self._loaded = LoadedVersion(champion, self.predictor(champion))
        return self._loaded

    def _find_loaded(self, version: str) -> LoadedVersion | None:
        """Return the model of a version; None when its bundle is not here any more."""
        champion = self._load_champion()
        if version == champion.version.id:
            return champion
        if version not in self._others:
            with self.ledger.begin(write=False) as unit:
                registered = unit.get(ModelVersion, version)
            try:
                self._others[version] = LoadedVersion(registered, self.predictor(registered))
            except (NotFound, Corrupt):
                return None
        return self._others[version]

    @cached_property
    def _others(self) -> dict[str, LoadedVersion]:
        """Versions that feedback was about, beside the champion."""
        return {}


class Recorder:
    """A traffic log of this process; several threads may predict."""

    def __init__(self, folder: Path, settings: Settings, clock: Clock) -> None:
        self.process = os.getpid()
        self.server = server = str(uuid7())
        self._traffic = SqliteTraffic(
            folder, server, durability=settings.durability, max_mb=settings.traffic_max_mb
        )
        self._log = PredictionLog(server=server, clock=clock, traffic=self._traffic)
        self._lock = threading.Lock()

    def predict(
        self, loaded: LoadedVersion, requests: Sequence[PredictionRequest]
    ) -> list[Prediction]:
        """Predict and make the predictions durable."""
        with self._lock:
            return self._log.record(observe(loaded, requests))

    def close(self) -> None:
        with self._lock:
            self._traffic.close()


def open_bundle(path: str | os.PathLike[str]) -> Predictor:
    """Open the folder of a bundle without a workspace, and verify its files.

    The folder may have any name. Without a ledger nobody knows which bundle it should be: compare
    `bundle.id` with what you expect. Raises NotFound and Corrupt.
    """
    return load_predictor(open_folder(Path(path).absolute()))


def _preprocess(
    predictor: Predictor, value: PayloadLike, index: int, *, alone: bool
) -> PredictionRequest:
    """Read and decode one payload. An error names the file, or the payload's place among many."""
    try:
        payload = to_payload(predictor.codec.payload, value)
        return PredictionRequest(payload, predictor.preprocess(payload))
    except (BadPayload, InvalidRequest) as error:
        raise name_payload(error, value, None if alone else index) from error
