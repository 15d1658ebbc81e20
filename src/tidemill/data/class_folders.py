"""Which label and split a file has by the folders that it lies in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from tidemill.data.folder import INDEX, SPLIT_NAMES
from tidemill.domain.errors import DataError
from tidemill.domain.types import Split


@dataclass(frozen=True, slots=True)
class ClassFile:
    """A file by its path, the name of its class folder, and the split above that, if any."""

    path: PurePosixPath
    folder: str
    split: Split | None


def find_class_files(
    files: Sequence[PurePosixPath],
    folders: Collection[PurePosixPath],
    where: str,
    splits: Mapping[str, Split] = SPLIT_NAMES,
) -> list[ClassFile]:
    """Return each file with its class and split, sorted by path.

    Class folders lie under `train/`, `val/`, `test/` (the names in `splits`, whatever their case)
    or under none; a folder that everything lies in is looked through first. `folders` are those
    that any file lies in, and the empty ones, so that a class without a file is noticed; those
    above them need not be named. Raises DataError for a file in no class folder, split folders
    beside others, a class folder without a file, and fewer than two classes.
    """
    top = _common(files, splits)
    tops = {file.parts[top] for file in files if len(file.parts) > top + 1}
    above = {name for name in tops if name.lower() in splits}
    if above and above != tops:
        raise DataError(
            f"{where} mixes split folders with others: {', '.join(sorted(tops))}.",
            hint="Use one layout throughout.",
        )
    depth = top + bool(above)
    for file in files:
        if len(file.parts) < depth + 2:
            raise DataError(
                f"{file} in {where} lies in no class folder.",
                hint="Put it into the folder of its class.",
            )
    filled = {file.parts[: depth + 1] for file in files}
    inside = files[0].parts[:top] if files else ()
    for parts in sorted({folder.parts[: depth + 1] for folder in folders}):
        named = len(parts) == depth + 1 and parts[:top] == inside
        if named and (not above or parts[top] in above) and parts not in filled:
            raise DataError(
                f"The class folder {'/'.join(parts)} in {where} holds no file that is read.",
                hint="Convert its files, or leave the folder out.",
            )
    class_files = [
        ClassFile(file, file.parts[depth], splits[file.parts[top].lower()] if above else None)
        for file in sorted(files)
    ]
    if len({one.folder for one in class_files}) == 1:
        raise DataError(
            f"{where} holds one class only: {class_files[0].folder}.",
            hint="A model needs at least two classes to tell apart.",
        )
    return class_files


def _common(files: Sequence[PurePosixPath], splits: Mapping[str, Split]) -> int:
    """Return how many folders everything lies in, above those of classes and splits."""
    top = 0
    while (
        len({file.parts[: top + 1] for file in files}) == 1
        and all(len(file.parts) > top + 2 for file in files)
        and files[0].parts[top].lower() not in splits
    ):
        top += 1
    return top


def refuse_index(names: Collection[PurePosixPath], where: str) -> None:
    """Raises DataError for an index, which would decide about files that it is not asked of."""
    if any(name.name == INDEX and len(name.parts) <= 2 for name in names):
        raise DataError(
            f"{where} holds an {INDEX}, which is read in a folder only.",
            hint="Unpack it and use data=folder, or leave the index out.",
        )
