"""Bodies of requests."""

from __future__ import annotations

import json
from typing import Any

BOUNDARY = "B"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
"""The content type of `form`."""
TEXT = b'{"text": "profit rose by a third"}'


def json_body(value: Any) -> bytes:
    return json.dumps(value).encode()


def large_text(words: int) -> bytes:
    """A question of that many times two words."""
    return json_body({"text": "profit rose " * words})


def file_part(content: bytes, *, name: str = "file", filename: str = 'filename="x"') -> bytes:
    """One file of a form."""
    head = f'Content-Disposition: form-data; name="{name}"; {filename}'
    return f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    """The body of a form of these parts."""
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def image_form(image: bytes) -> bytes:
    """The body of a form with one image."""
    return form(file_part(image))


def post_head(path: str, length: int) -> bytes:
    """The head of a request with a JSON body, for bare connections."""
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {length}",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
