"""Inspect a source in one pass: everything that the checks need, without payloads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from tidemill.codecs.codec import Fingerprint
from tidemill.domain.errors import BadPayload, DataError
from tidemill.domain.types import Example, Labels, Split


class Fingerprints(Protocol):
    """The part of a codec that the checks need."""

    def fingerprint(self, payload: bytes) -> Fingerprint:
        """Return the fingerprint that the duplicate checks compare. Raises BadPayload."""


@dataclass(frozen=True, slots=True)
class InspectedExample:
    """One example without its payload.

    `fingerprint` is None when the payload cannot be decoded; `fault` gives the reason.
    """

    id: str
    labels: Labels
    split: Split | None
    source: str
    origin: str
    fingerprint: Fingerprint | None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Inspection:
    """Every example of a source, in the source's order, each with its own origin."""

    rows: tuple[InspectedExample, ...]

    @property
    def readable(self) -> tuple[tuple[InspectedExample, Fingerprint], ...]:
        """Return the rows that could be decoded, with their fingerprints."""
        return tuple((row, row.fingerprint) for row in self.rows if row.fingerprint is not None)


def inspect(
    examples: Iterable[Example],
    codec: Fingerprints,
    *,
    progress: Callable[[int], None] | None = None,
) -> Inspection:
    """Fingerprint every payload; an unreadable one is recorded, not raised.

    `progress` receives the number of inspected examples after each one. Raises DataError for a
    duplicate origin, because findings and exclusions name examples by their origin.
    """
    rows: dict[str, InspectedExample] = {}
    for done, example in enumerate(examples, start=1):
        if example.origin in rows:
            raise DataError(f"The source gives {example.origin} twice.")
        rows[example.origin] = _look(example, codec)
        if progress is not None:
            progress(done)
    return Inspection(tuple(rows.values()))


def _look(example: Example, codec: Fingerprints) -> InspectedExample:
    fingerprint, fault = None, ""
    try:
        fingerprint = codec.fingerprint(example.payload)
    except BadPayload as error:
        fault = error.message
    return InspectedExample(
        id=example.id,
        labels=dict(example.labels),
        split=example.split,
        source=example.source,
        origin=example.origin,
        fingerprint=fingerprint,
        fault=fault,
    )
