"""Read nodes from a table of features and a list of edges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidemill.codecs.nodes import node_payload
from tidemill.data.folder import SPLIT_NAMES
from tidemill.data.links import Links
from tidemill.data.rows import Row, Rows, cell_text, read_number
from tidemill.domain.errors import DataError
from tidemill.domain.types import Example, Split, payload_id


@dataclass(frozen=True, slots=True)
class NodeColumns:
    """The columns of the table of nodes, with `count` features in all.

    Features are the columns PREFIX1 to PREFIXcount, one number each. If `words` names a column, it
    lists the positions of the features that are 1 instead, counted from 0, each once. It holds text
    with blanks between the positions, or a list. Without `split`, Tidemill assigns the splits.
    """

    count: int
    id: str = "id"
    label: str = "label"
    prefix: str = "f"
    words: str = ""
    split: str = ""

    @property
    def all(self) -> tuple[str, ...]:
        features = (self.words,) if self.words else self.numbers
        return (self.id, self.label, *((self.split,) if self.split else ()), *features)

    @property
    def numbers(self) -> tuple[str, ...]:
        return tuple(f"{self.prefix}{at}" for at in range(1, self.count + 1))


class NodeRows:
    """Yield one node per row, linked by the rows of another file. Fulfils `domain.ports.Source`.

    A node without a label belongs to train as a neighbour and is not learnt from. The ids, the
    edges and one row are in memory. Rows with one id are not merged: the data check finds and names
    them. Raises DataError with the file and the line for a link to an unknown node, an empty id, an
    invalid number or split, and a position that is not below `count` or is listed twice.
    """

    name = "table"

    def __init__(
        self,
        nodes: Rows,
        edges: Rows,
        target: str,
        columns: NodeColumns,
        *,
        ends: tuple[str, str] = ("source", "target"),
    ) -> None:
        self.nodes = nodes
        self.edges = edges
        self.target = target
        self.columns = columns
        self.ends = ends

    def prepare(self, progress: Callable[[int, int], None]) -> None:
        """Do nothing: the files are local. Missing ones are reported when they are read."""

    def examples(self) -> Iterator[Example]:
        """Yield every node, in the table's order. Raises DataError."""
        links = self._links()
        for row in self.nodes.read(self.columns.all):
            try:
                yield self._example(row, links)
            except DataError as error:
                raise _at(self.nodes, row, error) from error

    def __len__(self) -> int:
        """Return the current number of nodes by reading their ids again. Raises DataError."""
        return sum(1 for _ in self._ids())

    def _ids(self) -> Iterator[str]:
        for row in self.nodes.read([self.columns.id]):
            id = cell_text(row.values.get(self.columns.id))
            if not id:
                raise DataError(f"{self.nodes.name} {row.place}: the node has no id.")
            yield id

    def _links(self) -> Links:
        links = Links(self._ids())
        if not len(links):
            raise DataError(f"{self.nodes.name} holds no node.")
        for row in self.edges.read(self.ends):
            one, other = (cell_text(row.values.get(end)) for end in self.ends)
            try:
                links.add(one, other)
            except DataError as error:
                raise _at(self.edges, row, error) from error
        return links

    def _example(self, row: Row, links: Links) -> Example:
        columns, values = self.columns, row.values
        id, label = cell_text(values.get(columns.id)), cell_text(values.get(columns.label))
        payload = node_payload(id, _features(columns, values), links.of(id))
        return Example(
            id=payload_id(payload),
            payload=payload,
            labels={self.target: label} if label else {},
            source=self.name,
            origin=f"{self.nodes.name} {row.place}",
            split=_split(columns, values) if label else "train",
        )


def _features(columns: NodeColumns, values: Mapping[str, Any]) -> dict[int, float]:
    if columns.words:
        cell = values.get(columns.words)
        words = cell if isinstance(cell, list) else cell_text(cell).split()
        return dict.fromkeys(_positions(columns, words), 1.0)
    return {
        at: read_number(float, name, values.get(name)) for at, name in enumerate(columns.numbers)
    }


def _positions(columns: NodeColumns, words: Sequence[Any]) -> Iterator[int]:
    earlier: set[int] = set()
    for word in words:
        position = read_number(int, columns.words, word)
        if not 0 <= position < columns.count:
            raise DataError(
                f"the column {columns.words!r} holds {position}, which is not in"
                f" 0..{columns.count - 1}"
            )
        if position in earlier:
            raise DataError(f"the column {columns.words!r} holds {position} twice")
        earlier.add(position)
        yield position


def _split(columns: NodeColumns, values: Mapping[str, Any]) -> Split | None:
    named = cell_text(values.get(columns.split)).lower() if columns.split else ""
    if named and named not in SPLIT_NAMES:
        raise DataError(
            f"there is no split {named!r}", hint=f"Use one of {', '.join(SPLIT_NAMES)}."
        )
    return SPLIT_NAMES[named] if named else None


def _at(rows: Rows, row: Row, error: DataError) -> DataError:
    return DataError(f"{rows.name} {row.place}: {error.message.rstrip('.')}.", hint=error.hint)
