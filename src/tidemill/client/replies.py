"""Reads the replies of a server into records, and its failures into errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import UUID

import httpx
from pydantic import TypeAdapter

from tidemill.domain.errors import NotFound, TidemillError, Unavailable, read_error
from tidemill.domain.types import Answer, Prediction
from tidemill.workspace.versions import VersionRecord

MAX_ID = 100
"""Characters of the longest id, and more."""

T = TypeVar("T")


def read_failure(response: httpx.Response) -> TidemillError:
    """Return the error of a bad response; one that is not Tidemill's has its status as the code."""
    try:
        own = read_error(response.json())
    except ValueError:
        own = None
    if own is not None:
        return own
    status = f"{response.status_code} {response.reason_phrase}".strip()
    error = Unavailable(
        f"{response.url} answered {status}, without an error of Tidemill's.",
        hint="Is this the address of a Tidemill server, or of a proxy before it?",
    )
    error.code = f"http_{response.status_code}"
    return error


def path_segment(id: str) -> str:
    """Return an id as one part of a path. Raises NotFound for what no id can be."""
    if not id.isascii() or not id.isprintable() or len(id) > MAX_ID or not id.strip("."):
        raise NotFound(f"{id[:MAX_ID]!r} is no id.")
    return quote(id, safe="")


@contextmanager
def reading() -> Iterator[None]:
    """Turn whatever a body lacks into Unavailable: the server may be of another version."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise unexpected(f"{type(error).__name__}: {error}") from error


def unexpected(what: str) -> Unavailable:
    """Return the error of a reply that no server of this version sends."""
    return Unavailable(
        f"The server sent something else than expected: {what}.",
        hint="Is this a Tidemill server, of the same version?",
    )


def read_predictions(entries: Sequence[Mapping[str, Any]]) -> Iterator[Prediction]:
    """Yield the prediction of each payload; the entries of one payload share its index."""
    by_payload: dict[int, list[Mapping[str, Any]]] = {}
    for entry in entries:
        by_payload.setdefault(entry["index"], []).append(entry)
    for rows in by_payload.values():
        first = rows[0]
        yield Prediction(
            id=first["id"],
            server="",
            sequence=0,
            version=first["version"],
            # The id is a UUIDv7, which begins with the milliseconds of its time.
            at=datetime.fromtimestamp((UUID(first["id"]).int >> 80) / 1000, UTC),
            kind="live",
            payload=b"",
            answers=tuple(
                Answer(
                    target=row["target"],
                    label=row["label"],
                    confidence=row["confidence"],
                    probabilities=row["probabilities"],
                    item=row["item"],
                )
                for row in rows
            ),
            remarks=tuple(first.get("remarks", ())),
        )


def read_version(row: Mapping[str, Any]) -> VersionRecord:
    """Return the record of a row of `/v1/models`."""
    rest = {name: row[name] for name in row if name not in ("training", "aliases", "verdicts")}
    return read_record(
        VersionRecord,
        {
            "version": rest,
            "run": row["training"],
            "aliases": row["aliases"],
            "verdicts": row["verdicts"],
        },
    )


def read_record(kind: type[T], body: object) -> T:
    """Return the record that a body holds. Raises ValueError for one of another form."""
    return TypeAdapter(kind).validate_python(body)
