"""Notes of a source about what it left out."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from tidemill.domain.ports import Source


@runtime_checkable
class SourceWithNotes(Protocol):
    """A source that may leave something out and reports it."""

    def notes(self) -> tuple[str, ...]:
        """Return sentences about what the last reading left out."""


def notes_of(source: Source) -> tuple[str, ...]:
    """Return the notes of a source; none when it has no notes."""
    return source.notes() if isinstance(source, SourceWithNotes) else ()
