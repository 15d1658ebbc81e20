"""JSON responses, written by orjson, which takes dataclasses, times and numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import orjson
from fastapi import Response

from tidemill.domain.types import Prediction

INLINE_ANSWERS = 1_000
"""Answers that the event loop writes itself; more would delay the other requests."""


async def write_predictions(
    predictions: Sequence[Prediction], write: Callable[[Sequence[Prediction]], Response]
) -> Response:
    """Return the response that `write` makes of predictions, in a thread when they are large."""
    if sum(len(prediction.answers) for prediction in predictions) > INLINE_ANSWERS:
        return await asyncio.to_thread(write, predictions)
    return write(predictions)


def json_response(
    body: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response with `body` as JSON."""
    return Response(
        orjson.dumps(body), status, headers=dict(headers or {}), media_type="application/json"
    )
