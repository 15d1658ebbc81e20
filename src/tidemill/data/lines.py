"""Read a text file line by line in the stated encoding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from tidemill.domain.errors import DataError, UsageError

Encoding = Literal["utf-8", "latin-1", "cp1252"]
"""The encodings whose lines end at the byte of a line feed; files are split at that byte."""

_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class LineFault:
    """The error of a line that is invalid in its encoding."""

    error: DataError


def read_lines(path: Path, encoding: Encoding) -> Iterator[str]:
    """Yield the lines with their ends, decoded one at a time, without a byte order mark.

    Raises UsageError for an unknown encoding. Raises DataError when the file cannot be read and for
    a byte that is invalid in the encoding.
    """
    for line in scan_lines(path, encoding):
        if isinstance(line, LineFault):
            raise line.error
        yield line


def scan_lines(path: Path, encoding: Encoding) -> Iterator[str | LineFault]:
    """Yield what `read_lines` yields, and a LineFault in the place of a line that is no text.

    Raises the same errors for the file itself.
    """
    known = get_args(Encoding)
    if encoding not in known:
        raise UsageError(f"No encoding {encoding!r} is known.", hint=f"Use {', '.join(known)}.")
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    text = _decoded(line, encoding, f"{path.name} line {number}")
                except DataError as error:
                    yield LineFault(error)
                else:
                    yield text.removeprefix(_MARK) if number == 1 else text
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error


def _decoded(line: bytes, encoding: Encoding, where: str) -> str:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError as error:
        others = [name for name in get_args(Encoding) if name != encoding]
        raise DataError(
            f"{where} is no {encoding}: byte 0x{line[error.start]:02x} at position {error.start}.",
            hint=f"State the encoding that the file has: {' or '.join(others)}.",
        ) from error
