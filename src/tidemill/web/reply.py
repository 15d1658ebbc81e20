"""JSON responses, written by orjson, which takes dataclasses, times and numbers."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from fastapi import Response


def json_response(
    body: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response with `body` as JSON."""
    return Response(
        orjson.dumps(body), status, headers=dict(headers or {}), media_type="application/json"
    )
