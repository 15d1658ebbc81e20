"""The scenario of papers: shown safely, changed as it says, and joined to the sample's graph."""

from __future__ import annotations

import json

from tidemill.codecs.graph import GraphCodec
from tidemill.codecs.nodes import whole_payload
from tidemill.demo.scenarios.cora import SCENARIO, render, shifted_examples
from tidemill.recipes.cora.sample.citations import FEATURES, Citations, examples


def test_the_id_of_a_paper_is_escaped() -> None:
    html = render(b'{"nodes":[{"features":[3,5],"id":"<b>","links":["<i>"]}]}')
    assert html == "<code>&lt;b&gt;</code> (2 words, 1 links)<br>"


def test_shifted_papers_cite_only_papers_of_the_graph() -> None:
    stored = whole_payload(row.payload for row in examples(Citations()))
    codec = GraphCodec.from_config({"features": FEATURES}).storing(stored)
    decoded = [codec.decode(row.payload) for row in shifted_examples(21, 40)]
    assert not any(item.remarks for item in decoded)
    degrees = [float(codec.features(item)["degree"]) for item in decoded]
    assert max(degrees) > 0.0
    assert sum(degrees) / len(degrees) < 1.5


def test_an_enlarged_paper_keeps_its_id_and_links() -> None:
    [row] = shifted_examples(21, 1)
    [before], [after] = (
        json.loads(payload)["nodes"] for payload in (row.payload, *SCENARIO.enlarge([row.payload]))
    )
    assert (before["id"], before["links"]) == (after["id"], after["links"])
    assert len(after["features"]) == FEATURES
