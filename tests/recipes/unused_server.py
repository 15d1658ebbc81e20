"""The methods of the server that most recipes' routes never use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from fastapi import Request

from tidemill.bundle import Golden
from tidemill.codecs.codec import Codec
from tidemill.domain.errors import Unavailable
from tidemill.recipes.routes import DriftState

T = TypeVar("T")
UNUSED = "No route of this recipe uses this."


class UnusedServer:
    """Every method raises."""

    def drift_state(self, *, limit: int) -> DriftState:
        raise Unavailable(UNUSED)

    async def decode(self, request: Request, payloads: Sequence[bytes]) -> list[Any]:
        raise Unavailable(UNUSED)

    async def read(
        self, request: Request, function: Callable[..., T], *args: Any, cost_ns: float
    ) -> T:
        raise Unavailable(UNUSED)

    def codec(self, request: Request) -> Codec[Any]:
        raise Unavailable(UNUSED)

    def golden_samples(self, request: Request) -> Sequence[Golden]:
        raise Unavailable(UNUSED)

    def test_scores(self, request: Request) -> Mapping[str, Mapping[str, float]]:
        raise Unavailable(UNUSED)

    def refresh(self, request: Request) -> str:
        raise Unavailable(UNUSED)

    def is_golden_request(self, request: Request) -> bool:
        return False
