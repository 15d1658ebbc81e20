"""Read a snapshot of nodes as one graph with its labelled nodes of each split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tidemill.codecs.codec import Arrays
from tidemill.codecs.graph import GraphCodec
from tidemill.codecs.nodes import one_node, whole_payload
from tidemill.data.open_snapshot import OpenSnapshot
from tidemill.domain.errors import BadPayload, DataError
from tidemill.domain.types import Example, Split
from tidemill.learn.arrays import Indices

JUDGED: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class NodeSplit:
    """The labelled nodes of one split, in the snapshot's order.

    `places` int64 [n] are their rows in the graph; `labels` holds per target an int64 [n] of
    positions in that target's label names; `sources` says where each node came from.
    """

    places: Indices
    labels: Mapping[str, Indices]
    sources: tuple[str, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.places)


@dataclass(frozen=True, eq=False)
class NodeGraph:
    """All nodes of a snapshot. `codec` stores them, so that it joins a payload to this graph.

    `arrays` are the codec's of the whole graph, every node asked for in the snapshot's order.
    """

    codec: GraphCodec
    arrays: Arrays = field(repr=False)
    splits: Mapping[Split, NodeSplit]


def read_graph(snapshot: OpenSnapshot, codec: GraphCodec) -> NodeGraph:
    """Return every split's nodes, labelled or not, and the links among them; other links are
    dropped.

    A node without labels is seen by its neighbours and is in no split. Raises DataError when a
    payload is not one node or two are the same one (the origin is named), when a node has
    labels for some targets alone, when `train` or `val` has none with labels, and when the graph is
    larger than the codec's limits.
    """
    examples: list[tuple[Split | None, Mapping[str, int], str]] = []
    payloads: list[bytes] = []
    origins: dict[str, str] = {}
    positions = {
        target: {name: at for at, name in enumerate(names)}
        for target, names in snapshot.classes.items()
    }
    for example in snapshot.rows():
        id = _named(example)
        if id in origins:
            raise DataError(
                f"{example.origin} and {origins[id]} are both the node {id!r}.",
                hint="Use checks.policy=drop or majority, which keep one of them.",
            )
        origins[id] = example.origin
        payloads.append(example.payload)
        examples.append((example.split, _positions(example, positions), example.source))
    splits = {}
    for split in JUDGED:
        at = [row for row, (name, labels, _) in enumerate(examples) if name == split and labels]
        if at:
            splits[split] = NodeSplit(
                np.array(at, np.int64),
                {
                    target: np.array([examples[row][1][target] for row in at], np.int64)
                    for target in positions
                },
                tuple(examples[row][2] for row in at),
            )
        elif split != "test":
            raise DataError(f"The snapshot has no {split} examples with labels.")
    whole = whole_payload(payloads)
    try:
        stored = codec.storing(whole)
        return NodeGraph(stored, stored.encode([stored.decode(whole)]), splits)
    except BadPayload as error:
        raise DataError(
            f"The snapshot's graph cannot be used: {error.message}",
            hint="The limits are codec.max_nodes, codec.max_edges and codec.max_bytes.",
        ) from error


def _named(example: Example) -> str:
    try:
        return str(one_node(example.payload)["id"])
    except BadPayload as error:
        raise DataError(f"{example.origin}: {error.message}", hint=error.hint) from error


def _positions(example: Example, known: Mapping[str, Mapping[str, int]]) -> Mapping[str, int]:
    """Return the positions of its labels; empty without any label."""
    if not example.labels:
        return {}
    if missing := [target for target in known if target not in example.labels]:
        raise DataError(
            f"{example.origin} has no label for target {missing[0]!r}.",
            hint="A node has a label for every target, or none.",
        )
    return {target: names[example.labels[target]] for target, names in known.items()}
