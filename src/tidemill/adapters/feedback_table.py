"""Reads a table in which another system stores labels. The names of its columns are configured."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from reprlib import repr as shortened
from typing import Any

from sqlalchemy import (
    ColumnClause,
    ColumnElement,
    Connection,
    Select,
    and_,
    column,
    func,
    inspect,
    literal,
    not_,
    or_,
    select,
    table,
)
from sqlalchemy.sql import quoted_name
from sqlalchemy.types import NullType, TypeEngine

from tidemill.adapters.row_times import KINDS, TimeKind, kind_of, moment_of, place_of, time_at
from tidemill.data.database import Database
from tidemill.data.rows import cell_text, require
from tidemill.data.sql_pages import SqlPages
from tidemill.domain.errors import DataError
from tidemill.loop.feedback_columns import FeedbackColumns

SHOWN_TABLES = 20
"""Tables that an error lists at most."""


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One row of the table.

    `labels` has the value of each label column as the database gives it. `prediction`, `item` and
    `actor` are empty where the row has none; one of `payload` and `prediction` is not. The time of
    the row begins at `place`. With both, the payload is for a prediction that nobody finds.
    """

    labels: Mapping[str, object]
    at: datetime
    place: str
    payload: bytes | None = None
    prediction: str = ""
    item: str = ""
    actor: str = ""


@dataclass(frozen=True, slots=True)
class FaultyRow:
    """A row that cannot be feedback. Without a valid time, `at` is None."""

    at: datetime | None
    place: str
    fault: str


class FeedbackTable:
    """The table of one database. A connection is open only while rows are read.

    `import_offset` names the table, its time column and the database, without user and password.
    """

    def __init__(self, database: Database, columns: FeedbackColumns) -> None:
        self.columns = columns
        self.name = ".".join(filter(None, [columns.schema, columns.table]))
        self.import_offset = f"{self.name} by {columns.time} of {database.public}"
        self._database = database

    def pages(self, place: str, *, size: int) -> Generator[Sequence[LabelRow | FaultyRow]]:
        """Return the rows from a place on, with all rows of its time; all rows when it is empty.

        The last page, and no other, has fewer than `size` rows; it may have none. Rows without a
        time have no place and are not read. Raises Unavailable when the database cannot be read.
        Raises DataError when it has no such table or column, and for times of another type than the
        place.
        """
        query = self._select(*self._selected()).where(self._time.is_not(None))
        self._check_names(place)
        pages = SqlPages(
            self._database, query, ("time",), name=self.name, size=size, keep_unreadable=True
        )
        with closing(pages.read(since=(time_at(place),) if place else None)) as read:
            for page in read:
                yield [self._row(row) for row in page.rows]

    def count_undated(self, place: str = "") -> int:
        """Return the number of rows that no reading from a place on returns for want of a time.

        They have no time, or below the place a value that cannot be one. Raises what `pages`
        raises.
        """
        self._check_names(place)
        with self._database.connected(f"the times of {self.name}") as connection:
            undated = or_(self._time.is_(None), *self._unread(connection.dialect.name, place))
            return int(connection.execute(self._select(func.count()).where(undated)).scalar_one())

    def _unread(self, dialect: str, place: str) -> list[ColumnElement[bool]]:
        """Return conditions for rows below a place whose value is no time."""
        kind = kind_of(place) if place else ""
        if kind == "date":
            return [self._time < literal(date.min, NullType())]
        if kind != "text":
            return []  # nothing that is stored in another type is below a number
        glob, pattern = ("GLOB", "[0-9][0-9][0-9][0-9][-0-9]*"), ("~", "^[0-9]{4}[-0-9]")
        operator, dated = glob if dialect == "sqlite" else pattern
        below = self._time < literal(time_at(place), NullType())
        other = not_(self._time.bool_op(operator)(literal(dated, NullType())))
        # SQLite orders every number before every text.
        stored = [func.typeof(self._time).in_(["integer", "real"])] * (dialect == "sqlite")
        return [and_(below, or_(other, *stored))]

    def _check_names(self, place: str = "") -> None:
        """Raise DataError when the database has no such table or column, listing those it has.

        SQLite would read an unknown column as a text.
        """
        what = f"the columns of {self.name}"
        with self._database.connected(what) as connection, connection.begin():
            types = self._column_types(connection)
            require(self.columns.columns, list(types), self.name)
            # A column of SQLite holds values of any type.
            if connection.dialect.name == "sqlite":
                self._check_place(place, self._stored_kinds(connection))
            else:
                self._check_time(types[self.columns.time], place)

    def _stored_kinds(self, connection: Connection) -> set[TimeKind]:
        stored = connection.execute(self._select(func.typeof(self._time)).distinct()).scalars()
        kinds: dict[str, TimeKind] = {"text": "text", "integer": "number", "real": "number"}
        return {kinds[each] for each in stored if each in kinds}

    def _check_place(self, place: str, kinds: set[TimeKind]) -> None:
        """Raise DataError for times that a database does not compare with the place."""
        if place and kinds and kind_of(place) not in kinds:
            raise DataError(
                f"The column {self.columns.time!r} of {self.name} has times of another type than"
                f" at the last import: {' and '.join(sorted(kinds))} in place of {kind_of(place)}.",
                hint="Restore the type, or give the column another name: then all rows are read.",
            )

    def _check_time(self, type_: TypeEngine[Any], place: str) -> None:
        """Raise DataError for a type that holds no times, or others than the place."""
        try:
            python = type_.python_type
        except NotImplementedError:
            return  # each row decides
        if python not in KINDS:
            raise DataError(
                f"The column {self.columns.time!r} of {self.name} has the type {type_}, which is"
                " no time of a row.",
                hint="Set feedback.time to a column of timestamps, dates, numbers or texts.",
            )
        self._check_place(place, {KINDS[python]})

    def _column_types(self, connection: Connection) -> dict[str, TypeEngine[Any]]:
        name, schema = self.columns.table, self.columns.schema or None
        inspector = inspect(connection)
        if schema and schema not in (schemas := inspector.get_schema_names()):
            raise DataError(
                f"The database of feedback has no schema {schema!r}.",
                hint=f"It has: {', '.join(schemas)}. Set feedback.schema.",
            )
        tables = [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
        if name not in tables and not inspector.has_table(name, schema):
            shown = [*sorted(tables)[:SHOWN_TABLES], *["..."][: len(tables) > SHOWN_TABLES]]
            raise DataError(
                f"The database of feedback has no table {self.name!r}.",
                hint=f"It has: {', '.join(shown) or 'none'}. Set feedback.table.",
            )
        return {each["name"]: each["type"] for each in inspector.get_columns(name, schema)}

    def _select(self, *columns: Any) -> Select[Any]:
        schema = self.columns.schema
        name = quoted_name(self.columns.table, quote=True)
        return select(*columns).select_from(
            table(name, schema=quoted_name(schema, quote=True) if schema else None)
        )

    def _selected(self) -> list[Any]:
        """Return the configured columns under our own names, which need no quotes."""
        names = self.columns
        single = {
            name: getattr(names, name)
            for name in ("time", "payload", "prediction", "item", "actor")
            if getattr(names, name)
        }
        return [
            _column(name).label(label)
            for label, name in {**single, **self._label_columns()}.items()
        ]

    def _label_columns(self) -> dict[str, str]:
        label = self.columns.label
        names = label.values() if isinstance(label, Mapping) else (label,)
        return {f"label_{at}": name for at, name in enumerate(dict.fromkeys(names))}

    @property
    def _time(self) -> ColumnClause[Any]:
        return _column(self.columns.time)

    def _row(self, values: Mapping[str, Any]) -> LabelRow | FaultyRow:
        time = values["time"]
        place, at = place_of(time), moment_of(time)
        if at is None:
            fault = f"A row of {self.name} has the time {shortened(time)}, which is none."
            return FaultyRow(None, place, fault)
        try:
            prediction, item, actor = (
                _cell_name(values, cell) for cell in ("prediction", "item", "actor")
            )
        except UnicodeDecodeError as error:
            fault = f"The row of {self.name} of {time} has a name that is no UTF-8"
            return FaultyRow(at, place, f"{fault}: {shortened(error.object)}.")
        payload = _payload(values.get("payload"))
        if payload is None and not prediction:
            lacking = " and no ".join(
                name for name in ("payload", "prediction") if getattr(self.columns, name)
            )
            return FaultyRow(at, place, f"The row of {self.name} of {time} has no {lacking}.")
        return LabelRow(
            labels={name: values[label] for label, name in self._label_columns().items()},
            at=at,
            place=place,
            payload=payload,
            prediction=prediction,
            item=item,
            actor=actor,
        )


def _column(name: str) -> ColumnClause[Any]:
    return column(quoted_name(name, quote=True))


def _cell_name(values: Mapping[str, Any], cell: str) -> str:
    """Return the name in a cell. Raises UnicodeDecodeError."""
    value = values.get(cell)
    return cell_text(value.decode() if isinstance(value, bytes) else value)


def _payload(value: Any) -> bytes | None:
    """Return the payload in a cell: bytes, a text, or a JSON value that the driver has parsed."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    return value if isinstance(value, bytes) else None
