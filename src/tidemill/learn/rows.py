"""Rows of one array, end to end in a file, of equal or different lengths."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ArrayRows:
    """Row i is `values[starts[i] : starts[i + 1]]`; rows differ in their first axis alone."""

    values: Array
    starts: Indices

    @classmethod
    def of(cls, rows: Array) -> Self:
        """Return the rows of an array [n, length, ...], which are equally long."""
        n, length = rows.shape[:2]
        return cls(rows.reshape(n * length, *rows.shape[2:]), np.arange(n + 1) * length)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def lengths(self) -> Indices:
        """int64 [n]."""
        return np.diff(self.starts)

    @cached_property
    def ragged(self) -> bool:
        """True when rows differ in length."""
        return bool(self.lengths.size) and bool((self.lengths != self.lengths[0]).any())

    def first(self, n: int) -> ArrayRows:
        """Return the first n rows."""
        return ArrayRows(self.values, self.starts[: n + 1])

    def take(self, at: Indices) -> Array:
        """Return [len(at), longest of them, ...]; shorter rows are padded with zeros at the end."""
        lengths = self.lengths[at]
        longest = int(lengths.max(initial=0))
        taken = np.zeros((len(at), longest, *self.values.shape[1:]), self.values.dtype)
        # Reading a mapped file in its own order loads each page once.
        for place in np.argsort(at):
            start = self.starts[at[place]]
            taken[place, : lengths[place]] = self.values[start : start + lengths[place]]
        return taken


class RowsWriter:
    """Appends rows to a `.npy` file of unknown length; its header is written again at the end.

    numpy pads the header so that the first axis can grow in place
    (`numpy.lib.format`, "GROWTH_AXIS_MAX_DIGITS").
    """

    def __init__(self, path: Path, like: Array) -> None:
        self._path = path
        self._dtype, self._inner = like.dtype, like.shape[1:]
        self._ends = [0]

    def __enter__(self) -> Self:
        self._file: BinaryIO = self._path.open("wb")
        self._write_header()
        self._begin = self._file.tell()
        return self

    def __exit__(self, *_: object) -> None:
        with self._file:
            self._file.seek(0)
            self._write_header()
            if self._file.tell() != self._begin:
                raise ValueError(f"the header of {self._path.name} does not fit")

    def append(self, row: Array) -> None:
        """Raise ValueError for a row of another type, or of another shape apart from its length."""
        if row.dtype != self._dtype or row.shape[1:] != self._inner:
            raise ValueError(
                f"{self._path.stem} is {row.dtype} {row.shape}, where others are "
                f"{self._dtype} [length, {', '.join(map(str, self._inner))}]"
            )
        self._file.write(np.ascontiguousarray(row).data)
        self._ends.append(self._ends[-1] + len(row))

    def rows(self) -> ArrayRows:
        """Return the mapped array. Call this after the file is closed."""
        starts = np.array(self._ends, np.int64)
        if starts[-1] == 0:  # nothing can be mapped of an empty file
            return ArrayRows(np.empty((0, *self._inner), self._dtype), starts)
        return ArrayRows(np.load(self._path, mmap_mode="r", allow_pickle=False), starts)

    def _write_header(self) -> None:
        np.lib.format.write_array_header_1_0(
            self._file,
            {
                "descr": np.lib.format.dtype_to_descr(self._dtype),
                "fortran_order": False,
                "shape": (self._ends[-1], *self._inner),
            },
        )
