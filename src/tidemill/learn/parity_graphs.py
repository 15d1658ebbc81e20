"""Graphs for the comparison of a network with its file, besides the training graph."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tidemill.codecs.codec import Arrays

SIZES = (1, 7, 50, 1000, 5000)
"""Nodes: from one alone to more than most graphs that are sent at once."""
LINKS = 2
"""Random edges per node, in both directions, before repeats fall together."""
SHARE = 0.02
"""The share of a node's features that are not zero."""


def parity_graphs(features: int) -> Iterator[tuple[str, Arrays]]:
    """Yield a name for each, and arrays as `codecs.graph.GraphCodec` makes them, the same every
    time.
    """
    for size in SIZES:
        yield f"{size} nodes", graph(size, features, LINKS)
    yield "no edges", graph(20, features, 0)
    isolated = graph(30, features, LINKS)
    inner = (isolated["edges"] >= 10).all(axis=1) | (
        isolated["edges"][:, 0] == isolated["edges"][:, 1]
    )
    yield "isolated nodes", isolated | {"edges": isolated["edges"][inner]}
    silent = graph(30, features, LINKS)
    silent["features"][::3] = 0
    yield "nodes without features", silent


def graph(size: int, features: int, links: int) -> Arrays:
    """Return random rows that sum to 1, random edges, and every second node as query."""
    random = np.random.default_rng(size)
    rows = (random.random((size, features)) < SHARE).astype(np.float32)
    ends = random.integers(0, size, (size * links, 2))
    loops = np.stack([np.arange(size)] * 2, axis=1)
    edges = np.unique(np.concatenate([ends, ends[:, ::-1], loops]), axis=0)
    return {
        "features": rows / np.maximum(rows.sum(axis=1, keepdims=True), 1),
        "edges": edges,
        "query": np.arange(0, size, 2),
    }
