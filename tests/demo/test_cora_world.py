"""The world of papers: shown safely, changed as it says, and joined to the sample's graph."""

from __future__ import annotations

import json

from tidemill.codecs.graph import GraphCodec
from tidemill.codecs.nodes import whole_payload
from tidemill.demo.scenarios.cora import WORLD, changed, show
from tidemill.recipes.cora.sample.citations import FEATURES, Citations, examples


def test_a_paper_is_shown_by_its_id_which_is_never_obeyed() -> None:
    shown = show(b'{"nodes":[{"features":[3,5],"id":"<b>","links":["<i>"]}]}')
    assert shown == "<code>&lt;b&gt;</code> (2 words, 1 links)<br>"


def test_new_papers_find_every_paper_that_they_cite() -> None:
    stored = whole_payload(row.payload for row in examples(Citations()))
    codec = GraphCodec.from_config({"features": FEATURES}).storing(stored)
    read = [codec.decode(row.payload) for row in changed(21, 40)]
    assert not any(item.remarks for item in read)
    degrees = [float(codec.features(item)["degree"]) for item in read]
    assert max(degrees) > 0.0
    assert sum(degrees) / len(degrees) < 1.5


def test_a_bulky_paper_keeps_its_id_and_links() -> None:
    [row] = changed(21, 1)
    [before], [after] = (
        json.loads(payload)["nodes"] for payload in (row.payload, *WORLD.bulky([row.payload]))
    )
    assert (before["id"], before["links"]) == (after["id"], after["links"])
    assert len(after["features"]) == FEATURES
