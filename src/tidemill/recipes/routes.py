"""The contract between the server and a recipe's own HTTP routes.

A recipe's `routes.py` has a factory that is given the server's means and returns a router with
probes. A probe is how the server asks that route about a golden sample and where it reads the
answer, so that the route is proved on every start and before every change of model. Whatever no
probe asks is refused its answers, by method and exact path; a POST route that is neither probed
nor declared silent keeps the server from starting.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fastapi import APIRouter, Request
from prometheus_client.registry import Collector

from tidemill.bundle import Golden
from tidemill.codecs.codec import Codec
from tidemill.domain.drift import DriftVerdict
from tidemill.domain.feedback import Feedback
from tidemill.domain.types import Labels, Prediction


@dataclass(frozen=True, slots=True)
class Best:
    """What a route shows that names only the likeliest labels: these, `most` at most.

    In falling order, the answered label first; all of them where the model has no more.
    """

    shown: Sequence[tuple[str, float]]
    most: int


NO_PROBABILITY = Best((), 0)
"""What a route shows that gives the label alone. Not None, which a body may hold by mistake."""

Shown = Mapping[str, float] | Best | float
"""The probabilities of all labels, those of the best, or that of the answered one."""

Said = tuple[str, str | int, Shown]
"""Target, label and probabilities, as a client of the route would read them.

A label that is shown as a number is the place of its name among the target's names in order.
"""


class Answering(Protocol):
    """What most routes need of the server."""

    async def answer(self, request: Request, payloads: Sequence[bytes]) -> list[Prediction]:
        """Answer payloads, durable in the traffic log before this returns.

        Raises BadPayload, Unavailable (not ready), Overloaded, StorageFailed; TidemillError when
        no probe asks this request's method and path.
        """

    def ready(self) -> bool:
        """True when a proved champion is being served."""


@dataclass(frozen=True, slots=True)
class Drift:
    """What the ledger says of the champion's traffic. Only sums: judging is the engine's.

    `served` counts all its live answers that were drained, `open` those that no verdict has
    judged; `labels` says per target and label how the open ones were answered. `needed` is how
    many the next check needs by the champion's experiment, None where that does not say.
    `verdicts` are newest first.
    """

    version: str
    served: int
    open: int
    needed: int | None
    labels: Mapping[str, Mapping[str, int]]
    verdicts: tuple[DriftVerdict, ...]


class Server(Answering, Protocol):
    """All that a recipe's routes may ask of the server."""

    async def hear(
        self, request: Request, payload: bytes, labels: Labels, *, actor: str = ...
    ) -> list[Feedback]:
        """Keep what somebody says the right labels are, as `POST /v1/feedback` does.

        One pending record per target (or the earlier one that it repeats), durable before this
        returns. `actor` is anonymous unless it is named. Raises UsageError for a target or a label
        that the model does not have, BadPayload, Unavailable (not ready), StorageFailed;
        TidemillError when the server itself asks, for a probe teaches nothing.
        """

    def drift(self, *, limit: int) -> Drift:
        """The state of the champion's traffic, with so many verdicts at most.

        Reads the ledger: call it from a route that is a plain `def`, which has a thread of its
        own. Raises Unavailable while there is no champion, or this server does not serve it yet.
        """

    def codec(self, request: Request) -> Codec[Any]:
        """The codec of the model that answers this request. Raises Unavailable (not ready)."""

    def samples(self, request: Request) -> Sequence[Golden]:
        """Validation examples with their true labels, from the model that answers this request.

        Raises Unavailable (not ready).
        """

    def scores(self, request: Request) -> Mapping[str, Mapping[str, float]]:
        """Per target, what that model scored on its test: `accuracy` and `macro_f1`.

        Empty where it had none. Reads a file: call it from a thread. Raises Unavailable (not
        ready, or the file cannot be read) and Corrupt.
        """

    def refresh(self, request: Request) -> str:
        """Look at the ledger now, not at the next poll; the version that is champion and served.

        For whoever brings the token that the setting `refresh_token` names. It may have to prove
        a model: call it from a thread. Raises TidemillError for a wrong token (401) and where no
        token is set (403), Unavailable when the champion cannot be served.
        """

    def probing(self, request: Request) -> bool:
        """True when the server asks itself: that is no client's request, and counts as none."""


@dataclass(frozen=True, slots=True)
class Probe:
    """How to ask one route about one payload.

    `read` takes the response's JSON body. What stands there twice (a label in a sentence, the
    confidence) it has to compare, raising ValueError, or nothing does.
    """

    path: str
    request: Callable[[bytes], Mapping[str, Any]]
    """Keyword arguments of an httpx request: `files`, `json`, `params`, `content`, `headers`."""
    read: Callable[[Any], Sequence[Said]]
    method: str = "POST"
    targets: tuple[str, ...] | None = None
    """The targets that the response shows; None for all that the model has."""
    alone: Callable[[Codec[Any], bytes], bytes] | None = None
    """Makes of a payload, with the codec of the model that is proved, one that says all by itself.

    For routes that read nothing of what the codec keeps. The answer must stay the same.
    """


@dataclass(frozen=True, slots=True)
class Routes:
    """A recipe's router and the probes that prove it.

    `silent` are the paths whose POST takes something and answers nothing about a payload
    (feedback): no probe asks them, so they get no answers either. `collectors` appear on
    `/metrics` under their own names; make them with `registry=None`.
    """

    router: APIRouter
    probes: tuple[Probe, ...] = field(default=())
    silent: tuple[str, ...] = field(default=())
    collectors: tuple[Collector, ...] = field(default=())


Build = Callable[[Server], Routes]


def headers(prediction: Prediction) -> dict[str, str]:
    """What goes with the answer to one payload: its id, and the remarks where there are any.

    `X-Remarks` is a JSON list, because a header holds ASCII alone.
    """
    named = {"X-Prediction-Id": prediction.id}
    return named | ({"X-Remarks": json.dumps(prediction.remarks)} if prediction.remarks else {})
