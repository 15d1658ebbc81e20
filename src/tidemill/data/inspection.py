"""What one pass over a source leaves behind: everything the checks need, and no payload."""

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
        """What the duplicate checks compare. Raises BadPayload."""


@dataclass(frozen=True, slots=True)
class InspectedExample:
    """One example without its payload.

    `fingerprint` is None when the payload could not be read; `fault` then says why.
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
    """Every example of a source, in the source's order; no two share an origin."""

    rows: tuple[InspectedExample, ...]

    @property
    def readable(self) -> tuple[tuple[InspectedExample, Fingerprint], ...]:
        """The rows that could be decoded, with their fingerprints."""
        return tuple((row, row.fingerprint) for row in self.rows if row.fingerprint is not None)


def inspect(
    examples: Iterable[Example],
    codec: Fingerprints,
    *,
    progress: Callable[[int], None] | None = None,
) -> Inspection:
    """Fingerprint every payload; one that cannot be read is recorded, not raised.

    `progress` hears after each example how many are done. Raises DataError when an origin comes
    twice, because findings and exclusions name examples by it.
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
