"""A client of a running server, with the types and the errors of `Workspace`.

Training and judgement have no routes: they are done at home, where the workspace is.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any, Self

import httpx
from pydantic import TypeAdapter

from tidemill.client.replies import (
    path_segment,
    read_failure,
    read_predictions,
    read_record,
    read_version,
    reading,
    unexpected,
)
from tidemill.codecs.codec import Payload, codec_class
from tidemill.codecs.payload_like import PayloadLike, list_payloads, name_payload, to_payload
from tidemill.domain.cycle import Cycle
from tidemill.domain.drift import DriftVerdict
from tidemill.domain.errors import (
    BadPayload,
    InvalidRequest,
    NotReady,
    Unavailable,
    UsageError,
)
from tidemill.domain.feedback import Feedback, FeedbackStatus
from tidemill.domain.hosts import reaches_this_machine
from tidemill.domain.types import Explanation, Prediction, Verdict
from tidemill.learn.progress import SILENT, Progress
from tidemill.loop.drift import DriftPolicy, window_of
from tidemill.loop.lineage import PREDICTION_ID
from tidemill.loop.rollout import Rollback
from tidemill.workspace.drift import DriftReport
from tidemill.workspace.versions import VersionRecord, Versions

BATCH = 16
"""Payloads of one request; a server takes 64 unless it is set to take fewer."""
BATCH_BYTES = 16 << 20
"""Bytes of payloads after which a request takes no further one; a server takes 32 MiB."""
TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class _NumberedPayload:
    """A payload, what it was made of, and its place among all that were given."""

    index: int
    value: PayloadLike
    payload: bytes


class Client:
    """A server by its URL. Use it in a `with` block, or call `close`.

    `key` is an API key; a server refuses a wrong one. Every method raises
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
        """Name the server; nothing is sent yet. Raises UsageError for a malformed address or key.

        `timeout` is in seconds, per request. `transport` replaces the network, for tests.
        """
        if not (key.isascii() and key.isprintable()):
            raise UsageError("The key has characters that no key has.")
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"{url!r} is no address.", hint="Write http://HOST:PORT.")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            self._http = httpx.Client(
                base_url=url,
                headers=headers,
                timeout=timeout,
                transport=transport,
                # A proxy of the environment does not reach a server of this machine.
                trust_env=not reaches_this_machine(httpx.URL(url).host),
            )
        except httpx.InvalidURL as error:
            raise UsageError(f"{url!r} is no address: {error}.") from error

    def predict(self, payload: PayloadLike) -> Prediction:
        """Return the prediction for one payload, which the server has recorded.

        `payload` is what `Workspace.predict` takes. Raises BadPayload, InvalidRequest and DataError
        for the payload, NotReady, Overloaded and StorageFailed.
        """
        [batch] = self._batches([payload], alone=True)
        [prediction] = self._predict(batch, alone=True)
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
        alone = total == 1
        for batch in self._batches(list_payloads(self._form, payloads), alone=alone):
            predictions += self._predict(batch, alone=alone)
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
        with reading():
            return read_record(Explanation, {**body, "image": base64.b64decode(body["image"])})

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

        `actor` is a name that the server keeps as claimed; the actor is that of the key.

        Raises ForeignLabel, InvalidRequest, NotFound, PayloadGone, NotReady and StorageFailed.
        """
        row: dict[str, Any] = {"target": target, "item": item, "label": label}
        if actor:
            row["actor"] = actor
        if isinstance(subject, Prediction):
            subject = subject.require_id()
        if isinstance(subject, str) and PREDICTION_ID.fullmatch(subject):
            row["prediction"] = subject
        else:
            payload = self._form.from_bytes(to_payload(self._form, subject))
            row["payload"] = payload.model_dump(mode="json")
        body = self._send("POST", "/v1/feedback", json=row)
        with reading():
            [receipt] = body["feedback"]
            return read_record(
                Feedback, {name: receipt[name] for name in receipt if name != "repeated"}
            )

    def list_feedback(
        self, *, status: FeedbackStatus | None = None, limit: int = 100
    ) -> list[Feedback]:
        """Return the newest feedback first; of one status, the oldest first."""
        params = {"limit": limit} | ({"status": status} if status else {})
        body = self._send("GET", "/v1/feedback", params=params)
        with reading():
            return read_record(list[Feedback], body["feedback"])

    def accept_feedback(self, *ids: str, reason: str = "accepted over HTTP") -> list[Feedback]:
        """Accept all of these, or none; the key needs the scope review.

        Raises Unauthorised and Forbidden, NotFound and Conflict.
        """
        return self._review("accept", ids, reason)

    def reject_feedback(self, *ids: str, reason: str) -> list[Feedback]:
        """Reject all of these, or none; the key needs the scope review.

        Raises Unauthorised and Forbidden, NotFound and Conflict.
        """
        return self._review("reject", ids, reason)

    def promote(self, version: str, *, reason: str = "", override: str = "") -> Verdict:
        """Make a judged version the champion; the key needs the scope admin.

        `override` is a reason to promote it against its verdict. Raises Unauthorised and Forbidden,
        NotFound, GateRefused, and Conflict without a verdict on today's champion.
        """
        row = {"version": version, "reason": reason, "override": override}
        body = self._send("POST", "/v1/models/promote", json=row)
        with reading():
            return read_record(Verdict, body["verdict"])

    def rollback(self, *, reason: str = "rolled back over HTTP") -> Rollback:
        """Serve the previous champion again; the key needs the scope admin.

        Raises Unauthorised and Forbidden, and NotFound when there is none.
        """
        body = self._send("POST", "/v1/models/rollback", json={"reason": reason})
        with reading():
            return read_record(
                Rollback,
                {
                    "champion": body["champion"],
                    "previous": body["previous"],
                    "quarantined_feedback": body["quarantined"],
                },
            )

    def prediction(self, id: str) -> Prediction:
        """Return a prediction by its id. Raises NotFound, StorageFailed."""
        body = self._send("GET", f"/v1/predictions/{path_segment(id)}")
        with reading():
            del body["lineage"]
            return read_record(Prediction, {**body, "payload": b""})

    def why(self, subject: Prediction | VersionRecord | str | None = None) -> tuple[str, ...]:
        """Return the chain of causes of a version, a cycle or a prediction, or of its id.

        Without a subject, that of the served version. Raises NotFound, NotReady.
        """
        if isinstance(subject, Prediction):
            subject = subject.require_id()
        id = subject.id if isinstance(subject, VersionRecord) else subject
        body = self._send(
            "GET", f"/v1/why/{path_segment(self.require_ready() if id is None else id)}"
        )
        with reading():
            return read_record(tuple[str, ...], body["causes"])

    def drift(self, *, limit: int = 5) -> DriftReport:
        """Return the latest `limit` drift verdicts on the champion. Raises NotReady without one."""
        body = self._send("GET", "/v1/drift", params={"limit": limit})
        with reading():
            if body["version"] is None:
                raise NotReady("No version is champion.")
            policy = read_record(DriftPolicy, body["policy"])
            window = window_of(body["unjudged"], policy)
            verdicts = read_record(tuple[DriftVerdict, ...], body["verdicts"])
            return DriftReport(body["version"], policy, window, verdicts)

    def versions(self, *, limit: int = 100) -> Versions:
        """Return the registered versions, newest first."""
        body = self._send("GET", "/v1/models", params={"limit": limit})
        with reading():
            return Versions(read_version(row) for row in body["models"])

    def version(self, version: str) -> VersionRecord:
        """Return one registered version. Raises NotFound."""
        body = self._send("GET", f"/v1/models/{path_segment(version)}")
        with reading():
            return read_version(body)

    def list_cycles(self, *, limit: int = 100) -> list[Cycle]:
        """Return the cycles, newest first."""
        body = self._send("GET", "/v1/cycles", params={"limit": limit})
        with reading():
            return read_record(list[Cycle], body["cycles"])

    def info(self) -> Mapping[str, Any]:
        """Return what runs there: recipe, versions, codec, classes, durability."""
        info: dict[str, Any] = self._send("GET", "/v1/info")
        return info

    def require_ready(self) -> str:
        """Return the served version. Raises NotReady with the reason when there is none."""
        body = self._send("GET", "/v1/ready")
        with reading():
            return str(body["version"])

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

    def _batches(
        self, values: Iterable[PayloadLike], *, alone: bool
    ) -> Iterator[list[_NumberedPayload]]:
        """Yield the payloads of each request, as many as its two limits allow."""
        batch: list[_NumberedPayload] = []
        size = 0
        for index, value in enumerate(values):
            try:
                payload = to_payload(self._form, value)
            except (BadPayload, InvalidRequest) as error:
                raise name_payload(error, value, None if alone else index) from error
            batch.append(_NumberedPayload(index, value, payload))
            size += len(payload)
            if len(batch) == BATCH or size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _predict(self, batch: Sequence[_NumberedPayload], *, alone: bool) -> list[Prediction]:
        """Send one request; an error names the file, or the payload's place among all."""
        files = [("file", (str(at), row.payload)) for at, row in enumerate(batch)]
        try:
            body = self._send("POST", "/v1/predict", files=files)
        except BadPayload as error:
            first, last = batch[0], batch[-1]
            if len(batch) == 1:
                raise name_payload(error, first.value, None if alone else first.index) from error
            if not first.index:
                raise
            # The server counts from the start of the request.
            place = f"Of payloads {first.index} to {last.index}"
            raise BadPayload(f"{place}: {error.message}", hint=error.hint) from error
        with reading():
            predictions = list(read_predictions(body["predictions"]))
        if len(predictions) != len(batch):
            raise unexpected(f"{len(predictions)} predictions for {len(batch)} payloads")
        return predictions

    def _review(self, decision: str, ids: Sequence[str], reason: str) -> list[Feedback]:
        row = {"ids": list(ids), "reason": reason}
        body = self._send("POST", f"/v1/feedback/{decision}", json=row)
        with reading():
            return read_record(list[Feedback], body["feedback"])

    @cached_property
    def _form(self) -> type[Payload]:
        """The JSON form of the server's payloads."""
        info = self.info()
        with reading():
            kind = info["codec"]
        if kind is None:
            self.require_ready()
        return codec_class(str(kind)).payload

    def _send(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        """Return the body of a good response. Raises the error that a bad one names."""
        try:
            response = self._http.request(method, path, **content)
        except httpx.HTTPError as error:
            raise Unavailable(
                f"{self._http.base_url} cannot be reached: {error or type(error).__name__}.",
                hint="Is the server running? `tidemill doctor` looks for usual causes.",
            ) from error
        except (UnicodeError, RuntimeError) as error:
            # RuntimeError: the client is closed.
            raise UsageError(f"The request cannot be sent: {error}.") from error
        if not response.is_success:
            raise read_failure(response)
        with reading():
            return TypeAdapter(dict[str, Any]).validate_json(response.content)
