"""Turns what people have at hand into payloads: files, texts, images, dicts, rows of frames.

pandas, polars and pyarrow are recognised by their methods, so none of them has to be installed.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

# Unlike those of Path, these are false for a name that the system refuses.
from os.path import exists, isdir
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from pydantic import ValidationError

from tidemill.codecs.codec import Payload
from tidemill.domain.errors import (
    BadPayload,
    DataError,
    InvalidRequest,
    TidemillError,
    UsageError,
)

if TYPE_CHECKING:
    import numpy.typing as npt
    from PIL.Image import Image


class SeriesLike(Protocol):
    """A row of a data frame of pandas."""

    def to_dict(self) -> Mapping[Any, Any]: ...


class ScalarLike(Protocol):
    """A row of an Arrow table."""

    def as_py(self) -> Any: ...


PayloadLike: TypeAlias = (
    "bytes | bytearray | memoryview | str | os.PathLike[str] | Mapping[str, Any] | Image"
    " | npt.NDArray[Any] | SeriesLike | ScalarLike"
)
"""
bytes                 the payload itself
a path                the bytes of that file
a text                the payload of a text model; for every other model, the name of a file
a Pillow image        a lossless PNG of it
an array              the same, of uint8 [rows, columns(, 3 or 4)]
a dict                the JSON form of a payload, or the row of a table model
a row of a frame      the same; values that are missing become None
"""


def to_payload(form: type[Payload], value: PayloadLike, *, cells: bool = False) -> bytes:
    """Return the payload that `value` stands for; `form` is the JSON form of the model's payloads.

    With `cells`, a dict is a row of a file, whose numbers may be texts. Raises DataError for a file
    that cannot be read, and InvalidRequest or BadPayload for a value that does not fit.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        return form.canonical(bytes(value))
    if isinstance(value, os.PathLike) or (isinstance(value, str) and not form.takes_text):
        return form.canonical(_read_file(Path(value).expanduser()))
    try:
        if cells and isinstance(value, Mapping):
            return form.from_cells(value).to_bytes()
        return form.from_value(value).to_bytes()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidRequest(
            ": ".join(filter(None, [place, f"{first['msg']}."])), hint=_hint(form)
        ) from error
    except TypeError as error:
        raise InvalidRequest(
            f"A value of type {type(value).__name__} is no payload of this model.",
            hint=_hint(form),
        ) from error


def list_payloads(form: type[Payload], values: object) -> Iterator[PayloadLike]:
    """Yield every payload of `values`, in order.

    `values` is a folder, a glob, a data frame, an Arrow table, or an iterable of payloads and
    paths. Raises DataError for a path that names no file, InvalidRequest for any other value.
    """
    if callable(getattr(values, "tolist", None)):
        raise InvalidRequest(
            "An array is one payload here, or none.", hint="Give a list of arrays, or use predict."
        )
    rows = _frame_rows(values)
    if rows is not None:
        yield from rows
    elif isinstance(values, os.PathLike) or (isinstance(values, str) and not form.takes_text):
        yield from find_files(form, [values])
    elif isinstance(values, Iterable) and not isinstance(values, str | bytes | Mapping):
        for value in values:
            is_path = isinstance(value, os.PathLike)
            if is_path or (isinstance(value, str) and not form.takes_text):
                yield from find_files(form, [value])
            else:
                yield value
    else:
        raise InvalidRequest(
            f"A value of type {type(values).__name__} holds no list of payloads.",
            hint="A text stands for itself here; name files by a Path, such as Path('*.txt')."
            if isinstance(values, str)
            else "Give a list, a folder, a glob, a data frame or an Arrow table.",
        )


def find_files(
    form: type[Payload],
    paths: Sequence[str | os.PathLike[str]],
    *,
    outputs: Sequence[Path] = (),
) -> list[Path]:
    """Return the files that these paths name, in order; a folder and a glob name several.

    A folder stands for the files below it that have one of the suffixes of `form` and no hidden
    part. `outputs` are files that the caller writes: folders and globs leave them out. Raises
    DataError for a path that names no file, and UsageError for one that names an output.
    """
    files: list[Path] = []
    for path in (Path(each).expanduser() for each in paths):
        if isdir(path):  # noqa: PTH112
            named = sorted(each for each in path.rglob("*") if _is_payload(each, path, form))
            missing = f"{path} has no file that ends in {', '.join(form.suffixes)}."
        elif exists(path) or not glob.has_magic(str(path)):  # noqa: PTH110
            if _is_one_of(path, outputs):
                raise UsageError(
                    f"{path} is an input, and it would be overwritten.",
                    hint="Choose another output.",
                )
            named, missing = [path], ""
        else:
            matches = map(Path, sorted(glob.glob(str(path), recursive=True)))  # noqa: PTH207
            named = [each for each in matches if each.is_file()]
            missing = f"No file matches {path}."
        named = [each for each in named if not _is_one_of(each, outputs)]
        if not named:
            raise DataError(
                missing, hint="Name a file, a folder, or a glob such as 'leaves/*.jpg'."
            )
        files += named
    return files


def name_payload(
    error: TidemillError, value: PayloadLike, index: int | None = None
) -> TidemillError:
    """Return the same error with the name of the file, or with the payload's index."""
    if isinstance(value, os.PathLike):
        place = str(value)
    elif index is not None:
        place = f"Payload {index}"
    else:
        return error
    message = f"{place}: {error.message}"
    if isinstance(error, BadPayload):
        return BadPayload(message, hint=error.hint, index=index or 0)
    return type(error)(message, hint=error.hint)


def _frame_rows(values: object) -> Iterable[Mapping[str, Any]] | None:
    """Return the rows of a data frame or an Arrow table; None for any other value."""
    if callable(rows := getattr(values, "to_pylist", None)):  # pyarrow
        return list(rows())
    if callable(rows := getattr(values, "iter_rows", None)):  # polars
        return rows(named=True)  # type: ignore[no-any-return]
    if hasattr(values, "columns") and callable(rows := getattr(values, "to_dict", None)):  # pandas
        return rows("records")  # type: ignore[no-any-return]
    return None


def _is_payload(file: Path, folder: Path, form: type[Payload]) -> bool:
    visible = not any(part.startswith(".") for part in file.relative_to(folder).parts)
    return visible and file.suffix.lower() in form.suffixes and file.is_file()


def _is_one_of(file: Path, others: Sequence[Path]) -> bool:
    """Compare files, not names: links and the case of letters give one file several names."""
    return any(
        os.path.realpath(file) == os.path.realpath(other)
        or (exists(file) and exists(other) and file.samefile(other))  # noqa: PTH110
        for other in others
    )


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        hint = (
            "`predict_many` takes a folder."
            if isdir(path)  # noqa: PTH112
            else "Give the path of a file, or its bytes."
        )
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{str(path)!r} cannot be read: {reason}.", hint=hint) from error


def _hint(form: type[Payload]) -> str:
    fields = ", ".join(f'"{name}": ...' for name in form.model_fields)
    return f"Give bytes, a path, {form.at_hand}or {{{fields}}}."
