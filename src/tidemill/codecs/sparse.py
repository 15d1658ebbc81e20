"""Nodes of a graph as arrays, without a Python object per feature."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from tidemill.codecs.columns import shown
from tidemill.codecs.nodes import LONGEST_ID
from tidemill.domain.errors import BadPayload

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_LARGEST = float(np.finfo(np.float32).max)
_DIGITS = 18
"""The largest number that always fits into 64 bits."""
_LENGTHS = frozenset(range(1, LONGEST_ID + 1))
"""The longest id, in characters."""


@dataclass(frozen=True, slots=True, eq=False)
class SparseRows:
    """Rows of unequal length, end to end: row i is `flat[starts[i]:starts[i + 1]]`."""

    starts: Ints
    flat: Ints

    @classmethod
    def of(cls, rows: Sequence[Collection[Any]], flat: Ints) -> SparseRows:
        """Return an array as long as `rows`, with the content of `flat`."""
        return cls(starts_of(rows), flat)

    def at(self, rows: Ints) -> tuple[Ints, Ints]:
        """Return where these rows lie in `flat`, end to end, and for each place which row it is of.

        The second counts the given rows: 0 for the first of them.
        """
        return spans(self.starts[rows], self.starts[rows + 1])


class Nodes:
    """Nodes as they were sent: `ids`, features (`columns` and their `values`), and `links` by id.

    The columns of a node ascend; `columns.flat` int64 and `values` float64 are aligned. The links
    of node i are `links[link_starts[i]:link_starts[i + 1]]`.
    """

    def __init__(self, objects: Sequence[Mapping[str, Any]], features: int) -> None:
        """Build the nodes from the objects of `nodes.Sent`.

        Raises BadPayload that names the node.
        """
        self.ids: list[str] = [node["id"] for node in objects]
        features_of = [node.get("features", ()) for node in objects]
        flat = [_positions(id, row) for id, row in zip(self.ids, features_of, strict=True)]
        self.columns = SparseRows.of(features_of, self._columns(flat, features))
        self.values = np.ones(len(self.columns.flat))
        for place, row in enumerate(features_of):
            if isinstance(row, dict):
                self._fill(place, row)
        self._refuse_disorder()
        named = [node.get("links", ()) for node in objects]
        self.links: list[str] = list(chain.from_iterable(named))
        self.link_starts = starts_of(named)
        if not (set(map(type, self.links)) <= {str} and set(map(len, self.links)) <= _LENGTHS):
            self._refuse_link()

    def heads(self) -> Ints:
        """Return, for every link, the position of the node that names it."""
        return np.repeat(np.arange(len(self.ids)), np.diff(self.link_starts))

    def tails(self, known: Mapping[str, int], others: Mapping[str, int]) -> Ints:
        """Return, for every link, the number of its node: by `known`, else by `others`, else -1."""
        numbers = map(others.get, self.links, repeat(-1)) if others else repeat(-1)
        return np.fromiter(map(known.get, self.links, numbers), np.int64, len(self.links))

    def features(self, place: int) -> dict[int, float]:
        """Return the features of one node by position, without zeros."""
        span = slice(*self.columns.starts[place : place + 2].tolist())
        pairs = zip(self.columns.flat[span].tolist(), self.values[span].tolist(), strict=True)
        return {position: value for position, value in pairs if value}

    def links_of(self, place: int) -> list[str]:
        """Return the ids that one node names."""
        return self.links[slice(*self.link_starts[place : place + 2].tolist())]

    def _refuse_link(self) -> NoReturn:
        bad = next(
            at
            for at, link in enumerate(self.links)
            if not isinstance(link, str) or len(link) not in _LENGTHS
        )
        raise BadPayload(
            f"The node {shown(self.ids[owner(self.link_starts, bad)])} links to"
            f" {shown(self.links[bad])}, which is no id.",
            hint=f"Ids are text, in quotes, of 1 to {LONGEST_ID} characters.",
        )

    def _columns(self, rows: Sequence[Sequence[int]], features: int) -> Ints:
        flat = list(chain.from_iterable(rows))
        if not set(map(type, flat)) <= {int}:
            self._refuse_position(rows, features)
        try:
            columns = np.array(flat, np.int64)
        except OverflowError:
            self._refuse_position(rows, features)
        if len(columns) and not (columns.min() >= 0 and columns.max() < features):
            self._refuse_position(rows, features)
        return columns

    def _refuse_position(self, rows: Sequence[Sequence[int]], features: int) -> NoReturn:
        id, bad = next(
            (id, position)
            for id, row in zip(self.ids, rows, strict=True)
            for position in row
            if type(position) is not int or not 0 <= position < features
        )
        raise BadPayload(
            f"The node {shown(id)} has a feature at {shown(bad)}; positions are whole numbers"
            f" from 0 to {features - 1}."
        )

    def _fill(self, place: int, row: Mapping[str, Any]) -> None:
        for position, value in row.items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not abs(value) <= _LARGEST:
                raise BadPayload(
                    f"The node {shown(self.ids[place])} has {shown(value)} at position"
                    f" {position}, which is no finite number of single precision."
                )
        span = slice(*self.columns.starts[place : place + 2].tolist())
        # The keys of an object have no order.
        order = np.argsort(self.columns.flat[span])
        self.columns.flat[span] = self.columns.flat[span][order]
        self.values[span] = np.array(list(row.values()), np.float64)[order]

    def _refuse_disorder(self) -> None:
        starts, flat = self.columns.starts, self.columns.flat
        rises = np.diff(flat) > 0
        first = starts[(starts > 0) & (starts < len(flat))]
        rises[first - 1] = True
        if not rises.all():
            bad = int(np.argmin(rises))
            raise BadPayload(
                f"The node {shown(self.ids[owner(starts, bad)])} names position {flat[bad + 1]}"
                f" after {flat[bad]}.",
                hint="Positions ascend, and none is named twice.",
            )


def starts_of(rows: Sequence[Collection[Any]]) -> Ints:
    """Return the starts of these rows when they lie end to end, and the end of the last."""
    return np.cumsum([0, *map(len, rows)], dtype=np.int64)


def owner(starts: Ints, place: int) -> int:
    """Return the row that contains the position."""
    return int(np.searchsorted(starts, place, side="right")) - 1


def spans(first: Ints, end: Ints) -> tuple[Ints, Ints]:
    """Return the places of the ranges from `first` to `end`, end to end, and which range each is
    of.
    """
    counts = end - first
    owners = np.repeat(np.arange(len(counts)), counts)
    shift = first - (np.cumsum(counts) - counts)
    return np.arange(len(owners)) + shift[owners], owners


def _positions(id: str, row: Sequence[int] | Mapping[str, float]) -> Sequence[int]:
    if not isinstance(row, Mapping):
        return row
    for key in row:
        # One position has one spelling, so that no position occurs twice.
        plain = key.isascii() and key.isdigit() and len(key) <= _DIGITS
        if not plain or str(int(key)) != key:
            raise BadPayload(
                f"The node {shown(id)} has a feature at {shown(key)}, which is no position."
            )
    return [int(key) for key in row]
