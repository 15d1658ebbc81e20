"""Derive the label and split of a file from its folders."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from tidemill.data.folder import INDEX, SPLIT_NAMES
from tidemill.domain.errors import DataError
from tidemill.domain.types import Split


@dataclass(frozen=True, slots=True)
class ClassFile:
    """A file: its path, the name of its class folder, and its split if there are split folders."""

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

    Class folders lie under `train/`, `val/`, `test/` (the names in `splits`, in upper or lower
    case) or under none. A single folder around everything is skipped. `folders` are the folders of
    the files and the empty folders, so that a class without files is noticed; their parents may be
    left out. Raises DataError for a file outside a class folder, for split folders beside other
    folders, for a class folder without a file, and for fewer than two classes.
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
    """Return the number of folders that contain everything, above those of classes and splits."""
    top = 0
    while (
        len({file.parts[: top + 1] for file in files}) == 1
        and all(len(file.parts) > top + 2 for file in files)
        and files[0].parts[top].lower() not in splits
    ):
        top += 1
    return top


def refuse_index(names: Collection[PurePosixPath], where: str) -> None:
    """Raise DataError for an index file, which would apply to files outside its folder."""
    if any(name.name == INDEX and len(name.parts) <= 2 for name in names):
        raise DataError(
            f"{where} holds an {INDEX}, which is read in a folder only.",
            hint="Unpack it and use data=folder, or leave the index out.",
        )
