"""A client of a running server, with the types and the errors of `Workspace`.

Training, promotion and review have no routes: they are done at home, where the workspace is.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

import httpx
from pydantic import TypeAdapter, ValidationError

from tidemill.codecs.codec import Payload, codec_class
from tidemill.codecs.payload_like import PayloadLike, list_payloads, name_payload, to_payload
from tidemill.domain.cycle import Cycle
from tidemill.domain.errors import (
    BadPayload,
    InvalidRequest,
    NotReady,
    TidemillError,
    Unavailable,
    rebuild_error,
)
from tidemill.domain.feedback import Feedback, FeedbackStatus
from tidemill.domain.types import Answer, Explanation, Prediction
from tidemill.learn.progress import SILENT, Progress
from tidemill.loop.drift import DriftPolicy, Window
from tidemill.workspace.drift import DriftReport
from tidemill.workspace.versions import VersionRecord, Versions

BATCH = 16
"""Payloads of one request; a server takes 64 unless it is set to take fewer."""
TIMEOUT_S = 60.0

T = TypeVar("T")


class Client:
    """A server by its URL. Use it in a `with` block, or call `close`.

    `key` is sent as a bearer token; a server without keys ignores it. Every method raises
    Unavailable when the server cannot be reached, and otherwise the error that the server names.
    """

    def __init__(
        self,
        url: str,
        key: str = "",
        *,
        timeout: float = TIMEOUT_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Name the server; nothing is sent yet.

        `timeout` is in seconds, per request. `transport` replaces the network, for tests.
        """
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(
            base_url=url, headers=headers, timeout=timeout, transport=transport
        )

    def predict(self, payload: PayloadLike) -> Prediction:
        """Return the prediction for one payload, which the server has recorded.

        `payload` is what `Workspace.predict` takes. Raises BadPayload, InvalidRequest and DataError
        for the payload, NotReady, Overloaded and StorageFailed.
        """
        [prediction] = self.predict_many([payload])
        return prediction

    def predict_many(
        self, payloads: Iterable[PayloadLike] | PayloadLike, *, progress: Progress = SILENT
    ) -> list[Prediction]:
        """Return the prediction for each of many payloads, in order, in requests of a few.

        `payloads` is what `Workspace.predict_many` takes. Raises what `predict` raises; what was
        predicted before stays recorded.
        """
        total = len(payloads) if isinstance(payloads, list | tuple) else 0
        predictions: list[Prediction] = []
        values = list_payloads(self._form, payloads)
        while batch := list(islice(values, BATCH)):
            predictions += self._predict(batch, len(predictions), alone=total == 1)
            progress.step(len(predictions), max(total, len(predictions)))
        return predictions

    def explain(
        self, payload: PayloadLike, *, target: str | None = None, label: str | None = None
    ) -> Explanation:
        """Return which parts of an image the answer rests on. Nothing is recorded.

        Raises BadPayload, UsageError for what cannot be explained, Overloaded, NotReady.
        """
        names = {"target": target, "label": label}
        body = self._send(
            "POST",
            "/v1/explain",
            files={"file": to_payload(self._form, payload)},
            params={name: value for name, value in names.items() if value is not None},
            headers={"Accept": "application/json"},
        )
        return _read(Explanation, {**body, "image": base64.b64decode(body["image"])})

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

        Raises ForeignLabel, InvalidRequest, NotFound, PayloadGone, NotReady and StorageFailed.
        """
        row: dict[str, Any] = {"target": target, "item": item, "label": label}
        if actor:
            row["actor"] = actor
        if isinstance(subject, Prediction):
            row["prediction"] = subject.id
        else:
            payload = self._form.from_bytes(to_payload(self._form, subject))
            row["payload"] = payload.model_dump(mode="json")
        body = self._send("POST", "/v1/feedback", json=row)
        [receipt] = body["feedback"]
        return _read(Feedback, {name: receipt[name] for name in receipt if name != "repeated"})

    def list_feedback(
        self, *, status: FeedbackStatus | None = None, limit: int = 100
    ) -> list[Feedback]:
        """Return the newest feedback first; of one status, the oldest first."""
        params = {"limit": limit} | ({"status": status} if status else {})
        body = self._send("GET", "/v1/feedback", params=params)
        return _read(list[Feedback], body["feedback"])

    def prediction(self, id: str) -> Prediction:
        """Return a prediction by its id. Raises NotFound, StorageFailed."""
        body = self._send("GET", f"/v1/predictions/{id}")
        del body["lineage"]
        return _read(Prediction, {**body, "payload": b""})

    def why(self, subject: Prediction | VersionRecord | str = "") -> tuple[str, ...]:
        """Return the chain of causes of a version, a cycle or a prediction, or of its id.

        Without a subject, that of the served version. Raises NotFound, NotReady.
        """
        id = subject if isinstance(subject, str) else subject.id
        return tuple(self._send("GET", f"/v1/why/{id or self._champion()}")["causes"])

    def drift(self, *, limit: int = 5) -> DriftReport:
        """Return the latest `limit` drift verdicts on the champion. Raises NotReady without one."""
        body = self._send("GET", "/v1/drift", params={"limit": limit})
        if body["version"] is None:
            raise NotReady("No version is champion.")
        policy = _read(DriftPolicy, body["policy"])
        n = body["unjudged"]
        return _read(
            DriftReport,
            {
                "version": body["version"],
                "policy": policy,
                "window": Window(n, max(0, policy.minimum - n)),
                "verdicts": body["verdicts"],
            },
        )

    def versions(self, *, limit: int = 100) -> Versions:
        """Return the registered versions, newest first."""
        body = self._send("GET", "/v1/models", params={"limit": limit})
        return Versions(_version(row) for row in body["models"])

    def version(self, version: str) -> VersionRecord:
        """Return one registered version. Raises NotFound."""
        return _version(self._send("GET", f"/v1/models/{version}"))

    def list_cycles(self, *, limit: int = 100) -> list[Cycle]:
        """Return the cycles, newest first."""
        body = self._send("GET", "/v1/cycles", params={"limit": limit})
        return _read(list[Cycle], body["cycles"])

    def info(self) -> Mapping[str, Any]:
        """Return what runs there: recipe, versions, codec, classes, durability."""
        info: dict[str, Any] = self._send("GET", "/v1/info")
        return info

    def require_ready(self) -> str:
        """Return the served version. Raises NotReady with the reason when there is none."""
        return str(self._send("GET", "/v1/ready")["version"])

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _predict(
        self, batch: Sequence[PayloadLike], start: int, *, alone: bool
    ) -> list[Prediction]:
        """Send one request; an error names the file, or the payload's place among all."""
        files = []
        for index, value in enumerate(batch, start):
            try:
                files.append(("file", (str(index), to_payload(self._form, value))))
            except InvalidRequest as error:
                raise name_payload(error, value, None if alone else index) from error
        try:
            body = self._send("POST", "/v1/predict", files=files)
        except BadPayload as error:
            if len(batch) == 1:
                raise name_payload(error, batch[0], None if alone else start) from error
            # The server counts from the start of the request.
            place = f"Of payloads {start} to {start + len(batch) - 1}"
            raise BadPayload(f"{place}: {error.message}", hint=error.hint) from error
        return list(_predictions(body["predictions"]))

    @cached_property
    def _form(self) -> type[Payload]:
        """The JSON form of the server's payloads."""
        kind = self.info()["codec"]
        if kind is None:
            self.require_ready()
            raise NotReady("No version is champion.")
        return codec_class(kind).payload

    def _champion(self) -> str:
        return self.require_ready()

    def _send(self, method: str, path: str, **content: Any) -> Any:
        """Return the body of a good response. Raises the error that a bad one names."""
        try:
            response = self._http.request(method, path, **content)
        except httpx.HTTPError as error:
            raise Unavailable(
                f"{self._http.base_url} cannot be reached: {error or type(error).__name__}.",
                hint="Is the server running? `tidemill doctor` looks for usual causes.",
            ) from error
        if response.is_success:
            return response.json()
        raise _error(response)


def _error(response: httpx.Response) -> TidemillError:
    """Return the error of a bad response; one that is not Tidemill's has its status as the code."""
    try:
        return rebuild_error(**response.json()["error"])
    except (ValueError, KeyError, TypeError):
        status = f"{response.status_code} {response.reason_phrase}".strip()
        return rebuild_error(
            f"http_{response.status_code}",
            f"{response.url} answered {status}, without an error of Tidemill's.",
            hint="Is this the address of a Tidemill server, or of a proxy before it?",
        )


def _predictions(entries: Sequence[Mapping[str, Any]]) -> Iterator[Prediction]:
    """Yield the prediction of each payload; the entries of one payload share its index."""
    by_payload: dict[int, list[Mapping[str, Any]]] = {}
    for entry in entries:
        by_payload.setdefault(entry["index"], []).append(entry)
    for rows in by_payload.values():
        first = rows[0]
        yield Prediction(
            id=first["id"],
            server="",
            sequence=0,
            version=first["version"],
            # The id is a UUIDv7, which begins with the milliseconds of its time.
            at=datetime.fromtimestamp((UUID(first["id"]).int >> 80) / 1000, UTC),
            kind="live",
            payload=b"",
            answers=tuple(
                Answer(
                    target=row["target"],
                    label=row["label"],
                    confidence=row["confidence"],
                    probabilities=row["probabilities"],
                    item=row["item"],
                )
                for row in rows
            ),
            remarks=tuple(first.get("remarks", ())),
        )


def _version(row: Mapping[str, Any]) -> VersionRecord:
    rest = {name: row[name] for name in row if name not in ("training", "aliases", "verdicts")}
    return _read(
        VersionRecord,
        {
            "version": rest,
            "run": row["training"],
            "aliases": row["aliases"],
            "verdicts": row["verdicts"],
        },
    )


def _read(kind: type[T], body: object) -> T:
    """Return the record that a body holds. Raises Unavailable for one of another version."""
    try:
        return TypeAdapter(kind).validate_python(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Unavailable(
            f"The server sent something else than expected: {place}: {first['msg']}.",
            hint="Use the same version of Tidemill on both sides.",
        ) from error
