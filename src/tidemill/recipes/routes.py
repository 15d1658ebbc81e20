"""The contract between the server and a recipe's own HTTP routes.

A recipe's `routes.py` has a factory. It takes the server and returns a router with golden requests.
A golden request says how the server sends a golden sample to a route and where it reads the answer.
The server checks its routes this way at every start and before every change of model. A route gets
predictions only for a method and path that a golden request names. The server does not start when a
POST route has no golden request and its path is not in `silent_paths`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from fastapi import APIRouter, Request
from prometheus_client.registry import Collector

from tidemill.bundle import Golden
from tidemill.codecs.codec import Codec
from tidemill.domain.drift import DriftVerdict
from tidemill.domain.feedback import Feedback
from tidemill.domain.types import Labels, Prediction

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TopLabels:
    """What a route shows that gives only the likeliest labels, `limit` at most.

    `rows` are (label, probability) in falling order; the predicted label is first. A model with
    fewer labels than `limit` shows all of them.
    """

    rows: Sequence[tuple[str, float]]
    limit: int


NO_PROBABILITY = TopLabels((), 0)
"""What a route shows that gives the label alone. A body can hold None by mistake, so not None."""

ShownProbabilities = Mapping[str, float] | TopLabels | float
"""The probabilities of all labels, those of the likeliest, or that of the predicted label."""

ShownAnswer = tuple[str, str | int, ShownProbabilities]
"""Target, label and probabilities, as a client of the route reads them.

A label that is a number is an index into the target's labels in alphabetical order.
"""


class PredictionServer(Protocol):
    """The parts of the server that most routes need."""

    async def predict(self, request: Request, payloads: Sequence[bytes]) -> list[Prediction]:
        """Return one prediction per payload. The traffic log holds them before this returns.

        Raises BadPayload, Unavailable (not ready), Overloaded, StorageFailed; TidemillError when
        no golden request has this request's method and path.
        """

    def ready(self) -> bool:
        """Return True while the server serves a champion that passed its golden check."""


@dataclass(frozen=True, slots=True)
class DriftState:
    """What the ledger says about the champion's traffic. Only sums: the engine judges drift.

    `prediction_count` counts all live predictions that the engine drained, `unjudged_count` those
    that no drift verdict covers yet. `label_counts` counts the labels of the unjudged ones per
    target. `minimum` is how many predictions the next check needs by the champion's experiment,
    None where the experiment does not say. `verdicts` are newest first.
    """

    version: str
    prediction_count: int
    unjudged_count: int
    minimum: int | None
    label_counts: Mapping[str, Mapping[str, int]]
    verdicts: tuple[DriftVerdict, ...]


class Server(PredictionServer, Protocol):
    """All that a recipe's routes may use of the server."""

    async def record_feedback(
        self, request: Request, payload: bytes, labels: Labels, *, actor: str = ...
    ) -> list[Feedback]:
        """Record the right labels of a payload, as `POST /v1/feedback` does.

        Returns one record per target, or the earlier record that this one repeats. The ledger
        holds them before this returns. The actor is the caller: its key's name, or anonymous.
        `actor` is a name that the caller claims, without a right. Raises UsageError for a target or
        a label that the model does not have, BadPayload, Unavailable (not ready),
        StorageFailed; TidemillError in a golden request, which must not become feedback.
        """

    async def decode(self, request: Request, payloads: Sequence[bytes]) -> list[Any]:
        """Return each payload as the served model's codec decodes it, without a prediction.

        Cheap payloads are decoded in threads, costly ones in processes that a deadline ends; no
        request keeps another waiting for long. Raises BadPayload, Overloaded and Unavailable.
        """

    async def read(
        self, request: Request, function: Callable[..., T], *args: Any, cost_ns: float
    ) -> T:
        """Return `function(codec, *args)`, done where payloads are decoded.

        For routes that turn what clients send into payloads. `cost_ns` is about how many
        nanoseconds it takes at most. Arguments and result must be picklable, and the function
        importable by its name. Raises what the function raises and what `decode` raises.
        """

    def drift_state(self, *, limit: int) -> DriftState:
        """Return the state of the champion's traffic, with `limit` verdicts at most.

        Reads the ledger: call it from a route that is a plain `def`, which runs in a thread.
        Raises Unavailable when there is no champion, or this server does not serve it yet.
        """

    def codec(self, request: Request) -> Codec[Any]:
        """Return the codec of the model that answers this request. Raises Unavailable."""

    def golden_samples(self, request: Request) -> Sequence[Golden]:
        """Return validation examples with their labels, from the model that answers this request.

        Raises Unavailable (not ready).
        """

    def test_scores(self, request: Request) -> Mapping[str, Mapping[str, float]]:
        """Return `accuracy` and `macro_f1` of that model on the test split, per target.

        A target that had no test is left out. Reads a file: call it from a thread. Raises
        Unavailable (not ready, or the file cannot be read) and Corrupt.
        """

    def refresh(self, request: Request) -> str:
        """Read the ledger now, not at the next poll; return the champion that is served.

        The request must bring the token of the setting `refresh_token`. This may load and check a
        model: call it from a thread. Raises TidemillError for a wrong token (401) and where no
        token is set (403), Unavailable when the champion cannot be served.
        """

    def is_golden_request(self, request: Request) -> bool:
        """Return True for a request of the golden check. Do not count it as a client's."""


@dataclass(frozen=True, slots=True)
class GoldenRequest:
    """How to send one payload to a route, and how to read the answer.

    `read_answers` takes the JSON body of the response. When the body shows a value twice (a label
    in a sentence, the confidence), `read_answers` must compare both and raise ValueError where
    they differ.
    """

    path: str
    build_request: Callable[[bytes], Mapping[str, Any]]
    """Keyword arguments of an httpx request: `files`, `json`, `params`, `content`, `headers`."""
    read_answers: Callable[[Any], Sequence[ShownAnswer]]
    method: str = "POST"
    targets: tuple[str, ...] | None = None
    """The targets that the response shows; None means all targets of the model."""
    expand: Callable[[Codec[Any], bytes], bytes] | None = None
    """Turns a payload into one that holds everything the codec would look up.

    For routes that take whole inputs instead of references into the codec's data. It gets the
    codec of the model under check. The answer must stay the same.
    """


@dataclass(frozen=True, slots=True)
class Routes:
    """A recipe's router and the golden requests that check it.

    `silent_paths` are the paths whose POST returns no prediction (feedback, refresh). No golden
    request asks them, so they get no predictions. `collectors` appear on `/metrics` under their
    own names; make them with `registry=None`.
    """

    router: APIRouter
    golden_requests: tuple[GoldenRequest, ...] = field(default=())
    silent_paths: tuple[str, ...] = field(default=())
    collectors: tuple[Collector, ...] = field(default=())


RoutesFactory = Callable[[Server], Routes]


def prediction_headers(prediction: Prediction) -> dict[str, str]:
    """Return the headers of the response to one payload: its id, and its remarks if it has any.

    `X-Remarks` is a JSON list, because a header holds ASCII alone.
    """
    id_header = {"X-Prediction-Id": prediction.id}
    if not prediction.remarks:
        return id_header
    return id_header | {"X-Remarks": json.dumps(prediction.remarks)}
