"""Files that lie where a source reads, and are not read."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from tidemill.domain.ports import Source
from tidemill.domain.text import printable

HIDDEN = "hidden"
SHOWN_NAMES = 5
"""How many names a sentence has; JSON has them all."""


@dataclass(frozen=True, slots=True)
class IgnoredFile:
    """A file that a source does not read, and why. A folder has a / behind its path."""

    path: str
    reason: str


@runtime_checkable
class SourceWithIgnoredFiles(Protocol):
    """A source of files that does not read all of them."""

    def ignored_files(self) -> tuple[IgnoredFile, ...]:
        """Return the files that are not read, sorted by path. Raises what `examples` raises."""


def ignored_files_of(source: Source) -> tuple[IgnoredFile, ...]:
    """The files that a source ignores; none when it reads no files."""
    return source.ignored_files() if isinstance(source, SourceWithIgnoredFiles) else ()


def list_ignored_files(
    root: Path, used: Collection[str], reason: str, *, deep: bool = True
) -> tuple[IgnoredFile, ...]:
    """Every file below `root` whose POSIX path is not in `used`.

    `reason` is why a file is ignored that is not hidden. A hidden folder counts as one, and so does
    every folder unless `deep`. Links to folders are not followed.
    """
    inside = {parent.as_posix() for path in used for parent in Path(path).parents}
    return tuple(sorted(_walk(root, set(used), inside, reason, deep), key=lambda row: row.path))


def _walk(
    root: Path, used: set[str], inside: set[str], reason: str, deep: bool
) -> Iterator[IgnoredFile]:
    for place, folders, files in os.walk(root):
        below = Path(place).relative_to(root)
        for name in list(folders):
            path = (below / name).as_posix()
            if path in inside:
                continue
            hidden, linked = name.startswith("."), (root / path).is_symlink()
            if hidden or linked or not deep:
                why = HIDDEN if hidden else "a link to a folder" if linked else reason
                yield IgnoredFile(printable(path) + "/", why)
                folders.remove(name)
        for name in files:
            path = (below / name).as_posix()
            if path not in used:
                why = HIDDEN if name.startswith(".") else reason
                lost = not (root / path).exists()
                yield IgnoredFile(printable(path), "a link to nothing" if lost else why)


def describe_ignored_files(files: Sequence[IgnoredFile]) -> tuple[str, ...]:
    """A sentence for each reason, with the count and the first names."""
    reasons = dict.fromkeys(row.reason for row in files)
    return tuple(
        _sentence([row.path for row in files if row.reason == reason], reason) for reason in reasons
    )


def _sentence(paths: Sequence[str], reason: str) -> str:
    count = len(paths)
    noun = "file" if count == 1 else "files"
    if any(path.endswith("/") for path in paths):
        noun = "folder" if count == 1 else "files or folders"
    names = ", ".join(paths[:SHOWN_NAMES])
    more = f" and {count - SHOWN_NAMES} more" if count > SHOWN_NAMES else ""
    return f"{count} {noun} ignored ({reason}): {names}{more}."
