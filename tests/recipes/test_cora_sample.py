"""The generated citation graph: the same everywhere, and every knob does what it says."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tidemill.codecs.graph import GraphCodec
from tidemill.data.checks import find_faults
from tidemill.data.inspection import inspect
from tidemill.data.links import Links
from tidemill.data.node_rows import NodeColumns, NodeRows
from tidemill.data.row_files import open_rows
from tidemill.domain.errors import DataError, UsageError
from tidemill.domain.types import Example
from tidemill.recipes.cora.sample.citations import (
    FEATURES,
    GENERAL,
    LATER,
    NEWCOMER,
    OWN,
    TOPICS,
    Citations,
    CitationSource,
    Era,
    examples,
    papers,
)
from tidemill.recipes.cora.sample.node_faults import EDGES, NODES, plant

SMALL = Citations(3, train=100, val=40, test=60)


def nodes(rows: list[Example]) -> dict[str, dict[str, Any]]:
    return {node["id"]: node for row in rows for node in json.loads(row.payload)["nodes"]}


def words_of(sample: Citations) -> list[tuple[str, int]]:
    return [(paper.topic, word) for paper in papers(sample) for word in paper.words]


def test_the_sample_is_the_same_on_every_machine() -> None:
    ids = "".join(row.id for row in examples(SMALL))
    assert hashlib.sha256(ids.encode()).hexdigest()[:16] == "d05a9ab72742321e"


def test_papers_come_split_by_split_and_topics_in_turn() -> None:
    rows = list(examples(SMALL))
    assert Counter(row.split for row in rows) == {"train": 100, "val": 40, "test": 60}
    assert [row.labels["topic"] for row in rows[:5]] == list(TOPICS)
    assert len({row.origin for row in rows}) == len(CitationSource(SMALL)) == len(rows)
    assert rows == list(CitationSource(SMALL).examples())


def test_links_stand_at_both_ends_and_lead_mostly_to_papers_of_the_topic() -> None:
    rows = list(examples(SMALL))
    fields = nodes(rows)
    topic = {row.origin.rpartition("/")[2]: row.labels["topic"] for row in rows}
    pairs = [(id, link) for id, node in fields.items() for link in node["links"]]
    assert all(id in fields[link]["links"] and id != link for id, link in pairs)
    assert sum(topic[one] == topic[other] for one, other in pairs) > 0.5 * len(pairs)


def test_every_paper_can_be_read_and_says_words_of_its_own_topic() -> None:
    codec = GraphCodec.from_config({"features": FEATURES})
    assert all(len(codec.decode(row.payload).names) == 1 for row in examples(SMALL))
    own = [word for _, word in words_of(SMALL) if word >= GENERAL]
    assert own
    for topic, word in words_of(SMALL):
        block, place = divmod(word - GENERAL, OWN + LATER)
        assert word < GENERAL or (block == TOPICS.index(topic) and place < OWN)


def test_eras_differ_by_their_knob_alone() -> None:
    plain = papers(SMALL)
    lost = papers(Citations(3, 100, 40, 60, Era(lost=0.5)))
    assert [paper.words for paper in lost] == [paper.words for paper in plain]
    links_left, before = (sum(len(paper.links) for paper in those) for those in (lost, plain))
    assert 0.4 * before < links_left < 0.6 * before
    assert all(set(less.links) <= set(more.links) for less, more in zip(lost, plain, strict=True))

    reworded = papers(Citations(3, 100, 40, 60, Era(reworded=1)))
    assert [paper.links for paper in reworded] == [paper.links for paper in plain]
    for paper in reworded:
        own = [word for word in paper.words if word >= GENERAL]
        assert all((word - GENERAL) % (OWN + LATER) >= OWN for word in own)


def test_a_new_community_has_its_own_words_and_cites_itself() -> None:
    sample = Citations(3, 100, 40, 60, Era(arrived=0.3))
    new = {paper.id: paper for paper in papers(sample) if paper.topic == NEWCOMER}
    assert 40 <= len(new) <= 80
    words = {word for paper in new.values() for word in paper.words if word >= GENERAL}
    assert words
    assert all(word >= GENERAL + len(TOPICS) * (OWN + LATER) for word in words)
    links = [link for paper in new.values() for link in paper.links]
    assert sum(link in new for link in links) > 0.5 * len(links)


def test_later_papers_cite_those_of_the_graph_and_not_one_another() -> None:
    later = list(examples(Citations(21, 0, 0, 30, into=SMALL)))
    known = set(nodes(list(examples(SMALL))))
    fields = nodes(later)
    assert all(set(node["links"]) <= known for node in fields.values())
    assert not known & set(fields)
    newcomers = Citations(21, 0, 0, 30, Era(arrived=1), into=SMALL)
    assert {row.labels["topic"] for row in examples(newcomers)} == {NEWCOMER}


@pytest.mark.parametrize("knob", ["lost", "reworded", "arrived"])
def test_a_knob_is_a_share(knob: str) -> None:
    with pytest.raises(UsageError, match=f"{knob}=1.1"):
        Era(**{knob: 1.1})


def test_the_planted_faults_are_found_and_nothing_else(tmp_path: Path) -> None:
    planted = plant(tmp_path / "new")
    codec = GraphCodec.from_config({"features": FEATURES})
    rows = open_rows(tmp_path / "new" / NODES), open_rows(tmp_path / "new" / EDGES)
    columns = NodeColumns(FEATURES, words="words", split="split")
    inspection = inspect(NodeRows(*rows, "topic", columns).examples(), codec)
    findings = {row.kind: set(row.files) for row in find_faults(inspection, near_distance=0)}
    assert findings == {
        "identical": set(planted["identical"]),
        "leak": set(planted["leak"]),
        "conflict": set(planted["conflict"]),
        "undecodable": set(planted["broken"]),
    }


def test_faults_are_planted_in_a_new_folder_among_enough_papers(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="among 3 papers"):
        plant(tmp_path / "few", each=3)
    (tmp_path / "a").write_text("something")
    with pytest.raises(UsageError, match="is not empty"):
        plant(tmp_path)


def test_links_are_undirected_and_never_repeated() -> None:
    links = Links(["a", "b", "c"])
    for one, other in (("a", "b"), ("b", "a"), ("a", "a"), ("c", "b"), ("c", "b")):
        links.add(one, other)
    assert [links.of(id) for id in "abc"] == [["b"], ["a", "c"], ["b"]]
    with pytest.raises(DataError, match="there is no node 'z'"):
        Links(["a"]).add("a", "z")
    assert len(Links([])) == 0
