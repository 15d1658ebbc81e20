"""Build examples from rows: columns for the payload and one column for each label."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidemill.data.ignored_files import IgnoredFile
from tidemill.data.payloads import PayloadColumns
from tidemill.data.rows import Row, Rows, cell_text
from tidemill.domain.errors import DataError
from tidemill.domain.types import Example, Split, payload_id


@dataclass(frozen=True)
class LabelColumn:
    """The column of a label. `names` maps each value in it to a label.

    Values are compared as text, so `true`, `1` and `yes` differ. Without names, the text is the
    label.
    """

    column: str
    names: Mapping[str, str] = field(default_factory=dict)

    def label(self, values: Mapping[str, Any]) -> str:
        """Return the label of a row; empty for a missing one.

        Raises DataError for an unknown value.
        """
        value = cell_text(values.get(self.column))
        if not value or not self.names:
            return value
        if value not in self.names:
            raise DataError(
                f"the value {value!r} of {self.column!r} stands for no label",
                hint=f"Known values are: {', '.join(self.names)}.",
            )
        return self.names[value]


@dataclass(frozen=True)
class Part:
    """Rows that belong to one split; None leaves the choice to Tidemill."""

    rows: Rows
    split: Split | None = None


class RowSource:
    """Yield the examples of one or more files of rows, in the files' order.

    Fulfils `domain.ports.Source`. `where` selects the rows whose columns have these values. A row
    without a payload or a label is an error that names it. With `skip_blank` such rows are skipped,
    and `notes` counts them. One row is in memory at a time. A source without rows is an error,
    unless it `may_be_empty`. `ignored_files` are the files beside the parts that are not read.
    """

    def __init__(
        self,
        name: str,
        parts: Sequence[Part],
        payload: PayloadColumns,
        labels: Mapping[str, LabelColumn],
        *,
        where: Mapping[str, str] | None = None,
        skip_blank: bool = False,
        may_be_empty: bool = False,
        ignored_files: Sequence[IgnoredFile] = (),
    ) -> None:
        self.name = name
        self.parts = tuple(parts)
        self.payload = payload
        self.labels = dict(labels)
        self.where = dict(where or {})
        self.skip_blank = skip_blank
        self.may_be_empty = may_be_empty
        self._ignored_files = tuple(ignored_files)
        self._skipped: dict[str, int] = {}

    def prepare(self, progress: Callable[[int, int], None]) -> None:
        """Do nothing: the files are local. Missing ones are reported when they are read."""

    def examples(self) -> Iterator[Example]:
        """Yield every example. Raises DataError with the file and the line of a fault."""
        any_row = False
        for part in self.parts:
            for example in self._of(part):
                any_row = True
                yield example
        if not any_row and not self.may_be_empty:
            raise DataError(f"{self._named()} holds no row{self._condition()}.")

    def __len__(self) -> int:
        """Return the current number of examples by reading them again. Raises DataError."""
        return sum(1 for _ in self.examples())

    def notes(self) -> tuple[str, ...]:
        """Return a sentence for each file in which the last reading skipped rows."""
        return tuple(
            f"{count} {'row' if count == 1 else 'rows'} of {name} without a text or label left out."
            for name, count in self._skipped.items()
            if count
        )

    def ignored_files(self) -> tuple[IgnoredFile, ...]:
        """The files beside the parts that are not read."""
        return self._ignored_files

    def _of(self, part: Part) -> Iterator[Example]:
        columns = [*self.payload.columns, *(label.column for label in self.labels.values())]
        self._skipped[part.rows.name] = 0
        for row in part.rows.read([*columns, *self.where]):
            if any(cell_text(row.values.get(key)) != value for key, value in self.where.items()):
                continue
            example = self._example(row, f"{part.rows.name} {row.place}", part.split)
            if example is None:
                self._skipped[part.rows.name] += 1
            else:
                yield example

    def _example(self, row: Row, origin: str, split: Split | None) -> Example | None:
        try:
            payload = self.payload.payload(row.values)
            labels = {target: label.label(row.values) for target, label in self.labels.items()}
        except DataError as error:
            raise DataError(f"{origin}: {error.message.rstrip('.')}.", hint=error.hint) from error
        absent = [self.labels[target].column for target, label in labels.items() if not label]
        if payload is None:
            absent = [*self.payload.columns[:1], *absent]
        if payload is not None and not absent:
            return Example(payload_id(payload), payload, labels, self.name, origin, split)
        if self.skip_blank:
            return None
        raise DataError(
            f"{origin}: there is nothing in {' and '.join(map(repr, absent))}.",
            hint="Fill it in, or let such rows be left out.",
        )

    def _named(self) -> str:
        return ", ".join(part.rows.name for part in self.parts) or self.name

    def _condition(self) -> str:
        if not self.where:
            return ""
        return " where " + " and ".join(f"{key} is {value}" for key, value in self.where.items())
