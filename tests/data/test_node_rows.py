"""Nodes from a table and a list of edges."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidemill.codecs.graph import GraphCodec
from tidemill.data.node_rows import NodeColumns, NodeRows
from tidemill.data.row_files import open_rows
from tidemill.domain.errors import DataError
from tidemill.domain.types import Example, payload_id

NODES = "id,label,f1,f2,f3\na,rivers,1,0,1\nb,mills,0,0,0\nc,rivers,0,1,0\n"
EDGES = "source,target\na,b\nb,a\nc,c\nb,c\n"


def source(folder: Path, nodes: str = NODES, edges: str = EDGES, **columns: Any) -> NodeRows:
    (folder / "nodes.csv").write_text(nodes, encoding="utf-8")
    (folder / "edges.csv").write_text(edges, encoding="utf-8")
    named = NodeColumns(**{"count": 3, **columns})
    rows = open_rows(folder / "nodes.csv"), open_rows(folder / "edges.csv")
    return NodeRows(*rows, "topic", named)


def node(example: Example) -> dict[str, Any]:
    [fields] = json.loads(example.payload)["nodes"]
    return dict(fields)


def refused(nodes: NodeRows) -> str:
    with pytest.raises(DataError) as raised:
        list(nodes.examples())
    return raised.value.message


def test_a_row_becomes_an_example_that_tells_all_its_links(tmp_path: Path) -> None:
    a, b, c = source(tmp_path).examples()
    assert a.payload == b'{"nodes":[{"features":[0,2],"id":"a","links":["b"]}]}'
    assert a.id == payload_id(a.payload)
    assert (a.labels, a.source, a.origin) == ({"topic": "rivers"}, "table", "nodes.csv line 2")
    assert a.split is None
    assert node(b) == {"features": [], "id": "b", "links": ["a", "c"]}
    assert node(c)["links"] == ["b"]
    assert len(source(tmp_path)) == 3


def test_real_numbers_are_kept_and_zeros_left_out(tmp_path: Path) -> None:
    [only] = source(tmp_path, "id,label,f1,f2,f3\na,x,0.5,0,2\n", "source,target\n").examples()
    assert node(only)["features"] == {"0": 0.5, "2": 2}


def test_a_column_of_words_lists_positions(tmp_path: Path) -> None:
    nodes = "id,label,words\na,x,2 0\nb,y,\n"
    one, other = source(tmp_path, nodes, "source,target\n", words="words").examples()
    assert node(one)["features"] == [0, 2]
    assert node(other)["features"] == []


def test_parquet_may_hold_lists_and_numbers_as_ids(tmp_path: Path) -> None:
    nodes, edges = tmp_path / "n.parquet", tmp_path / "e.parquet"
    pq.write_table(pa.table({"id": [1, 2], "label": ["x", "y"], "words": [[3], [1, 2]]}), nodes)
    pq.write_table(pa.table({"source": [1], "target": [2]}), edges)
    columns = NodeColumns(4, words="words")
    one, other = NodeRows(open_rows(nodes), open_rows(edges), "topic", columns).examples()
    assert node(one) == {"features": [3], "id": "1", "links": ["2"]}
    assert node(other)["features"] == [1, 2]


def test_given_splits_are_kept_and_a_node_without_label_is_context(tmp_path: Path) -> None:
    nodes = "id,label,words,part\na,x,1,train\nb,y,1,test\nc,x,1,\nd,,1,test\n"
    rows = source(tmp_path, nodes, "source,target\n", words="words", split="part").examples()
    assert [(row.split, dict(row.labels)) for row in rows] == [
        ("train", {"topic": "x"}),
        ("test", {"topic": "y"}),
        (None, {"topic": "x"}),
        ("train", {}),
    ]


def test_rows_that_share_an_id_are_left_to_the_checks(tmp_path: Path) -> None:
    nodes = "id,label,words\na,x,1\na,y,2\nb,x,0\n"
    one, other, _ = source(tmp_path, nodes, "source,target\nb,a\n", words="words").examples()
    codec = GraphCodec.from_config({"features": 3})
    same = [codec.fingerprint(row.payload) for row in (one, other)]
    assert same[0] == same[1]
    assert node(one)["links"] == node(other)["links"] == ["b"]


@pytest.mark.parametrize(
    ("nodes", "edges", "columns", "message"),
    [
        (NODES, "source,target\na,b\na,z\n", {}, "edges.csv line 3: there is no node 'z'."),
        (NODES, "source,target\n,b\n", {}, "edges.csv line 2: there is no node ''."),
        (NODES + ",x,0,0,0\n", EDGES, {}, "nodes.csv line 5: the node has no id."),
        ("id,label,f1,f2,f3\n", EDGES, {}, "nodes.csv holds no node."),
        (
            "id,label,f1,f2,f3\na,x,1,big,0\n",
            "source,target\n",
            {},
            "nodes.csv line 2: the column 'f2' holds no number but 'big'.",
        ),
        (
            "id,label,f1,f2,f3\na,x,1,inf,0\n",
            "source,target\n",
            {},
            "nodes.csv line 2: the number in 'f2' is not finite.",
        ),
        (
            "id,label,words\na,x,1 2.5\n",
            "source,target\n",
            {"words": "words"},
            "nodes.csv line 2: the column 'words' holds no number but '2.5'.",
        ),
        (
            "id,label,words\na,x,0_2\n",
            "source,target\n",
            {"words": "words"},
            "nodes.csv line 2: the column 'words' holds no number but '0_2'.",
        ),
        (
            "id,label,words,part\na,x,1,exam\n",
            "source,target\n",
            {"words": "words", "split": "part"},
            "nodes.csv line 2: there is no split 'exam'.",
        ),
        (
            "id,label,words\na,x,0 2\nb,x,0 3\n",
            "source,target\n",
            {"words": "words"},
            "nodes.csv line 3: the column 'words' holds 3, which is not in 0..2.",
        ),
        (
            "id,label,words\na,x,-1\n",
            "source,target\n",
            {"words": "words"},
            "nodes.csv line 2: the column 'words' holds -1, which is not in 0..2.",
        ),
        (
            "id,label,words\na,x,1 0 1\n",
            "source,target\n",
            {"words": "words"},
            "nodes.csv line 2: the column 'words' holds 1 twice.",
        ),
        (NODES, EDGES, {"count": 4}, "nodes.csv has no column 'f4'."),
    ],
)
def test_what_does_not_fit_is_named_with_its_line(
    tmp_path: Path, nodes: str, edges: str, columns: dict[str, Any], message: str
) -> None:
    assert refused(source(tmp_path, nodes, edges, **columns)) == message
