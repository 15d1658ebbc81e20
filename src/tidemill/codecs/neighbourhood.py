"""Graphs, and the part of a graph that determines the answers for some nodes.

The cost of joining a payload to a large graph depends on the payload and the neighbourhood, not on
the size of the graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tidemill.codecs.columns import shown
from tidemill.codecs.sparse import Floats, Ints, Nodes, SparseRows, owner, spans
from tidemill.domain.errors import BadPayload


@dataclass(frozen=True, slots=True, eq=False)
class Subgraph:
    """The model's view of a graph of `size` nodes.

    The features that are not zero: of node `rows[i]` at position `columns[i]` the number
    `values[i]`. `edges` int64 [E, 2] are distinct, in both directions, without self-loops.
    """

    size: int
    rows: Ints
    columns: Ints
    values: Floats
    edges: Ints


class Graph:
    """A whole graph. It is immutable, so threads may share one."""

    def __init__(self, nodes: Nodes) -> None:
        """Build the graph.

        Raises BadPayload for a link that leads out of it, with both its ends.
        """
        self.nodes = nodes
        self.places = {id: place for place, id in enumerate(nodes.ids)}
        tails = nodes.tails(self.places, {})
        if len(lost := np.flatnonzero(tails < 0)):
            source = nodes.ids[owner(nodes.link_starts, int(lost[0]))]
            raise BadPayload(
                f"The node {shown(source)} links to {shown(nodes.links[lost[0]])}, which is not"
                " in the graph.",
                hint="A whole graph holds every node that its links name.",
            )
        pairs = _distinct(_both_ways(nodes.heads(), tails))
        starts = np.searchsorted(pairs[:, 0], np.arange(len(nodes.ids) + 1))
        self.links = SparseRows(starts, np.ascontiguousarray(pairs[:, 1]))

    @property
    def edge_count(self) -> int:
        """Distinct edges, whatever their direction."""
        return len(self.links.flat) // 2

    def place(self, id: str) -> int:
        """Return the position of the node in `nodes`. Raises BadPayload for an unknown node."""
        if id not in self.places:
            raise BadPayload(
                f"The node {shown(id)} is not in the stored graph.",
                hint="Send it with its features and links.",
            )
        return self.places[id]

    def neighbours(self, id: str) -> list[str]:
        """Return the ids of the neighbours; none for an unknown node."""
        place = self.places.get(id)
        if place is None:
            return []
        span = slice(*self.links.starts[place : place + 2].tolist())
        return [self.nodes.ids[number] for number in self.links.flat[span].tolist()]

    def subgraph(self) -> Subgraph:
        """Return the whole graph, with the nodes in their order."""
        every = np.arange(len(self.nodes.ids))
        heads = np.repeat(every, np.diff(self.links.starts))
        rows = np.repeat(every, np.diff(self.nodes.columns.starts))
        edges = np.stack([heads, self.links.flat], axis=1)
        return _subgraph(len(every), rows, self.nodes.columns.flat, self.nodes.values, edges)


class JoinedGraph:
    """A payload's nodes, joined to a stored graph, which is neither changed nor copied.

    A sent node has the features of the payload. Its links are those that it names, those of other
    sent nodes that name it, and, when it is stored, those of the stored graph: a link named by
    either end is an edge. Stored nodes are numbered by their positions, new nodes after them.
    """

    def __init__(self, stored: Graph, nodes: Nodes) -> None:
        self._stored, self._nodes = stored, nodes
        self._base = len(stored.nodes.ids)
        fresh = iter(range(self._base, self._base + len(nodes.ids)))
        self._sent = {
            id: stored.places[id] if id in stored.places else next(fresh) for id in nodes.ids
        }
        self._numbers = np.array(list(self._sent.values()), np.int64)
        heads, tails = nodes.heads(), nodes.tails(self._sent, stored.places)
        known = tails >= 0
        self._lost = np.flatnonzero(~known)
        self._added = _distinct(_both_ways(self._numbers[heads[known]], tails[known]))

    @property
    def edge_count(self) -> int:
        """Distinct edges of the payload, whatever their direction."""
        return len(self._added) // 2

    @property
    def lost_count(self) -> int:
        """The number of links that lead to no known node."""
        return len(self._lost)

    def lost(self, most: int) -> list[tuple[str, str]]:
        """Return the first links to unknown nodes, at most `most`: from, to."""
        return [
            (self._nodes.ids[owner(self._nodes.link_starts, link)], self._nodes.links[link])
            for link in self._lost[:most].tolist()
        ]

    def around(self, names: Sequence[str], hops: int) -> tuple[Subgraph, Ints]:
        """Return the nodes at most `hops` links away from a named node, and all links among them.

        Also returns the positions of the named nodes in the subgraph. Raises BadPayload for an
        unknown name.
        """
        numbers = [
            self._sent[name] if name in self._sent else self._stored.place(name) for name in names
        ]
        places = np.array(numbers, np.int64)
        reached = frontier = np.unique(places)
        for _ in range(hops):
            frontier = np.setdiff1d(self._beside(frontier)[:, 1], reached)
            if not len(frontier):
                break
            reached = np.union1d(reached, frontier)
        pairs = self._beside(reached)
        inside = np.isin(pairs[:, 1], reached)
        edges = _distinct(np.searchsorted(reached, pairs[inside]))
        rows, columns, values = self._features(reached)
        part = _subgraph(len(reached), rows, columns, values, edges)
        return part, np.searchsorted(reached, places)

    def _beside(self, nodes: Ints) -> Ints:
        """Return the links of these nodes, which ascend: int64 [e, 2]. Some may be there twice."""
        old = nodes[: np.searchsorted(nodes, self._base)]
        places, owners = self._stored.links.at(old)
        stored = np.stack([old[owners], self._stored.links.flat[places]], axis=1)
        heads = self._added[:, 0]
        added, _ = spans(np.searchsorted(heads, nodes), np.searchsorted(heads, nodes + 1))
        return np.concatenate([stored, self._added[added]])

    def _features(self, reached: Ints) -> tuple[Ints, Ints, Floats]:
        """Return the rows (counted in `reached`, which ascends), columns and values of their
        features.
        """
        new = np.flatnonzero(np.isin(self._numbers, reached))
        at_new = np.searchsorted(reached, self._numbers[new])
        at_old = np.setdiff1d(np.arange(np.searchsorted(reached, self._base)), at_new)
        old_places, old_owners = self._stored.nodes.columns.at(reached[at_old])
        new_places, new_owners = self._nodes.columns.at(new)
        return (
            np.concatenate([at_old[old_owners], at_new[new_owners]]),
            np.concatenate(
                [self._stored.nodes.columns.flat[old_places], self._nodes.columns.flat[new_places]]
            ),
            np.concatenate([self._stored.nodes.values[old_places], self._nodes.values[new_places]]),
        )


def _both_ways(heads: Ints, tails: Ints) -> Ints:
    """Return the pairs in both directions, [2e, 2], without self-links."""
    apart = heads != tails
    heads, tails = heads[apart], tails[apart]
    return np.stack([np.concatenate([heads, tails]), np.concatenate([tails, heads])], axis=1)


def _distinct(pairs: Ints) -> Ints:
    """Return each pair once, sorted."""
    width = int(pairs.max(initial=0)) + 1
    # One number per pair sorts many times faster than rows of two.
    heads, tails = np.divmod(np.unique(pairs[:, 0] * width + pairs[:, 1]), width)
    return np.stack([heads, tails], axis=1)


def _subgraph(size: int, rows: Ints, columns: Ints, values: Floats, edges: Ints) -> Subgraph:
    there = values != 0
    if not there.all():
        rows, columns, values = rows[there], columns[there], values[there]
    return Subgraph(size, rows, columns, values, edges)
