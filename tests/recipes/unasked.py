"""The methods of the server that most recipes' routes never use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request

from tidemill.bundle import Golden
from tidemill.codecs.codec import Codec
from tidemill.domain.errors import Unavailable
from tidemill.recipes.routes import DriftState

NOBODY = "Nobody asks for that here."


class Unasked:
    """Every method raises."""

    def drift_state(self, *, limit: int) -> DriftState:
        raise Unavailable(NOBODY)

    def codec(self, request: Request) -> Codec[Any]:
        raise Unavailable(NOBODY)

    def golden_samples(self, request: Request) -> Sequence[Golden]:
        raise Unavailable(NOBODY)

    def test_scores(self, request: Request) -> Mapping[str, Mapping[str, float]]:
        raise Unavailable(NOBODY)

    def refresh(self, request: Request) -> str:
        raise Unavailable(NOBODY)

    def is_golden_request(self, request: Request) -> bool:
        return False
