"""Read examples from a folder of files: an `index.csv`, or one folder per class."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from tidemill.codecs.image import IMAGE_SUFFIXES
from tidemill.data.ignored_files import IgnoredFile, list_ignored_files
from tidemill.domain.errors import DataError
from tidemill.domain.types import Example, Labels, Split, payload_id

INDEX = "index.csv"
SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


Naming = Callable[[str], Labels]
"""Maps the name of a class to a label per target. Raises DataError for an invalid name."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file that will become an example. `origin` is its POSIX path below the root."""

    origin: str
    label: str
    split: Split | None


class FolderSource:
    """Yield the examples of a folder in the order of their paths. Fulfils `domain.ports.Source`.

    There are two layouts. An `index.csv` in the root has the columns `file` and `class` (or
    `label`) and optionally `split`; then only the files that it lists count. Without it each class
    has a folder, either under `train/`, `val/` (`valid/`, `validation/`) and `test/` or under none.
    One payload is in memory at a time and nothing is cached, so a folder may be larger than memory.

    A class name is the label of `target`, unless `labels` maps it to labels of several targets.
    That function raises DataError for an invalid name.

    Every fault of the folder raises DataError with the file or the line.
    """

    name = "folder"

    def __init__(
        self,
        path: Path,
        target: str = "label",
        *,
        suffixes: Collection[str] = IMAGE_SUFFIXES,
        labels: Naming | None = None,
    ) -> None:
        self.path = path
        self.target = target
        self._labels: Naming = labels or (lambda name: {target: name})
        self.suffixes = frozenset(suffix.lower() for suffix in suffixes)

    def prepare(self, progress: Callable[[int, int], None]) -> None:
        """Do nothing: a folder is local. A missing one is reported when it is read."""

    def examples(self) -> Iterator[Example]:
        """Yield every example, sorted by origin.

        Raises DataError, also when a file cannot be read.
        """
        for entry in self.entries():
            try:
                payload = (self.path / entry.origin).read_bytes()
            except OSError as error:
                raise DataError(f"{entry.origin} cannot be read: {error.strerror}.") from error
            yield Example(
                id=payload_id(payload),
                payload=payload,
                labels=self._labels(entry.label),
                source=self.name,
                origin=entry.origin,
                split=entry.split,
            )

    def __len__(self) -> int:
        """Return the current number of examples. Raises DataError as `examples` does."""
        return len(self.entries())

    def ignored_files(self) -> tuple[IgnoredFile, ...]:
        """The files that become no example. Raises DataError as `examples` does."""
        used = {entry.origin for entry in self.entries()}
        if (self.path / INDEX).is_file():
            return list_ignored_files(self.path, used | {INDEX}, f"not in {INDEX}")
        return list_ignored_files(self.path, used, f"no {self._wanted()} file")

    def entries(self) -> list[Entry]:
        """Return the current entries of the folder by name; no payload is read."""
        if not self.path.is_dir():
            raise DataError(
                f"No folder at {self.path}.", hint="Give the folder that holds the examples."
            )
        listed = (self.path / INDEX).is_file()
        entries = self._indexed() if listed else self._in_class_folders()
        if not entries:
            raise DataError(f"{self.path} holds no {self._wanted()} file.", hint=self._layouts())
        names = sorted({entry.label for entry in entries})
        if len(names) == 1:
            raise DataError(
                f"{self.path} holds one class only: {names[0]}.",
                hint="A model needs at least two classes to tell apart.",
            )
        for name in names:
            self._labels(name)  # raises before any payload is read
        return sorted(entries, key=lambda entry: entry.origin)

    def _indexed(self) -> list[Entry]:
        rows = _read_index(self.path / INDEX)
        entries: dict[str, tuple[Entry, int]] = {}
        for line, row in rows:
            entry = _indexed_entry(row, line)
            if entry.origin in entries:
                first = entries[entry.origin][1]
                raise DataError(f"{INDEX} line {line}: {entry.origin} is on line {first} already.")
            if PurePosixPath(entry.origin).suffix.lower() not in self.suffixes:
                raise DataError(
                    f"{INDEX} line {line}: {entry.origin} is no {self._wanted()} file.",
                    hint="Take the line out of the index, or convert the file.",
                )
            if not (self.path / entry.origin).is_file():
                raise DataError(f"{INDEX} line {line}: there is no file {entry.origin}.")
            entries[entry.origin] = entry, line
        return [entry for entry, _ in entries.values()]

    def _in_class_folders(self) -> list[Entry]:
        origins = [path.relative_to(self.path) for path in self._files()]
        tops = {origin.parts[0] for origin in origins if len(origin.parts) > 1}
        split_tops = {top for top in tops if top.lower() in SPLIT_NAMES}
        if split_tops and split_tops != tops:
            raise DataError(
                f"{self.path} mixes split folders with others: {', '.join(sorted(tops))}.",
                hint=f"Use one layout throughout, or name the splits in {INDEX}.",
            )
        depth = 1 if split_tops else 0
        filled = {origin.parts[: depth + 1] for origin in origins}
        for folder in self._class_folders(split_tops):
            if (self.path / folder).is_symlink():
                raise DataError(
                    f"The class folder {folder.as_posix()} is a link, which is not followed.",
                    hint=f"Move its files here, or list them in {INDEX}.",
                )
            if folder.parts not in filled:
                raise DataError(
                    f"The class folder {folder.as_posix()} holds no {self._wanted()} file.",
                    hint="Convert its files, or move the folder away.",
                )
        return [_placed_entry(origin, depth) for origin in origins]

    def _files(self) -> list[Path]:
        return [
            path
            for path in self.path.rglob("*")
            if path.suffix.lower() in self.suffixes
            and not any(part.startswith(".") for part in path.relative_to(self.path).parts)
            and path.is_file()
        ]

    def _class_folders(self, split_tops: set[str]) -> list[Path]:
        # A class with files of other kinds only would be missing without a message.
        parents = [self.path / top for top in sorted(split_tops)] or [self.path]
        return [
            folder.relative_to(self.path)
            for parent in parents
            for folder in sorted(parent.iterdir())
            if folder.is_dir() and not folder.name.startswith(".")
        ]

    def _wanted(self) -> str:
        return "/".join(sorted(self.suffixes))

    def _layouts(self) -> str:
        return f"Use one folder per class, or an {INDEX} with the columns file and class."


def _placed_entry(origin: Path, depth: int) -> Entry:
    if len(origin.parts) < depth + 2:
        raise DataError(
            f"{origin.as_posix()} lies in no class folder.",
            hint=f"Put it into the folder of its class, or list it in {INDEX}.",
        )
    try:
        origin.as_posix().encode()
    except UnicodeEncodeError as error:
        raise DataError(f"The name {origin.as_posix()!r} is not valid UTF-8.") from error
    split = SPLIT_NAMES[origin.parts[0].lower()] if depth else None
    return Entry(origin.as_posix(), origin.parts[depth], split)


def _read_index(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of an index with their line numbers; `class` may have been called `label`."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="", strict=True)
            columns = reader.fieldnames or ()
            label = next((name for name in ("class", "label") if name in columns), None)
            if "file" not in columns or label is None:
                raise DataError(
                    f"{INDEX} line 1: the columns file and class are needed,"
                    f" found {', '.join(columns) or 'none'}.",
                    hint="The class may also be called label.",
                )
            return [
                (
                    reader.line_num,
                    {"file": row["file"], "class": row[label], "split": row.get("split", "")},
                )
                for row in reader
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{INDEX} is no readable UTF-8 CSV: {error}.") from error
    except OSError as error:
        raise DataError(f"{INDEX} cannot be read: {error.strerror}.") from error


def _indexed_entry(row: dict[str, str], line: int) -> Entry:
    file, label, split = (row[name].strip() for name in ("file", "class", "split"))
    for column, value in (("file", file), ("class", label)):
        if not value:
            raise DataError(f"{INDEX} line {line}: the {column} is empty.")
    origin = PurePosixPath(file)
    windows = PureWindowsPath(file)
    if origin.is_absolute() or ".." in windows.parts or windows.drive or windows.root:
        raise DataError(f"{INDEX} line {line}: {file} leads out of the folder.")
    if "\\" in file:
        raise DataError(
            f"{INDEX} line {line}: {file} has a backslash.",
            hint="Write / between folders, on every system.",
        )
    if split and split.lower() not in SPLIT_NAMES:
        raise DataError(
            f"{INDEX} line {line}: there is no split {split!r}.",
            hint=f"Use one of {', '.join(SPLIT_NAMES)}, or leave it empty.",
        )
    return Entry(origin.as_posix(), label, SPLIT_NAMES[split.lower()] if split else None)
