"""Convert graphs, nodes with features and links, into arrays, alone or joined to a stored graph."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tidemill.codecs.codec import Arrays, Fingerprint, Payload
from tidemill.codecs.columns import shown
from tidemill.codecs.graph_payload import GraphPayload
from tidemill.codecs.neighbourhood import Graph, JoinedGraph, Subgraph
from tidemill.codecs.nodes import (
    SentNodes,
    node_payload,
    one_node,
    parse_json,
    read_payload,
    write_canonical,
)
from tidemill.codecs.sparse import Ints, Nodes, owner
from tidemill.domain.errors import BadPayload, UsageError
from tidemill.validation import validate

_Count = Annotated[int, Field(strict=True, ge=1)]
_BYTE_NS, _JOIN_NS = 400.0, 1e6
"""Nanoseconds on one core of a usual server."""
_NAMED = 3
"""The number of lost links that a remark names."""


class GraphConfig(BaseModel):
    """The codec's configuration.

    A node has `features` features; with `normalise` they are divided by the sum of their
    magnitudes. `hops` is the depth of the neighbourhood that is read from the stored graph: one
    more than the model has layers, because the model measures a node by its neighbours' answers.
    The limits apply to one payload. `max_edges` counts its distinct edges and every link to an
    unknown node. An edge may be written as two links, so the limit for links is twice as high.
    `stored` is the canonical payload of the stored graph, compressed by zlib, in base64.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    features: _Count
    normalise: Annotated[bool, Field(strict=True)] = True
    hops: Annotated[int, Field(strict=True, ge=1, le=64)] = 3
    max_nodes: _Count = 100_000
    max_edges: _Count = 1_000_000
    max_bytes: _Count = 100_000_000
    stored: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class DecodedGraph:
    """A decoded payload. `items` int64 [q] are the positions in `part` of the nodes in `names`.

    `degrees` counts the distinct neighbours of each, without the node itself.
    """

    names: tuple[str, ...]
    part: Subgraph
    items: Ints
    degrees: Ints
    remarks: tuple[str, ...] = ()


class GraphCodec:
    """Fulfils `ManyCodec` for graphs. It is immutable, so threads may share one.

    An example is a payload with exactly one node, its features and its links. A payload that is no
    whole graph is joined to the stored graph; see `neighbourhood.JoinedGraph`.
    """

    kind = "graph"
    payload: type[Payload] = GraphPayload

    def __init__(self, settings: GraphConfig) -> None:
        """Open the stored graph.

        Raises UsageError when `stored` is not a whole graph with this number of features.
        """
        self.settings = settings
        self._stored = _unpack_graph(settings.stored, settings.features)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Return the codec that `config` describes; see GraphConfig for the keys.

        Raises UsageError.
        """
        return cls(validate(GraphConfig, config))

    def config(self) -> dict[str, Any]:
        """Return plain values that rebuild this codec."""
        return self.settings.model_dump(mode="json")

    def storing(self, payload: bytes) -> Self:
        """Return the same codec with this whole graph stored, however large it is.

        Raises BadPayload when it is no whole graph.
        """
        stored = _pack_graph(payload)
        Nodes(read_payload(payload).objects, self.settings.features)
        return type(self)(self.settings.model_copy(update={"stored": stored}))

    def estimate_ns(self, payload: bytes) -> float:
        """Return an estimate from the length, and for the neighbourhood in the stored graph."""
        return _BYTE_NS * len(payload) + _JOIN_NS

    def decode(self, payload: bytes) -> DecodedGraph:
        """Decode the nodes of a payload and their neighbourhood. Raises BadPayload."""
        sent = self._sent(payload)
        nodes = Nodes(sent.objects, self.settings.features)
        if sent.whole:
            graph = Graph(nodes)
            self._bound("edges", graph.edge_count, self.settings.max_edges)
            part = graph.subgraph()
            return _item(sent.names, part, np.arange(part.size))
        joined = JoinedGraph(self._stored, nodes)
        self._bound("edges", joined.edge_count + joined.lost_count, self.settings.max_edges)
        part, items = joined.around(sent.names, self.settings.hops)
        return _item(sent.names, part, items, _remarks(joined))

    def encode(self, inputs: Sequence[DecodedGraph]) -> Arrays:
        """Return the graphs side by side, N nodes in all.

        `features` float32 [N, F]; `edges` int64 [E, 2], from and to, in both directions and with
        a self-loop for every node; `query` int64 [q], the rows to answer, in the order of `inputs`.
        """
        starts = np.cumsum([0, *(decoded.part.size for decoded in inputs)]).tolist()
        features = np.zeros((starts[-1], self.settings.features), np.float32)
        loops = np.arange(starts[-1])
        edges, items = [], []
        for start, decoded in zip(starts, inputs, strict=False):
            part, values = decoded.part, decoded.part.values
            if self.settings.normalise:
                sums = np.bincount(part.rows, np.abs(values), part.size)
                values = values / sums[part.rows]
            features[part.rows + start, part.columns] = values
            edges.append(part.edges + start)
            items.append(decoded.items + start)
        return {
            "features": features,
            "edges": np.concatenate([*edges, np.stack([loops, loops], axis=1)]),
            "query": np.concatenate([np.empty(0, np.int64), *items]),
        }

    def item_names(self, decoded: DecodedGraph) -> tuple[str, ...]:
        """Return the ids of the payload's nodes, in its order."""
        return decoded.names

    def item_features(self, decoded: DecodedGraph) -> list[dict[str, float]]:
        """Per node `degree`, its distinct neighbours, and `density`, its share of features that are
        not zero."""
        there = np.bincount(decoded.part.rows, minlength=decoded.part.size)[decoded.items]
        density = (there / self.settings.features).tolist()
        degrees = decoded.degrees.astype(np.float64).tolist()
        return [
            {"degree": degree, "density": share}
            for degree, share in zip(degrees, density, strict=True)
        ]

    def features(self, decoded: DecodedGraph) -> dict[str, float]:
        """Return the first row of `item_features`."""
        return self.item_features(decoded)[0]

    def remarks(self, decoded: DecodedGraph) -> tuple[str, ...]:
        """Return a remark on links that lead to no node."""
        return decoded.remarks

    def item_payloads(self, payload: bytes, names: Sequence[str]) -> list[bytes]:
        """Return the examples of these nodes: their features and their links.

        A link counts when one of its two nodes names it, or the stored graph has it. Links to
        unknown nodes stay.

        Raises BadPayload when the payload lacks one of the nodes.
        """
        sent = self._sent(payload)
        if strange := set(names).difference(sent.names):
            raise BadPayload(f"The payload does not ask for a node {shown(min(strange))}.")
        nodes = Nodes(sent.objects, self.settings.features)
        places = {id: place for place, id in enumerate(nodes.ids)}
        stored = None if sent.whole else self._stored
        links: dict[str, set[str]] = {name: set() for name in names}
        for name in links.keys() & places.keys():
            links[name].update(nodes.links_of(places[name]))
        for at in [at for at, tail in enumerate(nodes.links) if tail in links]:
            links[nodes.links[at]].add(nodes.ids[owner(nodes.link_starts, at)])
        examples = []
        for name in names:
            features = nodes.features(places[name]) if name in places else self._known(name)
            beside = links[name].union(stored.neighbours(name) if stored else ())
            examples.append(node_payload(name, features, beside))
        return examples

    def fingerprint(self, payload: bytes) -> Fingerprint:
        """Return the fingerprint of an example: two nodes are equal when their ids are equal.

        `exact` is the sha256 of the id and `near` a part of it, so no two ids are near-duplicates.
        Raises BadPayload, also when the payload is not exactly one node with its features.
        """
        self._sent(payload)
        node = one_node(payload)
        Nodes([node], self.settings.features)
        digest = hashlib.sha256(node["id"].encode()).digest()
        return Fingerprint(exact=digest.hex(), near=int.from_bytes(digest[:8], "big"))

    def _known(self, name: str) -> dict[int, float]:
        """Return the features of a stored node. Raises BadPayload."""
        return self._stored.nodes.features(self._stored.place(name))

    def _sent(self, payload: bytes) -> SentNodes:
        """Return the payload, in its limits of bytes, nodes and links. Raises BadPayload."""
        self._bound("bytes", len(payload), self.settings.max_bytes)
        sent = read_payload(payload)
        self._bound("nodes", len(sent.names), self.settings.max_nodes)
        links = sum(len(node.get("links", ())) for node in sent.objects)
        self._bound("links", links, 2 * self.settings.max_edges)
        return sent

    @staticmethod
    def _bound(what: str, count: int, most: int) -> None:
        if count > most:
            raise BadPayload(
                f"The graph has {count:,} {what}; the limit is {most:,}.",
                hint="Send a smaller graph.",
            )


def _item(
    names: tuple[str, ...], part: Subgraph, items: Ints, remarks: tuple[str, ...] = ()
) -> DecodedGraph:
    degrees = np.bincount(part.edges[:, 0], minlength=part.size)[items]
    return DecodedGraph(names, part, items, degrees, remarks)


def _remarks(joined: JoinedGraph) -> tuple[str, ...]:
    lost = joined.lost_count
    if not lost:
        return ()
    examples = ", ".join(f"{shown(start)} to {shown(end)}" for start, end in joined.lost(_NAMED))
    more = ", ..." if lost > _NAMED else ""
    return (
        f"Links to nodes that neither the payload nor the stored graph has were left out:"
        f" {lost:,} ({examples}{more}).",
    )


def _pack_graph(payload: bytes) -> str:
    """Return the stored form of a whole graph: its canonical JSON, by zlib, in base64.

    Raises BadPayload when the payload is no whole graph.
    """
    if not read_payload(payload).whole:
        raise BadPayload("Only a whole graph can be stored.", hint='Send "whole": true.')
    return base64.b64encode(zlib.compress(write_canonical(parse_json(payload)))).decode()


def _unpack_graph(stored: str, features: int) -> Graph:
    """Return the graph of a stored form; it has no nodes when `stored` is empty.

    Raises UsageError when it is no whole graph whose nodes have so many features.
    """
    if not stored:
        return Graph(Nodes([], features))
    try:
        sent = read_payload(zlib.decompress(base64.b64decode(stored, validate=True)))
        graph = Graph(Nodes(sent.objects, features))
    except (binascii.Error, ValueError, zlib.error, BadPayload) as error:
        raise UsageError(f"stored does not fit: {error}") from error
    if not sent.whole:
        raise UsageError("stored does not fit: it is no whole graph.")
    return graph
