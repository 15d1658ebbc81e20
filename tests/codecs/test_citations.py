"""Citation files: whatever way they are read, they make the same graph, or a fault with a line."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.codecs.citations import read_citations
from tidemill.codecs.graph import GraphCodec
from tidemill.codecs.nodes import node_payload, whole_payload
from tidemill.domain.errors import BadPayload

CONTENT = b"""35\t0\t1\t0\t1\tGenetic_Algorithms
1033\t0\t0\t0\t0\tTheory
ab\t1\t0\t0\t0\tTheory
"""
CITES = b"35\t1033\n35\tab\nab\t35\nab\tab\n"


def nodes(content: bytes, cites: bytes = b"", features: int | None = None) -> Any:
    return json.loads(read_citations(content, cites, features=features).payload())["nodes"]


def test_both_files_make_a_graph() -> None:
    graph = read_citations(CONTENT, CITES)
    assert graph.ids == ["35", "1033", "ab"]
    assert graph.labels == {"35": "Genetic_Algorithms", "1033": "Theory", "ab": "Theory"}
    assert graph.payload() == (
        b'{"nodes":[{"features":[1,3],"id":"35","links":["1033","ab"]},'
        b'{"features":[],"id":"1033","links":["35"]},'
        b'{"features":[0],"id":"ab","links":["35"]}],"whole":true}'
    )


def test_every_node_is_an_example_that_tells_all_its_links() -> None:
    graph = read_citations(CONTENT, CITES)
    examples = dict(graph.examples())
    assert list(examples) == graph.ids
    assert examples["1033"] == b'{"nodes":[{"features":[],"id":"1033","links":["35"]}]}'
    assert whole_payload(examples.values()) == graph.payload()


def test_the_codec_reads_what_is_written() -> None:
    codec = GraphCodec.from_config({"features": 4})
    decoded = codec.decode(read_citations(CONTENT, CITES, features=4).payload())
    assert codec.item_names(decoded) == ("35", "1033", "ab")
    assert [measured["degree"] for measured in codec.item_features(decoded)] == [2, 1, 1]


def test_links_are_written_by_id_however_they_came() -> None:
    content = b"".join(b"%d\t1\tx\n" % at for at in (9, 10, 1, 2))
    graph = read_citations(content, b"9\t10\n10\t9\n2\t9\n9\t9\n9\t1\n1\t9\n")
    assert graph.links == [["1", "10", "2"], ["9"], ["9"], ["9"]]
    expected = [node_payload(*row) for row in zip(graph.ids, [[0]] * 4, graph.links, strict=True)]
    assert [payload for _, payload in graph.examples()] == expected
    assert graph.payload() == whole_payload(expected)


def test_labels_may_be_absent() -> None:
    bare = b"a\t0\t1\nb\t1\t0\n"
    graph = read_citations(bare, b"", features=2)
    assert graph.labels == {}
    assert nodes(bare, b"", 2)[0] == {"features": [1], "id": "a", "links": []}
    # The last word is no label because it is a number, but because the width is known.
    assert read_citations(bare, b"", features=1).labels == {"a": "1", "b": "0"}
    assert read_citations(bare, b"").labels == {"a": "1", "b": "0"}


@pytest.mark.parametrize(
    "content",
    [
        CONTENT.replace(b"\n", b"\r\n"),
        CONTENT.replace(b"\t", b" "),
        CONTENT.replace(b"\t", b"  \t "),
        CONTENT.rstrip(b"\n"),
        b"\n \n" + CONTENT.replace(b"\n", b"\n\n\t\n"),
        b"\xef\xbb\xbf" + CONTENT,
        CONTENT.replace(b"\n", b"\t\n"),
        CONTENT.replace(b"\t0\t", b"\t0.0\t"),
        CONTENT.replace(b"\t1\t", b"\t+1e0\t"),
        CONTENT.replace(b"\t0\t1\t", b"\t-0\t01\t"),
    ],
)
def test_other_ways_to_write_the_same(content: bytes) -> None:
    expected = read_citations(CONTENT, CITES)
    for width in (None, 4):
        citations = read_citations(content, CITES.replace(b"\n", b"\r\n\n"), features=width)
        assert citations.labels == expected.labels
        assert citations.payload() == expected.payload()


def test_words_may_be_any_number() -> None:
    assert nodes(b"a\t0.5\t0\t-2\tx\n")[0]["features"] == {"0": 0.5, "2": -2}
    assert nodes(b"a\t3e38\t0\tx\n")[0]["features"] == {"0": 3e38}


def test_ids_and_labels_may_be_in_any_script() -> None:
    content = "ä\t1\tΩ\n漢\t0\tΩ\n".encode()
    graph = read_citations(content, "漢\tä\n".encode())
    assert graph.labels == {"ä": "Ω", "漢": "Ω"}
    assert graph.links == [["漢"], ["ä"]]


@pytest.mark.parametrize(
    ("content", "features", "says"),
    [
        (b"", None, "The content has no line"),
        (b" \n\n", 4, "The content has no line"),
        (b"a\n", None, "content line 1: there is no ID WORD"),
        (b"\na\tx\n", None, "content line 2: there is no ID WORD"),
        (CONTENT, 3, "content line 1: there are 6 fields; an id, 3 words and perhaps a label"),
        (CONTENT, 1433, "content line 1: there are 6 fields; an id, 1,433 words"),
        (CONTENT + b"x\t0\t1\tTheory\n", None, "content line 4: there are 4 fields"),
        (CONTENT + b"x\t0\t1\t0\t1\t0\tTheory\n", None, "content line 4: there are 7 fields"),
        (CONTENT + b"x\t0\t1\t0\t1\tNeural Networks\n", 4, "content line 4: there are 7 fields"),
        (CONTENT + b"\tx\t\t0\t1\n", 4, "content line 4: there are 3 fields"),
        (CONTENT + b"\nx\t0\t1\t0\t1\n", 4, "line 5: there is no label, but line 1 has one"),
        (b"x\t0\t1\ny\t1\t0\tz\n", 2, "line 2: there is a label, but line 1 has none"),
        (CONTENT.replace(b"33\t0\t0", b"33\t0\tO"), 4, "content line 2: the word 'O' is no number"),
        (CONTENT.replace(b"33\t0\t0", b"33\t0\tnan"), 4, "line 2: the word 'nan' is no number"),
        (CONTENT.replace(b"33\t0\t0", b"33\t0\tinf"), 4, "line 2: the word 'inf' is no number"),
        (
            CONTENT.replace(b"33\t0\t0", b"33\t0\t1e39"),
            4,
            "line 2: the word '1e39' is beyond single",
        ),
        (CONTENT.replace(b"33\t0\t0", b"33\t0\t-1e39"), 4, "line 2: the word '-1e39' is beyond"),
        (CONTENT.replace(b"33\t0\t0", b"33\t0\t1_0"), 4, "line 2: the word '1_0' is no number"),
        (CONTENT.replace(b"33\t0\t0", b"33\t0\t\xff"), 4, "line 2: the word '.' is no number"),
        (CONTENT + b"35\t0\t1\t0\t1\tTheory\n", None, "line 4: line 1 has the id '35', too"),
        (b"\xff" + CONTENT, None, "content line 1: the id or the label is not UTF-8"),
        (CONTENT.replace(b"Genetic", b"\xe9"), None, "line 1: the id or the label is not UTF-8"),
        (b"x" * 201 + CONTENT, None, "content line 1: the id is longer than 200 characters"),
        (b"\x1b[2J" + CONTENT, None, "content line 1: the id has control characters"),
    ],
)
def test_a_fault_of_the_content_names_the_line(
    content: bytes, features: int | None, says: str
) -> None:
    with pytest.raises(BadPayload, match=says) as caught:
        read_citations(content, b"", features=features)
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("cites", "says"),
    [
        (b"35\t1033\n\n35\t999\n", "cites line 3: the content has no line of '999'"),
        (b"999\t35\n", "cites line 1: the content has no line of '999'"),
        (b"35\t1033\n35\n", "cites line 2: there are 1 fields; two ids are expected"),
        (b"35\t1033\tab\n", "cites line 1: there are 3 fields"),
        (b"35,1033\n", "cites line 1: there are 1 fields"),
        (b"35\t\xff\n", "cites line 1: the content has no line of"),
        (b"35\t" + b"x" * 9999, r"the content has no line of 'x+\.\.\.\."),
    ],
)
def test_a_fault_of_the_cites_names_the_line(cites: bytes, says: str) -> None:
    with pytest.raises(BadPayload, match=says) as caught:
        read_citations(CONTENT, cites)
    assert len(caught.value.message) < 200


def test_a_file_that_is_none_is_refused() -> None:
    noise = np.random.default_rng(0).integers(0, 256, 50_000, np.uint8).tobytes()
    with pytest.raises(BadPayload, match=r"content line \d+: "):
        read_citations(noise, b"")
    with pytest.raises(BadPayload, match=r"cites line \d+: "):
        read_citations(CONTENT, noise)


WORDS = st.sampled_from(["0", "1", "1", "0", "0.0", "1.0", "2", "0.5", "00"])
BLANKS = st.sampled_from(["\t", "\t", "\t", " ", "\t\t"])


@settings(deadline=None)
@given(data=st.data(), width=st.integers(1, 4), labelled=st.booleans())
def test_the_short_way_and_the_long_way_agree(
    data: st.DataObject, width: int, labelled: bool
) -> None:
    """Regular and irregular lines, mixed, against one that reads every field as a number."""
    lines, expected = [], []
    for number in range(data.draw(st.integers(1, 8))):
        words = data.draw(st.lists(WORDS, min_size=width, max_size=width))
        fields = [f"n{number}", *words, *(["label"] if labelled else [])]
        line = "".join(field + data.draw(BLANKS) for field in fields[:-1]) + fields[-1]
        lines.append(line + data.draw(st.sampled_from(["", "", "\t", "\r"])))
        expected.append([float(word) for word in words])
    content = ("\n".join(lines) + data.draw(st.sampled_from(["", "\n"]))).encode()
    graph = read_citations(content, b"", features=width)
    codec = GraphCodec.from_config({"features": width, "normalise": False})
    features = codec.encode([codec.decode(graph.payload())])["features"]
    assert np.array_equal(features, np.array(expected, np.float32))
    assert list(graph.labels.values()) == ["label"] * len(lines) * labelled


def test_more_lines_than_are_taken_together() -> None:
    rows = np.random.default_rng(0).integers(0, 2, (1_300, 7))
    content = "".join(
        f"n{number}\t" + "\t".join(map(str, row)) + "\tx\n" for number, row in enumerate(rows)
    )
    features = [node["features"] for node in nodes(content.encode())]
    assert features == [np.flatnonzero(row).tolist() for row in rows]
