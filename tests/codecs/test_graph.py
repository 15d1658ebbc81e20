"""The graph codec reads nodes as people send them, and refuses the rest with a sentence."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tidemill.codecs.codec import ManyCodec, open_codec
from tidemill.codecs.graph import GraphCodec
from tidemill.codecs.graph_payload import GraphPayload, Node
from tidemill.codecs.nodes import node_payload, whole_payload
from tidemill.domain.errors import BadPayload, UsageError

CONFIG: dict[str, Any] = {"features": 6, "normalise": False}
A: dict[str, Any] = {"id": "a", "features": [0, 2], "links": ["b"]}
B: dict[str, Any] = {"id": "b", "features": [5], "links": ["a", "c", "b", "c"]}
C: dict[str, Any] = {"id": "c", "features": {"4": 0.5, "1": 1.5, "3": 0}, "links": []}
D: dict[str, Any] = {"id": "d"}


@pytest.fixture
def codec() -> GraphCodec:
    return GraphCodec.from_config(CONFIG)


def sent(*nodes: Any, **rest: Any) -> bytes:
    return json.dumps({"nodes": nodes, **rest}).encode()


def edges(codec: GraphCodec, payload: bytes) -> list[tuple[int, int]]:
    return sorted(map(tuple, codec.encode([codec.decode(payload)])["edges"].tolist()))


def test_the_entry_point_finds_it(codec: GraphCodec) -> None:
    opened = open_codec("graph", codec.config())
    assert isinstance(opened, GraphCodec)
    assert (opened.kind, opened.payload) == ("graph", GraphPayload)
    assert isinstance(opened, ManyCodec)


def test_config_round_trip(codec: GraphCodec) -> None:
    stored = codec.storing(sent(A, B, C, whole=True))
    again = GraphCodec.from_config(json.loads(json.dumps(stored.config())))
    assert again.config() == stored.config()
    assert again.decode(sent("b")).names == ("b",)
    assert codec.config()["hops"] == 3
    assert codec.config()["stored"] == ""


def test_a_whole_graph_as_arrays(codec: GraphCodec) -> None:
    payload = sent(A, B, C, D, whole=True)
    arrays = codec.encode([codec.decode(payload)])
    assert {name: array.dtype for name, array in arrays.items()} == {
        "features": np.float32,
        "edges": np.int64,
        "query": np.int64,
    }
    assert arrays["features"].tolist() == [
        [1, 0, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 1],
        [0, 1.5, 0, 0, 0.5, 0],
        [0, 0, 0, 0, 0, 0],
    ]
    loops = [(place, place) for place in range(4)]
    assert edges(codec, payload) == sorted([(0, 1), (1, 0), (1, 2), (2, 1), *loops])
    assert arrays["query"].tolist() == [0, 1, 2, 3]


def test_features_that_sum_to_one() -> None:
    codec = GraphCodec.from_config(CONFIG | {"normalise": True})
    minus = {"id": "e", "features": {"0": -3, "1": 1}}
    features = codec.encode([codec.decode(sent(A, B, C, D, minus))])["features"]
    assert features.sum(axis=1).tolist() == [1, 1, 1, 0, -0.5]
    assert features[0].tolist() == [0.5, 0, 0.5, 0, 0, 0]
    assert features[4, :2].tolist() == [-0.75, 0.25]


def test_several_payloads_lie_side_by_side(codec: GraphCodec) -> None:
    inputs = [codec.decode(sent(A, B)), codec.decode(sent(D)), codec.decode(sent(C, B, A))]
    arrays = codec.encode(inputs)
    assert arrays["features"].shape == (6, 6)
    assert arrays["query"].tolist() == [0, 1, 2, 3, 4, 5]
    apart = [codec.encode([decoded]) for decoded in inputs]
    starts = (0, 2, 3)
    expected = {
        (a + start, b + start)
        for start, one in zip(starts, apart, strict=True)
        for a, b in one["edges"].tolist()
    }
    edges = arrays["edges"].tolist()
    assert {(a, b) for a, b in edges} == expected
    assert len(edges) == len(expected)
    assert np.array_equal(arrays["features"], np.concatenate([one["features"] for one in apart]))


def test_no_payload_makes_empty_arrays(codec: GraphCodec) -> None:
    shapes = {name: array.shape for name, array in codec.encode([]).items()}
    assert shapes == {"features": (0, 6), "edges": (0, 2), "query": (0,)}


def test_a_graph_without_edges_has_self_loops(codec: GraphCodec) -> None:
    assert edges(codec, sent(D, {"id": "e", "links": ["e"]}, whole=True)) == [(0, 0), (1, 1)]


def test_what_is_measured_of_each_node(codec: GraphCodec) -> None:
    decoded = codec.decode(sent(A, B, C, D, whole=True))
    assert codec.item_names(decoded) == ("a", "b", "c", "d")
    assert codec.item_features(decoded) == [
        {"degree": 1, "density": 2 / 6},
        {"degree": 2, "density": 1 / 6},
        {"degree": 1, "density": 2 / 6},
        {"degree": 0, "density": 0},
    ]
    assert codec.features(decoded) == codec.item_features(decoded)[0]
    assert codec.remarks(decoded) == ()


def test_the_part_of_one_node_tells_the_links_of_both_ends(codec: GraphCodec) -> None:
    payload = sent(A, B, C, whole=True)
    assert codec.item_payloads(payload, ["c"])[0] == (
        b'{"nodes":[{"features":{"1":1.5,"4":0.5},"id":"c","links":["b"]}]}'
    )
    assert (
        codec.item_payloads(payload, ["b"])[0]
        == b'{"nodes":[{"features":[5],"id":"b","links":["a","c"]}]}'
    )
    with pytest.raises(BadPayload, match="does not ask for a node 'x'"):
        codec.item_payloads(payload, ["x"])[0]


def test_the_parts_make_the_graph_again(codec: GraphCodec) -> None:
    payload = sent(A, B, C, D, whole=True)
    again = whole_payload([codec.item_payloads(payload, [name])[0] for name in "abcd"])
    assert edges(codec, again) == edges(codec, payload)
    one, other = (codec.encode([codec.decode(graph)])["features"] for graph in (payload, again))
    assert np.array_equal(one, other)


def test_the_part_of_an_example_is_the_example(codec: GraphCodec) -> None:
    for example in (
        b'{"nodes":[{"features":[0,3],"id":"35","links":["1033","887"]}]}',
        b'{"nodes":[{"features":{"0":2,"3":0.25},"id":"35","links":[]}]}',
    ):
        assert codec.item_payloads(example, ["35"])[0] == example
        assert GraphPayload.from_bytes(example).to_bytes() == example


def test_two_nodes_are_the_same_when_their_ids_are(codec: GraphCodec) -> None:
    one, same, other = sent(A), sent({"id": "a", "features": [1]}), sent(A | {"id": "A"})
    assert codec.fingerprint(one) == codec.fingerprint(same)
    assert codec.fingerprint(one).exact != codec.fingerprint(other).exact
    assert (codec.fingerprint(one).near ^ codec.fingerprint(other).near).bit_count() > 10
    for payload in (sent(A, B), sent("a"), sent("a", B)):
        with pytest.raises(BadPayload, match="an example is one, with its features"):
            codec.fingerprint(payload)


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"", "not JSON"),
        (b"\xff\xd8\xff", "not JSON"),
        (b"[" * 5000, "not JSON"),
        (b'{"nodes": ["\\ud800"]}', "not JSON"),
        (b'{"nodes": [{"id": "a", "features": {"1": 1e999}}]}', "not JSON"),
        (b'{"nodes": [{"id": "a", "features": {"1": NaN}}]}', "not JSON"),
        (b"[]", "no JSON object"),
        (b"{}", "'nodes', a list of at least one"),
        (sent(), "'nodes', a list of at least one"),
        (b'{"nodes": {"a": 1}}', "'nodes', a list of at least one"),
        (sent(A, label="x"), "has no 'label'"),
        (sent(A, whole=1), "'whole' is true or false, not 1"),
        (sent(A, 7), r"nodes\[1\] is neither"),
        (sent({"features": []}), r"nodes\[0\] has no id that is text"),
        (sent({"id": 35}), r"nodes\[0\] has no id that is text"),
        (sent({"id": ""}), r"nodes\[0\] has an id of 0 characters"),
        (sent(A, "x\x1b[2J"), r"nodes\[1\] has an id with control characters"),
        (sent(A, "x" * 201), r"nodes\[1\] has an id of 201 characters"),
        (sent(A | {"label": "x"}), "node 'a' has 'label'"),
        (sent(A, B, A), "Two nodes have the id 'a'"),
        (sent(A, "a"), "Two nodes have the id 'a'"),
        (sent(A, "b", whole=True), "node 'b' of a whole graph has an id and nothing else"),
        (sent("b"), "'b' is not in the stored graph"),
        (sent(A | {"features": "0,2"}), "features of the node 'a' are neither"),
        (sent(A | {"features": None}), "features of the node 'a' are neither"),
        (sent(A | {"features": [6]}), "'a' has a feature at 6; positions are .* from 0 to 5"),
        (sent(D, A | {"features": [0, -1]}), "'a' has a feature at -1;"),
        (sent(D, A | {"features": [2**64 - 1]}), "'a' has a feature at 18446744073709551615"),
        (sent(A | {"features": [0, True]}), "'a' has a feature at True"),
        (sent(A | {"features": [1.0]}), r"'a' has a feature at 1\.0"),
        (sent(A | {"features": ["1"]}), "'a' has a feature at '1'"),
        (sent(A | {"features": [[1]]}), r"'a' has a feature at \[1\]"),
        (sent(B, A | {"features": [0, 2, 1]}), "'a' names position 1 after 2"),
        (sent(B, A | {"features": [2, 2]}, C), "'a' names position 2 after 2"),
        (sent(A | {"features": {"6": 1}}), "'a' has a feature at 6"),
        (sent(A | {"features": {"-1": 1}}), "'a' has a feature at '-1', which is no position"),
        (sent(A | {"features": {"01": 1}}), "'a' has a feature at '01', which is no position"),
        (sent(A | {"features": {"²": 1}}), "'a' has a feature at '²', which is no position"),
        (sent(A | {"features": {"": 1}}), "'a' has a feature at '', which is no position"),
        (sent(A | {"features": {"9" * 5000: 1}}), "which is no position"),
        (sent(A | {"features": {"1": "x"}}), "'a' has 'x' at position 1, which is no finite"),
        (sent(A | {"features": {"1": True}}), "'a' has True at position 1"),
        (sent(A | {"features": {"1": None}}), "'a' has None at position 1"),
        (sent(A | {"features": {"1": 1e39}}), r"'a' has 1e\+39 at position 1"),
        (sent(A | {"links": "b"}), "links of the node 'a' are no list"),
        (sent(D, A | {"links": ["b", 7]}), "node 'a' links to 7, which is no id"),
        (sent(D, A | {"links": ["b", None]}), "node 'a' links to None, which is no id"),
        (sent(D, A | {"links": ["b", ["b"]]}), "which is no id"),
        (sent(D, A | {"links": ["b", ""]}), "node 'a' links to '', which is no id"),
        (b'{"nodes": ["a"], "nodes": ["b"]}', "The key 'nodes' stands twice"),
        (b'{"nodes": [{"id": "a", "id": "b"}]}', "The key 'id' stands twice"),
        (b'{"nodes": [{"id": "a", "features": {"1": 1, "1": 2}}]}', "The key '1' stands twice"),
        (sent(D, A | {"links": ["b", "x" * 201]}), r"node 'a' links to 'x+\.\.\., which is no id"),
    ],
)
def test_what_is_no_graph_is_refused(codec: GraphCodec, payload: bytes, says: str) -> None:
    with pytest.raises(BadPayload, match=says) as caught:
        codec.decode(payload)
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 250
    with pytest.raises(BadPayload):
        codec.fingerprint(payload)


def test_no_link_leads_out_of_a_whole_graph(codec: GraphCodec) -> None:
    for payload in (sent(A, whole=True), sent(D, A, C, whole=True)):
        with pytest.raises(BadPayload, match="'a' links to 'b', which is not in the graph"):
            codec.decode(payload)


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"max_bytes": 10}, r"has \d+ bytes; the limit is 10"),
        ({"max_nodes": 2}, "has 3 nodes; the limit is 2"),
        ({"max_edges": 1}, "has 2 edges; the limit is 1"),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_limits(limits: dict[str, int], says: str, whole: bool) -> None:
    codec = GraphCodec.from_config(CONFIG | limits)
    payload = sent(A, B | {"links": ["c"]}, C, whole=whole)
    with pytest.raises(BadPayload, match=says):
        codec.decode(payload)
    exact = {key: 1_000 if key == "max_bytes" else value + 1 for key, value in limits.items()}
    assert GraphCodec.from_config(CONFIG | exact).decode(payload)


@pytest.mark.parametrize("whole", [True, False])
def test_links_that_repeat_an_edge_have_a_limit_too(whole: bool) -> None:
    twice, thrice = (A | {"links": ["b"] * times} for times in (2, 3))
    codec = GraphCodec.from_config(CONFIG | {"max_edges": 1})
    payload = sent(thrice, B | {"links": []}, whole=whole)
    for ask in (codec.decode, lambda content: codec.item_payloads(content, ["a"])):
        with pytest.raises(BadPayload, match="has 3 links; the limit is 2") as caught:
            ask(payload)
        assert caught.value.hint == "Send a smaller graph."
    # Told by both its ends, an edge is one.
    for a, b in ((twice, {"id": "b"}), (A, B | {"links": ["a"]})):
        assert len(codec.decode(sent(a, b, whole=whole)).part.edges) == 2


def test_the_limits_are_no_matter_of_the_stored_graph() -> None:
    codec = GraphCodec.from_config(CONFIG | {"max_nodes": 1, "max_edges": 1, "max_bytes": 20})
    assert codec.storing(sent(A, B, C, whole=True)).decode(sent("b")).part.size == 3


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"features": 0}, "features"),
        ({"features": True}, "features"),
        ({"hops": 0}, "hops"),
        ({"normalise": 1}, "normalise"),
        ({"max_edges": 0}, "max_edges"),
        ({"layers": 2}, "layers"),
        ({"stored": "no base64!"}, "stored"),
        ({"stored": "bm8gemxpYg=="}, "stored"),
    ],
)
def test_a_configuration_it_cannot_take(change: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        GraphCodec.from_config(CONFIG | change)


def test_only_a_whole_graph_is_stored(codec: GraphCodec) -> None:
    with pytest.raises(BadPayload, match="Only a whole graph"):
        codec.storing(sent(D))
    part = base64.b64encode(zlib.compress(sent(D))).decode()
    with pytest.raises(UsageError, match="stored does not fit: it is no whole graph"):
        GraphCodec.from_config(CONFIG | {"stored": part})
    wide = GraphCodec.from_config({"features": 9}).storing(sent(D | {"features": [8]}, whole=True))
    with pytest.raises(UsageError, match="stored does not fit: The node 'd' has a feature at 8"):
        GraphCodec.from_config(CONFIG | {"stored": wide.config()["stored"]})


@pytest.mark.parametrize(
    "write",
    [
        lambda: GraphPayload(nodes=[Node(id="a", features=[2**70])]).to_bytes(),
        lambda: node_payload("\ud800", [], []),
        lambda: GraphPayload.from_bytes(b"no graph").to_bytes(),
        lambda: GraphPayload.from_bytes(b'{"nodes": []}').to_bytes(),
        lambda: GraphPayload.from_bytes(sent({"id": "a", "features": 1})).to_bytes(),
        lambda: whole_payload([sent(A), sent(A)]),
        lambda: whole_payload([sent(A, B)]),
        lambda: whole_payload([sent("a")]),
    ],
)
def test_what_cannot_be_written_is_refused(write: Callable[[], bytes]) -> None:
    with pytest.raises(BadPayload):
        write()


def test_a_fault_of_the_form_is_that_of_a_node() -> None:
    for node, says in (
        ({"id": "a", "links": [7]}, r"nodes\.0\.node\.links\.0 does not fit"),
        ({"id": "a", "links": ["b", ""]}, r"nodes\.0\.node\.links\.1 does not fit"),
        ({"id": "a\n"}, r"nodes\.0\.node\.id does not fit: it has control characters"),
        ({"id": "a", "links": ["x" * 201]}, r"nodes\.0\.node\.links\.0 does not fit"),
        ({"id": 7}, r"nodes\.0\.node\.id does not fit"),
        ("", r"nodes\.0\.id does not fit"),
        (7, r"nodes\.0\.node does not fit"),
    ):
        with pytest.raises(BadPayload, match=says):
            GraphPayload.from_bytes(sent(node))


def test_the_schema_shows_a_payload_that_can_be_read() -> None:
    schema = GraphPayload.model_json_schema()
    nodes = schema["properties"]["nodes"]["examples"][0]
    codec = GraphCodec.from_config({"features": 1000})
    stored = codec.storing(sent({"id": "35"}, {"id": "1033"}, whole=True))
    payload = GraphPayload.model_validate({"nodes": nodes}).to_bytes()
    assert stored.decode(payload).names == ("new", "1033")


def test_nodes_are_written_canonically() -> None:
    payload = node_payload("b", {4: 2.0, 1: 0.5, 3: 0}, ["c", "a", "b", "c", "ä"])
    assert payload.decode() == (
        '{"nodes":[{"features":{"1":0.5,"4":2},"id":"b","links":["a","c","ä"]}]}'
    )
    assert GraphPayload.from_bytes(payload).to_bytes() == payload
    assert node_payload("b", {3: 1, 1: 1.0, 2: 0}, []) == node_payload("b", [3, 1, 3], [])


def test_nodes_make_a_whole_graph_without_links_that_lead_out() -> None:
    payload = whole_payload([sent(A), sent(C), sent(B)])
    assert json.loads(payload) == {
        "nodes": [A, C, B],
        "whole": True,
    }
    assert json.loads(whole_payload([sent(A), sent(D)]))["nodes"][0]["links"] == []
    assert GraphPayload.from_bytes(payload).to_bytes() == payload
