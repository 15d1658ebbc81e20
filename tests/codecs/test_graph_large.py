"""Large graphs: what reading one costs grows as the graph does, what a part costs does not."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest

from tidemill.codecs.graph import GraphCodec

FEATURES, WORDS, LINKS = 200, 6, 10


def ring(size: int) -> bytes:
    """Nodes in a ring, each beside `LINKS` that follow, named at one end."""
    nodes = [
        {
            "features": [(place * 7 + word * 31) % 30 + word * 30 for word in range(WORDS)],
            "id": str(place),
            "links": [str((place + step) % size) for step in range(1, LINKS + 1)],
        }
        for place in range(size)
    ]
    return json.dumps({"nodes": nodes, "whole": True}, separators=(",", ":")).encode()


@pytest.fixture
def codec() -> GraphCodec:
    return GraphCodec.from_config({"features": FEATURES, "hops": 2})


def peak(codec: GraphCodec, payload: bytes) -> int:
    """Bytes that reading held at once, above what there was."""
    tracemalloc.start()
    try:
        codec.decode(payload)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_grows_as_the_graph_does(codec: GraphCodec) -> None:
    small, large = ring(500), ring(4_000)
    codec.decode(small)
    ratio = peak(codec, large) / peak(codec, small)
    assert ratio < 1.2 * 4_000 / 500


def test_a_part_costs_nothing_of_the_graph_it_is_of(codec: GraphCodec) -> None:
    payload = json.dumps({"nodes": [{"id": "new", "links": ["7", "20"]}, "3"]}).encode()
    costs = []
    for size in (500, 8_000):
        stored = codec.storing(ring(size))
        assert stored.decode(payload).part.size < 100
        costs.append(peak(stored, payload))
    assert costs[1] < 1.2 * costs[0]


def test_all_of_a_large_graph_is_read(codec: GraphCodec) -> None:
    size = 3_000
    decoded = codec.decode(ring(size))
    assert decoded.part.edges.shape == (2 * LINKS * size, 2)
    assert set(decoded.degrees.tolist()) == {2 * LINKS}
    arrays = codec.encode([decoded])
    assert np.allclose(arrays["features"].sum(axis=1), 1)
    assert len(codec.item_features(decoded)) == len(decoded.names) == size
