"""A citation graph: first its own papers, later those of another day."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path

from tidemill.codecs.nodes import node_payload
from tidemill.demo.scenario import Scenario
from tidemill.domain.types import Example
from tidemill.recipes.cora.sample.citations import FEATURES, Citations, Era, examples
from tidemill.recipes.cora.sample.node_faults import EDGES, NODES, plant
from tidemill.testing.clients import as_json

LATER = Era(lost=0.7, reworded=0.9)
"""The later day: most citations are missing, and nearly all terms are new."""
BULK = 1 / 3
"""A number whose digits fill a log."""


def shifted_examples(seed: int, count: int) -> list[Example]:
    """New papers of the later day, which cite those of the sample."""
    base = Citations()
    return list(examples(Citations(seed, train=0, val=0, test=count, era=LATER, into=base)))


def read_faulty(folder: Path) -> tuple[str, ...]:
    """Return the overrides that read a table of nodes and a list of edges."""
    return (
        "data=table",
        f"data.path={folder / NODES}",
        f"data.edges={folder / EDGES}",
        "data.words=words",
        "data.split=split",
        f"codec.features={FEATURES}",
    )


def enlarge(payloads: Sequence[bytes]) -> list[bytes]:
    """Give each paper a little of every word."""
    enlarged = []
    for payload in payloads:
        [node] = json.loads(payload)["nodes"]
        words = {at: BULK + at for at in range(FEATURES)}
        enlarged.append(node_payload(node["id"], words, node["links"]))
    return enlarged


def render(payload: bytes) -> str:
    """Return the paper's id, and how many words and links it has."""
    [node] = json.loads(payload)["nodes"]
    size = f"{len(node['features'])} words, {len(node['links'])} links"
    return f"<code>{escape(node['id'])}</code> ({size})<br>"


SCENARIO = Scenario(
    recipe="cora",
    examples_noun="papers",
    change="day",
    shifted_examples=shifted_examples,
    plant_faults=plant,
    faulty_overrides=read_faulty,
    request_format=as_json,
    enlarge=enlarge,
    render=render,
    second_overrides=("seed=1",),
)
