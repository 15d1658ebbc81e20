"""Nodes that are sent to a graph that is stored: what is read is what decides about them."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.codecs.graph import GraphCodec
from tidemill.codecs.neighbourhood import JoinedGraph
from tidemill.codecs.nodes import node_payload, read_payload
from tidemill.codecs.sparse import Nodes
from tidemill.domain.errors import BadPayload

FEATURES = 5
PATH = "abcdefgh"


def sent(*nodes: Any, **rest: Any) -> bytes:
    return json.dumps({"nodes": nodes, **rest}).encode()


def node(id: str, *links: str, features: Any = ()) -> dict[str, Any]:
    return {"id": id, "features": features or [], "links": list(links)}


def stored(*nodes: dict[str, Any], hops: int = 3) -> GraphCodec:
    codec = GraphCodec.from_config({"features": FEATURES, "normalise": False, "hops": hops})
    return codec.storing(sent(*nodes, whole=True))


@pytest.fixture
def path() -> GraphCodec:
    """a - b - c - d - e - f - g - h; the place of a letter is its feature, as far as there are."""
    links = dict(pairwise(PATH))
    return stored(
        *[
            node(id, *links.get(id, ""), features=[place % FEATURES])
            for place, id in enumerate(PATH)
        ],
        hops=2,
    )


def matrix(codec: GraphCodec, payload: bytes) -> npt.NDArray[np.int64]:
    """How many links the nodes that are read have among each other, self-loops left out."""
    arrays = codec.encode([codec.decode(payload)])
    size = len(arrays["features"])
    counted = np.zeros((size, size), np.int64)
    np.add.at(counted, tuple(arrays["edges"].T), 1)
    return counted - np.eye(size, dtype=np.int64)


def test_only_the_neighbourhood_is_read(path: GraphCodec) -> None:
    decoded = path.decode(sent("d"))
    arrays = path.encode([decoded])
    assert arrays["features"].argmax(axis=1).tolist() == [1, 2, 3, 4, 0]  # b to f
    assert arrays["query"].tolist() == [2]
    assert path.item_features(decoded) == [{"degree": 2, "density": 1 / FEATURES}]
    assert matrix(path, sent("d")).tolist() == (np.eye(5, k=1) + np.eye(5, k=-1)).tolist()


def test_the_answers_are_in_the_order_asked(path: GraphCodec) -> None:
    decoded = path.decode(sent("h", node("z", "a", features=[4]), "a"))
    arrays = path.encode([decoded])
    assert decoded.names == ("h", "z", "a")
    assert arrays["features"][arrays["query"]].argmax(axis=1).tolist() == [2, 4, 0]
    assert len(arrays["features"]) == 7  # a b c, f g h, z


def test_a_new_node_is_linked_from_either_end(path: GraphCodec) -> None:
    payload = sent(node("y", "x", "c"), node("x"), node("w", "y", "y", "w"))
    decoded = path.decode(payload)
    assert [measured["degree"] for measured in path.item_features(decoded)] == [3, 1, 1]
    assert path.remarks(decoded) == ()
    assert decoded.part.size == 3 + 3  # c, b and d


def test_a_link_to_nowhere_is_left_out_and_said(path: GraphCodec) -> None:
    decoded = path.decode(sent(node("y", "a", "nowhere"), "b"))
    assert path.item_features(decoded)[0]["degree"] == 1
    (remark,) = path.remarks(decoded)
    assert remark == (
        "Links to nodes that neither the payload nor the stored graph has were left out:"
        " 1 ('y' to 'nowhere')."
    )
    many = path.decode(sent(node("y", *(f"n{i}" for i in range(1_000)))))
    (remark,) = path.remarks(many)
    assert "1,000 ('y' to 'n0', 'y' to 'n1', 'y' to 'n2', ...)" in remark


def test_links_to_nowhere_count_as_edges() -> None:
    settings = {"features": FEATURES, "max_edges": 3}
    codec = GraphCodec.from_config(settings).storing(sent(node("a"), whole=True))
    assert codec.decode(sent(node("y", "a", "n0", "n1"))).part.size == 2
    with pytest.raises(BadPayload, match="has 4 edges; the limit is 3"):
        codec.decode(sent(node("y", "a", "n0", "n1", "n2")))


def test_only_the_links_to_nowhere_that_are_told_are_built(path: GraphCodec) -> None:
    payload = sent(node("x", "a", *(f"n{i}" for i in range(20_000))), node("y", "b", "m"))
    joined = JoinedGraph(path._stored, Nodes(read_payload(payload).objects, FEATURES))
    assert joined.lost_count == 20_001
    assert joined.lost(2) == [("x", "n0"), ("x", "n1")]
    assert joined.lost(20_001)[-1] == ("y", "m")
    (remark,) = path.remarks(path.decode(payload))
    assert "20,001 ('x' to 'n0', 'x' to 'n1', 'x' to 'n2', ...)" in remark


def test_a_stored_node_that_is_sent_has_the_features_that_were_sent(path: GraphCodec) -> None:
    payload = sent(node("c", "h", features={"0": 0.5, "4": 2}))
    decoded = path.decode(payload)
    arrays = path.encode([decoded])
    (own,) = arrays["features"][arrays["query"]].tolist()
    assert own == [0.5, 0, 0, 0, 2]
    # It keeps its links, b and d, and gets one more.
    assert path.item_features(decoded) == [{"degree": 3, "density": 2 / FEATURES}]
    assert decoded.part.size == 7  # all but f
    assert path.decode(sent("c")).degrees.tolist() == [2]  # what is stored did not change


def test_a_link_that_is_stored_and_sent_is_one(path: GraphCodec) -> None:
    assert matrix(path, sent(node("c", "b", "d"), node("b", "c"))).max() == 1


def test_the_example_of_a_stored_node_is_answered_like_its_id(path: GraphCodec) -> None:
    for id in PATH:
        example = path.item_payloads(sent(id), [id])[0]
        one, other = (path.encode([path.decode(payload)]) for payload in (sent(id), example))
        for name in one:
            assert np.array_equal(one[name], other[name])
        assert path.item_payloads(example, [id])[0] == example


def test_the_part_of_a_node_that_was_joined(path: GraphCodec) -> None:
    payload = sent(node("y", "b", "nowhere"), node("x", "y", "a"), "a")
    assert json.loads(path.item_payloads(payload, ["y"])[0])["nodes"] == [
        node("y", "b", "nowhere", "x")
    ]
    assert json.loads(path.item_payloads(payload, ["a"])[0])["nodes"] == [
        node("a", "b", "x", features=[0])
    ]
    both = path.item_payloads(payload, ["a", "y"])
    assert both == [path.item_payloads(payload, ["a"])[0], path.item_payloads(payload, ["y"])[0]]


def test_the_part_of_a_node_that_nobody_knows(path: GraphCodec) -> None:
    with pytest.raises(BadPayload, match="'nowhere' is not in the stored graph"):
        path.item_payloads(sent("a", "nowhere"), ["nowhere"])[0]


def test_one_who_knows_no_graph_still_reads_an_example() -> None:
    codec = GraphCodec.from_config({"features": FEATURES})
    decoded = codec.decode(node_payload("y", [1], ["a", "b"]))
    assert decoded.part.size == 1
    assert codec.item_features(decoded) == [{"degree": 0, "density": 1 / FEATURES}]
    assert "2 ('y' to 'a', 'y' to 'b')" in codec.remarks(decoded)[0]


IDS = [f"n{number}" for number in range(12)]
GRAPHS = st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)), max_size=30)


@settings(deadline=None)
@given(
    links=GRAPHS,
    new=GRAPHS,
    fresh=st.sets(st.sampled_from(IDS), min_size=1),
    hops=st.integers(1, 4),
)
def test_a_neighbourhood_is_that_of_the_whole_graph(
    links: list[tuple[str, str]], new: list[tuple[str, str]], fresh: set[str], hops: int
) -> None:
    """Joined and then cut is the same as put together first and cut by a plain search."""
    stored_ids = [
        id for id in IDS if id not in fresh or id < "n4"
    ]  # some that are sent are stored, too
    codec = stored(
        *[
            node(id, *(b for a, b in links if a == id and b in stored_ids), features=[len(id)])
            for id in stored_ids
        ],
        hops=hops,
    )
    given_nodes = [node(id, *(b for a, b in new if a == id), features=[0]) for id in sorted(fresh)]
    payload = sent(*given_nodes)
    pairs = {
        frozenset(pair)
        for pair in [
            *(pair for pair in links if set(pair) <= set(stored_ids)),
            *(pair for pair in new if pair[0] in fresh and pair[1] in {*stored_ids, *fresh}),
        ]
        if pair[0] != pair[1]
    }
    reached = set(fresh)
    for _ in range(hops):
        reached |= {id for pair in pairs if pair & reached for id in pair}
    inside = [pair for pair in pairs if pair <= reached]
    decoded = codec.decode(payload)
    assert decoded.names == tuple(sorted(fresh))
    assert decoded.part.size == len(reached)
    assert len(decoded.part.edges) == 2 * len(inside)
    assert decoded.degrees.tolist() == [sum(id in pair for pair in pairs) for id in sorted(fresh)]
    features = codec.encode([decoded])["features"]
    assert features.sum(axis=1).tolist() == [1] * len(reached)
    assert features[:, 0].sum() == len(fresh)
    assert (features[decoded.items, 0] == 1).all()
