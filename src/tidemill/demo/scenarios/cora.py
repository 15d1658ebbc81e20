"""A citation graph: from its own papers to those of a later day."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path

from tidemill.codecs.nodes import node_payload
from tidemill.demo.clients import as_json
from tidemill.demo.scenario import World
from tidemill.domain.types import Example
from tidemill.recipes.cora.sample.citations import FEATURES, Citations, Era, examples
from tidemill.recipes.cora.sample.node_faults import EDGES, NODES, plant

LATER = Era(lost=0.7, reworded=0.9)
"""The day that comes: most citations are missing, and nearly all terms are new."""
BULK = 1 / 3
"""A number whose digits fill a log."""


def changed(seed: int, count: int) -> list[Example]:
    """New papers of that day, which cite those of the sample."""
    base = Citations()
    return list(examples(Citations(seed, train=0, val=0, test=count, era=LATER, into=base)))


def faulty(folder: Path) -> tuple[str, ...]:
    """A table of nodes and a list of edges."""
    return (
        "data=table",
        f"data.path={folder / NODES}",
        f"data.edges={folder / EDGES}",
        "data.words=words",
        "data.split=split",
        f"codec.features={FEATURES}",
    )


def bulky(payloads: Sequence[bytes]) -> list[bytes]:
    """Each paper with a little of every word."""
    made = []
    for payload in payloads:
        [node] = json.loads(payload)["nodes"]
        words = {at: BULK + at for at in range(FEATURES)}
        made.append(node_payload(node["id"], words, node["links"]))
    return made


def show(payload: bytes) -> str:
    """The paper's id, and how much it says."""
    [node] = json.loads(payload)["nodes"]
    said = f"{len(node['features'])} words, {len(node['links'])} links"
    return f"<code>{escape(node['id'])}</code> ({said})<br>"


WORLD = World(
    recipe="cora",
    items="papers",
    change="day",
    changed=changed,
    plant=plant,
    faulty=faulty,
    form=as_json,
    bulky=bulky,
    show=show,
    second=("seed=1",),
)
