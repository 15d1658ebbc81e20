"""The methods of the server that most recipes' routes never use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request

from tidemill.bundle import Golden
from tidemill.codecs.codec import Codec
from tidemill.domain.errors import Unavailable
from tidemill.recipes.routes import DriftState

UNUSED = "No route of this recipe uses this."


class UnusedServer:
    """Every method raises."""

    def drift_state(self, *, limit: int) -> DriftState:
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
