"""JSON responses, written by orjson, which takes dataclasses, times and numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import orjson
from fastapi import Response

from tidemill.domain.types import Prediction
from tidemill.web.media import JSON

_CONTENT_TYPE = (b"content-type", JSON.encode())

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
    return JsonResponse(
        orjson.dumps(body), status, headers=None if headers is None else dict(headers)
    )


class JsonResponse(Response):
    """JSON that is written already."""

    media_type = JSON

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Set the two headers of every answer without looking for them among none."""
        if headers is not None:
            super().init_headers(headers)
            return
        self.raw_headers = [(b"content-length", b"%d" % len(self.body)), _CONTENT_TYPE]
