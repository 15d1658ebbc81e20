"""The contract between the server and a recipe's own HTTP routes.

A recipe's `routes.py` has a factory that is given the means to answer and returns a router with
probes. A probe is how the server asks that route about a golden sample and where it reads the
answer, so that the route is proved on every start and before every change of model. Whatever no
probe asks is refused its answers, by method and exact path; a POST route without a probe keeps the
server from starting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fastapi import APIRouter, Request

from tidemill.domain.types import Prediction

Said = tuple[str, str, Mapping[str, float]]
"""Target, label and probabilities, as a client of the route would read them."""


class Answering(Protocol):
    """What a recipe's routes may ask of the server."""

    async def answer(self, request: Request, payloads: Sequence[bytes]) -> list[Prediction]:
        """Answer payloads, durable in the traffic log before this returns.

        Raises BadPayload, Unavailable (not ready), Overloaded, StorageFailed; TidemillError when
        no probe asks this request's method and path.
        """

    def ready(self) -> bool:
        """True when a proved champion is being served."""


@dataclass(frozen=True, slots=True)
class Probe:
    """How to ask one route about one payload.

    `read` takes the response's JSON body. What stands there twice (a label in a sentence, the
    confidence) it has to compare, raising ValueError, or nothing does.
    """

    path: str
    request: Callable[[bytes], Mapping[str, Any]]
    """Keyword arguments of an httpx request: `files`, `json`, `content`, `headers`."""
    read: Callable[[Any], Sequence[Said]]
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Routes:
    """A recipe's router and the probes that prove it."""

    router: APIRouter
    probes: tuple[Probe, ...] = field(default=())


Build = Callable[[Answering], Routes]
