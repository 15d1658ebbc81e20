"""A small planted graph as a snapshot: papers of three topics that mostly cite their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tidemill.codecs.graph import GraphCodec
from tidemill.codecs.nodes import node_payload
from tidemill.data.open_snapshot import OpenSnapshot
from tidemill.data.snapshots import SnapshotStore
from tidemill.domain.types import Example, Run, Split, payload_id

AT = datetime(2026, 1, 2, tzinfo=UTC)
TOPICS = ("bees", "rocks", "tides")
FEATURES = 30
SPLITS: tuple[Split, ...] = ("train", "val", "val", "test")


def codec(**settings: object) -> GraphCodec:
    return GraphCodec.from_config({"features": FEATURES, **settings})


def paper(
    id: str, words: Sequence[int], links: Sequence[str], topic: str | None, split: Split
) -> Example:
    payload = node_payload(id, words, links)
    labels = {} if topic is None else {"topic": topic}
    return Example(payload_id(payload), payload, labels, "made", f"paper {id}", split)


def papers(n: int = 120) -> list[Example]:
    """Each has words of its topic and three links; every tenth node tells no label.

    The last has no link and the one before it no word, and both are of validation.
    """
    random = np.random.default_rng(3)
    topic = np.arange(n) % 3
    rows = []
    for at in range(n):
        own = 10 * topic[at] + random.integers(0, 10, 3)
        words = [] if at == n - 2 else [*own.tolist(), int(random.integers(FEATURES))]
        # Two of three links stay within the topic.
        ends = [3 * random.integers(n // 3) + topic[at] for _ in range(2)]
        links = [str(end) for end in [*ends, random.integers(n)] if end < n - 1]
        unlabelled = at % 10 == 0
        split: Split = "train" if unlabelled else "val" if at >= n - 2 else SPLITS[at % 4]
        label = None if unlabelled else TOPICS[topic[at]]
        rows.append(paper(str(at), words, [] if at == n - 1 else links, label, split))
    return rows


def take_snapshot(folder: Path, rows: Sequence[Example]) -> OpenSnapshot:
    store = SnapshotStore(folder)
    taken = store.write(rows, recipe="cora", policy="stop", parent=None, at=AT)
    return store.open(taken.id)


def run(snapshot: OpenSnapshot, **groups: object) -> Run:
    config = {
        "seed": 1,
        "codec": codec().config(),
        "model": {"name": "gat", "heads": 2, "width": 4, "dropout": 0.3},
        "train": {"epochs": 40, "patience": 20, "learning_rate": 0.02, "threads": 1},
        **groups,
    }
    empty = Run("run", "cora", snapshot.snapshot.id, 1, config, {}, {}, AT)
    return replace(empty, environment={"python": "3.11"})
