"""A snapshot of nodes as one graph, with who is learnt from in it, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.learn.node_graphs import FEATURES, TOPICS, codec, paper, papers, take_snapshot
from tidemill.data.open_snapshot import OpenSnapshot
from tidemill.domain.errors import DataError
from tidemill.domain.types import payload_id
from tidemill.learn.node_split import read_graph


def nodes(snapshot: OpenSnapshot) -> dict[str, list[str]]:
    """Id to links, in the snapshot's order."""
    rows = [json.loads(row.payload)["nodes"][0] for row in snapshot.rows()]
    return {node["id"]: node["links"] for node in rows}


def test_every_node_is_in_the_graph_and_labelled_ones_are_in_their_split(tmp_path: Path) -> None:
    rows = papers()
    snapshot = take_snapshot(tmp_path, rows)
    graph = read_graph(snapshot, codec())
    assert graph.arrays["features"].shape == (len(rows), FEATURES)
    assert graph.arrays["query"].tolist() == list(range(len(rows)))
    order = list(snapshot.rows())
    for name, split in graph.splits.items():
        there = [order[at] for at in split.places]
        assert [row.split for row in there] == [name] * len(split)
        names = [{"topic": TOPICS[at]} for at in split.labels["topic"]]
        assert names == [row.labels for row in there]
        assert split.sources == ("made",) * len(split)
    labelled = sum(map(len, graph.splits.values()))
    assert labelled == sum(bool(row.labels) for row in rows) < len(rows)


def test_a_link_goes_both_ways_and_each_node_has_a_loop(tmp_path: Path) -> None:
    snapshot = take_snapshot(tmp_path, papers())
    links = nodes(snapshot)
    ids = list(links)
    named = {(id, link) for id, ends in links.items() for link in ends}
    pairs = [(ids[start], ids[end]) for start, end in read_graph(snapshot, codec()).arrays["edges"]]
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == named | {(end, start) for start, end in named} | {(id, id) for id in ids}


def test_the_codec_stores_the_graph(tmp_path: Path) -> None:
    snapshot = take_snapshot(tmp_path, papers())
    graph = read_graph(snapshot, codec())
    around = graph.codec.encode([graph.codec.decode(b'{"nodes":["7"]}')])
    assert 1 < len(around["features"]) <= snapshot.count()
    row = list(nodes(snapshot)).index("7")
    [query] = around["query"]
    np.testing.assert_array_equal(around["features"][query], graph.arrays["features"][row])


def test_a_link_to_a_node_that_was_left_out_is_dropped(tmp_path: Path) -> None:
    rows = [paper("a", [1], ["b", "gone"], "bees", "train"), paper("b", [2], [], "bees", "val")]
    graph = read_graph(take_snapshot(tmp_path, rows), codec())
    assert len(graph.arrays["edges"]) == 4
    assert graph.codec.decode(b'{"nodes":["a"]}').remarks == ()


def test_without_an_test_there_is_no_split_of_it(tmp_path: Path) -> None:
    rows = [row for row in papers() if row.split != "test"]
    assert set(read_graph(take_snapshot(tmp_path, rows), codec()).splits) == {"train", "val"}


def test_a_node_that_is_there_twice_is_refused_with_both_origins(tmp_path: Path) -> None:
    again = replace(paper("7", [1], ["3"], "bees", "train"), origin="the copy")
    with pytest.raises(DataError, match="both the node '7'") as caught:
        read_graph(take_snapshot(tmp_path, [*papers(), again]), codec())
    assert "the copy" in caught.value.message
    assert "checks.policy" in caught.value.hint


def test_an_example_that_is_not_one_node_is_named(tmp_path: Path) -> None:
    payload = b'{"nodes":["7"]}'
    stray = replace(papers()[1], payload=payload, id=payload_id(payload), origin="the stray")
    with pytest.raises(DataError, match="the stray: "):
        read_graph(take_snapshot(tmp_path, [*papers(), stray]), codec())


def test_a_node_with_some_of_the_labels_is_named(tmp_path: Path) -> None:
    rows = [replace(row, labels=row.labels and {**row.labels, "venue": "sea"}) for row in papers()]
    rows[1] = papers()[1]
    with pytest.raises(DataError, match="paper 1 has no label for target 'venue'"):
        read_graph(take_snapshot(tmp_path, rows), codec())


def test_nothing_to_learn_from_is_said(tmp_path: Path) -> None:
    rows = [replace(row, labels={}) if row.split == "train" else row for row in papers()]
    with pytest.raises(DataError, match="no train examples with labels"):
        read_graph(take_snapshot(tmp_path, rows), codec())


def test_a_graph_beyond_the_limits_names_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="120 nodes; the limit is 50") as caught:
        read_graph(take_snapshot(tmp_path, papers()), codec(max_nodes=50))
    assert "codec.max_nodes" in caught.value.hint
