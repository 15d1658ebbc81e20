"""The requests that each contestant gets for a payload, as bytes, and how its answer is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.peers.workloads import Form

BOUNDARY = "a-boundary-of-the-benchmark"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one server is asked: its path, its field for each form of payload, its answer."""

    path: str
    fields: Mapping[Form, str]
    lists: frozenset[Form]
    """The forms that it takes as a list."""
    answer: Callable[[Any], Mapping[str, Any]]
    """From the parsed body to `label` and `probabilities`."""

    def request(self, form: Form, payload: bytes) -> bytes:
        """Return one whole request."""
        field = self.fields[form]
        if form == "image":
            return http_request(self.path, *_upload(field, payload))
        text = payload.decode()
        body = json.dumps(
            {field: [text] if form in self.lists else text}, ensure_ascii=False
        ).encode()
        return http_request(self.path, "application/json", body)

    def read(self, body: str) -> Mapping[str, Any]:
        """Return the label and the probabilities of an answer."""
        return self.answer(json.loads(body))


def http_request(path: str, media: str, body: bytes) -> bytes:
    """Return a POST on a connection that is kept."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {media}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _upload(field: str, content: bytes) -> tuple[str, bytes]:
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; '
        'filename="leaf.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    )
    body = head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    return f"multipart/form-data; boundary={BOUNDARY}", body


TIDEMILL = Dialect(
    "/v1/predict",
    {"text": "text", "image": "file", "node": "nodes"},
    frozenset({"node"}),
    answer=lambda body: body["predictions"][0],
)
BENTOML = Dialect(
    "/predict",
    {"text": "texts", "image": "images", "node": "texts"},
    frozenset({"text", "node"}),
    answer=lambda body: body[0],
)
LITSERVE = Dialect(
    "/predict",
    {"text": "text", "image": "file", "node": "text"},
    frozenset(),
    answer=lambda body: body,
)
