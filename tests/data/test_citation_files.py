"""Nodes from `.content` and `.cites` files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemill.data.citation_files import CitationFiles, Parting
from tidemill.domain.errors import DataError

CONTENT = "35\t0\t1\t1\tTheory\n40\t1\t0\t0\tCase_Based\n8\t0\t0\t0\tTheory\n"
CITES = "35\t40\n8\t35\n"


def source(
    folder: Path, content: str = CONTENT, cites: str = CITES, split: Parting = "hash"
) -> CitationFiles:
    (folder / "cora.content").write_text(content, encoding="utf-8")
    (folder / "cora.cites").write_text(cites, encoding="utf-8")
    return CitationFiles(folder, "topic", features=3, split=split)


def test_a_line_becomes_an_example(tmp_path: Path) -> None:
    nodes = source(tmp_path)
    first, second, third = nodes.examples()
    assert first.payload == b'{"nodes":[{"features":[1,2],"id":"35","links":["40","8"]}]}'
    assert (first.labels, first.origin, first.split) == (
        {"topic": "Theory"},
        "cora.content node 35",
        None,
    )
    assert second.labels == {"topic": "Case_Based"}
    assert third.payload == b'{"nodes":[{"features":[],"id":"8","links":["35"]}]}'
    assert len(nodes) == 3


def test_the_originals_split_goes_by_the_order_of_lines(tmp_path: Path) -> None:
    lines = [f"n{at}\t0\t1\t0\t{'AB'[at % 2]}\n" for at in range(1600)]
    rows = list(source(tmp_path, "".join(lines), "", "original").examples())
    splits = [row.split if row.labels else "context" for row in rows]
    assert splits[:140] == ["train"] * 140
    assert splits[140:200] == ["context"] * 60
    assert splits[200:500] == ["val"] * 300
    assert splits[500:1500] == ["test"] * 1000
    assert splits[1500:] == ["context"] * 100
    assert {row.split for row in rows if not row.labels} == {"train"}
    with pytest.raises(DataError, match="takes 1,500 nodes; there are 1,499"):
        list(source(tmp_path, "".join(lines[:1499]), "", "original").examples())


@pytest.mark.parametrize(
    ("content", "cites", "message"),
    [
        (CONTENT + "35\t0\t0\t0\tTheory\n", CITES, "cora.content line 4: "),
        (CONTENT, CITES + "35\t99\n", "cora.cites line 3: "),
        (CONTENT + "9\t0\t0\tTheory\n", CITES, "cora.content line 4: "),
        ("", CITES, "The content has no line"),
        ("35\t0\t1\t1\n40\t1\t0\t0\n", "", "cora.content has no labels to learn from"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, content: str, cites: str, message: str) -> None:
    with pytest.raises(DataError) as raised:
        list(source(tmp_path, content, cites).examples())
    assert raised.value.message.startswith(message)


def test_a_folder_needs_one_file_of_each_kind(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No folder at"):
        len(CitationFiles(tmp_path / "none", "topic", features=3))
    with pytest.raises(DataError, match=r"holds 0 \.content files"):
        len(CitationFiles(tmp_path, "topic", features=3))
    source(tmp_path)
    (tmp_path / "other.cites").write_text("")
    with pytest.raises(DataError, match=r"holds 2 \.cites files"):
        len(CitationFiles(tmp_path, "topic", features=3))
