"""What the users of a load test send: requests with weights, and the pause between them."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote

from tidemill.domain.errors import DataError, UsageError

JSON = {"Content-Type": "application/json"}
BOUNDARY = "tidemill-load"


@dataclass(frozen=True, slots=True)
class LoadTask:
    """One kind of request. `weight` is its share among all; of several bodies one is drawn."""

    method: str
    path: str
    weight: int = 1
    bodies: Sequence[bytes] = (b"",)
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Return the task for the process that sends it."""
        return asdict(self) | {"bodies": [base64.b64encode(body).decode() for body in self.bodies]}


@dataclass(frozen=True, slots=True)
class LoadMix:
    """The tasks of every user, and the shortest and longest pause between two, in seconds."""

    tasks: Sequence[LoadTask]
    pause: tuple[float, float] = (0.0, 0.0)


def upload(name: str, content: bytes) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of a form with one file, in the field `file`."""
    head = (
        f"--{BOUNDARY}\r\nContent-Disposition: form-data;"
        f' name="file"; filename="{quote(name)}"\r\n\r\n'
    )
    body = head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def payload_mix(paths: Sequence[Path]) -> LoadMix:
    """Return users that send these files to `/v1/predict`. Raises DataError for one that is not."""
    uploads = []
    for path in paths:
        try:
            uploads.append(upload(path.name, path.read_bytes()))
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    bodies = [body for body, _ in uploads]
    return LoadMix([LoadTask("POST", "/v1/predict", 1, bodies, uploads[0][1])])


def recipe_mix(recipe: str) -> LoadMix:
    """Return the users of the system that the recipe descends from.

    Raises UsageError for a recipe without one.
    """
    mix = _MIXES.get(recipe)
    if mix is None:
        raise UsageError(
            f"No users are known for the recipe {recipe!r}.",
            hint="Send files (--payload FILE), or name a locustfile (--locustfile FILE).",
        )
    return mix


def _green_png(side: int) -> bytes:
    """Return a green square, without an imaging library."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        content = kind + data
        return struct.pack(">I", len(data)) + content + struct.pack(">I", zlib.crc32(content))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = (b"\0" + b"\0\x80\0" * side) * side
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


_REVIEWS = (
    "Operating profit rose to EUR 2.4 million.",
    "The company made a loss in the third quarter.",
    "Sales doubled compared with the year before.",
    "The board will meet on Tuesday.",
    "Demand fell, and the plant will be closed.",
)
_LEAF, _FORM = upload("test.png", _green_png(100))

_MIXES = {
    "lucky": LoadMix(
        (
            LoadTask("GET", "/docs"),
            LoadTask("POST", "/ask_model/?question=Is+AI+cool%3F", 2),
        ),
        (1.0, 2.0),
    ),
    "plants": LoadMix(
        (LoadTask("GET", "/", 3), LoadTask("POST", "/predict-random", 2)), (1.0, 3.0)
    ),
    "coffee": LoadMix(
        (
            LoadTask("GET", "/health", 3),
            LoadTask("GET", "/info", 2),
            LoadTask("POST", "/predict", 1, (_LEAF,), _FORM),
        ),
        (1.0, 3.0),
    ),
    "sentiment": LoadMix(
        (
            LoadTask("GET", "/"),
            LoadTask(
                "POST",
                "/predict",
                3,
                tuple(json.dumps({"text": text}).encode() for text in _REVIEWS),
                JSON,
            ),
        ),
        (6.0, 10.0),
    ),
}
"""The users of the original systems' load tests, by recipe; cora's had none."""
