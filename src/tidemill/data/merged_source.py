"""Merge several sources into one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from tidemill.data.ignored_files import IgnoredFile, ignored_files_of
from tidemill.data.notes import notes_of
from tidemill.domain.errors import DataError, UsageError
from tidemill.domain.ports import Source
from tidemill.domain.types import Example


class MergedSource:
    """Yield the examples of several sources for one task, one source after the other.

    Fulfils `domain.ports.Source`. Each example keeps the name of its own source, for evaluation by
    source, and its origin begins with that name. `ignored_files` are those that no source reads.
    Raises UsageError when two sources have one name, and DataError when an example has other
    targets than the first.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        name: str = "merged",
        ignored_files: Sequence[IgnoredFile] = (),
    ) -> None:
        names = [source.name for source in sources]
        if twice := sorted({one for one in names if names.count(one) > 1}):
            raise UsageError(f"Two sources are called {twice[0]}.")
        self.name = name
        self.sources = tuple(sources)
        self._ignored_files = tuple(ignored_files)

    def prepare(self, progress: Callable[[int, int], None]) -> None:
        """Prepare each in turn."""
        for source in self.sources:
            source.prepare(progress)

    def examples(self) -> Iterator[Example]:
        """Yield all examples. Raises what the sources raise."""
        targets: set[str] | None = None
        for source in self.sources:
            for example in source.examples():
                targets = set(example.labels) if targets is None else targets
                if set(example.labels) != targets:
                    raise DataError(
                        f"{source.name}/{example.origin} has labels for"
                        f" {', '.join(sorted(example.labels))}, not {', '.join(sorted(targets))}.",
                        hint="Sources that are merged give labels of the same targets.",
                    )
                yield replace(example, origin=f"{source.name}/{example.origin}")
        if targets is None:
            raise DataError("The merged sources hold no example.")

    def __len__(self) -> int:
        """Return the number of examples of all sources. Raises what they raise."""
        return sum(len(source) for source in self.sources)

    def notes(self) -> tuple[str, ...]:
        """Return the notes of the sources on their last reading."""
        return tuple(
            f"{source.name}: {note}" for source in self.sources for note in notes_of(source)
        )

    def ignored_files(self) -> tuple[IgnoredFile, ...]:
        """The files that no source reads, and those that each source ignores."""
        ignored = [ignored_files_of(source) for source in self.sources]
        return (*self._ignored_files, *(row for rows in ignored for row in rows))
