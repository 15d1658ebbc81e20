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
    431: "The header is too large.",
    500: "The server failed at this request.",
    503: "The server cannot answer now.",
    504: "The work was not done in time, so it was ended.",
}
EVERY = (400, 403, 408, 413, 415, 422, 431, 500, 503)
"""Failures of every request: it may come from a foreign `Host`, or with a wrong header, or meet a
fault or a full server. Also a GET may bring a body, which is read before a route sees the request.
"""
WITH_KEY = (401, 429)
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
HEADERS: dict[str, dict[str, Any]] = {
    "RequestTimeout": {
        "name": "X-Request-Timeout",
        "in": "header",
        "description": "Seconds that the client waits. What is not answered by then is not"
        " computed any more.",
        "schema": {"type": "number", "exclusiveMinimum": 0},
    },
    "RequestId": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "A name for the request, for logs and predictions; the server makes one in"
        " place of any other text.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:/+=@-]{1,128}$"},
    },
    "Traceparent": {
        "name": "traceparent",
        "in": "header",
        "description": "The place in a trace (W3C Trace Context); the prediction keeps it.",
        "schema": {"type": "string"},
    },
}
"""The headers that every operation reads, by their name among the document's components."""
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
        statuses.add(504)
    if any(parameter["in"] == "path" for parameter in parameters):
        statuses.add(404)
    # FastAPI's own description of a 422 has another shape, which no route of ours gives.
    responses.pop("422", None)
    responses.pop("default", None)
    named = {int(status) for status in responses if status.isdigit() and int(status) >= 400}
    schema = SCHEMA
    if path.startswith(INFERENCE_PREFIX):
        schema = INFERENCE_SCHEMA
        statuses -= {422}
    for status in sorted(statuses | named):
        response = responses.setdefault(str(status), {})
        response.setdefault("description", FAILURES.get(status, "A failure."))
        response["content"] = schema
        if status in (429, 503):
            response["headers"] = RETRY_AFTER
    shared = [{"$ref": f"#/components/parameters/{name}"} for name in HEADERS]
    operation["parameters"] = [*parameters, *shared]
