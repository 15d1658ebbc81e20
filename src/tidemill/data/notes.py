"""What a source has to tell beside its examples."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from tidemill.domain.ports import Source


@runtime_checkable
class SourceWithNotes(Protocol):
    """A source that may leave something out, and then says so."""

    def notes(self) -> tuple[str, ...]:
        """What the last reading left out, in sentences."""


def notes_of(source: Source) -> tuple[str, ...]:
    """Return the notes of a source; none when it never has any."""
    return source.notes() if isinstance(source, SourceWithNotes) else ()
