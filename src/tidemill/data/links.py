"""Collect the links of a graph while its nodes become examples."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from tidemill.domain.errors import DataError

Places = npt.NDArray[np.int64]


class Links:
    """Links in both directions, without self-links and duplicates.

    An example contains all links of its node, so a source collects all links first. They are stored
    as pairs of numbers: a million links need some tens of megabytes. The first call of `of` sorts
    them; `add` may not be called after it.
    """

    def __init__(self, ids: Iterable[str]) -> None:
        self._ids = list(dict.fromkeys(ids))
        self._at = {id: at for at, id in enumerate(self._ids)}
        self._pairs = array("q")
        self._sorted: tuple[Places, Places] | None = None

    def __len__(self) -> int:
        """Return the number of nodes."""
        return len(self._ids)

    def add(self, one: str, other: str) -> None:
        """Add a link. Raises DataError when an end is not a node."""
        for end in (one, other):
            if end not in self._at:
                raise DataError(
                    f"there is no node {end!r}", hint="Add the node, or take the link out."
                )
        self._pairs.extend((self._at[one], self._at[other]))

    def of(self, id: str) -> list[str]:
        """Return the ids of a node's neighbours."""
        if self._sorted is None:
            self._sorted = self._rows()
        starts, neighbours = self._sorted
        at = self._at[id]
        return [self._ids[other] for other in neighbours[starts[at] : starts[at + 1]]]

    def _rows(self) -> tuple[Places, Places]:
        """Return the start of each node's neighbours, and the neighbours."""
        ends = np.frombuffer(self._pairs, np.int64).reshape(-1, 2)
        count = len(self._ids)
        both = np.concatenate([ends, ends[:, ::-1]])
        keys = np.unique(both[both[:, 0] != both[:, 1]] @ np.array([count, 1]))
        return np.searchsorted(keys, np.arange(count + 1) * count), keys % count
