"""Which failures each operation of the OpenAPI document can give.

Most follow from what an operation takes. A route names the others itself, in `responses`.
"""

from __future__ import annotations

from typing import Any

from tidemill.web.errors import INFERENCE_PREFIX

FAILURES: dict[int, str] = {
    400: "The request or a payload cannot be read.",
    401: "The key is missing or wrong.",
    403: "The server does not allow this request.",
    404: "There is nothing with this id.",
    408: "The body came too slowly.",
    409: "The object changed, or exists already.",
    410: "The payload is not stored any more.",
    413: "The body is too large.",
    415: "The route does not read a body of this type or encoding.",
    422: "The request does not have the form that the route takes.",
    429: "The key has used up its rate.",
    500: "The server failed at this request.",
    503: "The server cannot answer now.",
    504: "The work was not done in time, so it was ended.",
}
EVERY = (403, 500)
"""Failures of every request: a foreign `Host`, and a fault of the server."""
WITH_KEY = (401, 429)
OF_A_BODY = (400, 408, 413, 415, 422, 503, 504)
"""Any request but a GET may have a body, which is read before the route sees the request."""
NEVER_UNAVAILABLE = frozenset({"/v1/live", "/v1/info", "/metrics"})
SCHEMA: dict[str, Any] = {"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}}
INFERENCE_SCHEMA: dict[str, Any] = {
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["error"],
            "properties": {"error": {"type": "string"}},
        }
    }
}
"""The Open Inference Protocol has a shape of its own."""
RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds after which another attempt may succeed; absent where waiting does"
        " not help.",
        "schema": {"type": "integer"},
    }
}


def describe_failures(method: str, path: str, operation: dict[str, Any]) -> None:
    """Write every failure of an operation into its responses, with the one shape of a body."""
    responses: dict[str, Any] = operation["responses"]
    parameters = operation.get("parameters", [])
    statuses = {*EVERY, *WITH_KEY}
    if method != "GET":
        statuses |= {*OF_A_BODY}
    if parameters:
        statuses.add(422)
    if any(parameter["in"] == "path" for parameter in parameters):
        statuses.add(404)
    if path not in NEVER_UNAVAILABLE:
        statuses.add(503)
    # FastAPI's own description of a 422 has another shape, which no route of ours gives.
    responses.pop("422", None)
    responses.pop("default", None)
    named = {int(status) for status in responses if status.isdigit() and int(status) >= 400}
    schema = SCHEMA
    if path.startswith(INFERENCE_PREFIX):
        schema = INFERENCE_SCHEMA
        statuses = statuses - {422} | {400}
    for status in sorted(statuses | named):
        response = responses.setdefault(str(status), {})
        response.setdefault("description", FAILURES.get(status, "A failure."))
        response["content"] = schema
        if status in (429, 503):
            response["headers"] = RETRY_AFTER
