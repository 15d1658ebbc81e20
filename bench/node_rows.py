"""The measurements on a real citation graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.row import Row, Shift
from tidemill.codecs.citations import read_citations

LOST = 0.3


def fewer_links(place: Path, _test: Sequence[bytes]) -> list[bytes]:
    """One upload of the whole graph, without three in ten of its links."""
    content, cites = (
        (place / "cora" / f"cora.{kind}").read_bytes() for kind in ("content", "cites")
    )
    lines = cites.splitlines(keepends=True)
    mask = np.random.default_rng(0).random(len(lines)) >= LOST
    fewer = b"".join(line for line, keep in zip(lines, mask, strict=True) if keep)
    return [read_citations(content, fewer).payload()]


SEEDS = (0, 1, 2, 3, 4)
ROWS = (
    Row(
        "cora_original",
        "cora",
        "Cora, 140/300/1000 by file order",
        "given",
        "gat",
        ("data=files", "data.path={real}/cora", "data.split=original"),
        accuracy=0.815,
        seeds=SEEDS,
        served=True,
    ),
    Row(
        "cora_planetoid",
        "cora",
        "Cora, Planetoid split",
        "given",
        "gat",
        ("data=npz", "data.path={real}/cora/cora_planetoid.npz"),
        accuracy=0.825,
        seeds=SEEDS,
    ),
    # By file order validation and test are not alike (8 % and 16 % are on genetic algorithms), and
    # a drift check rightly says so; parted by hash they are.
    Row(
        "cora_hash",
        "cora",
        "Cora, every label",
        "hash",
        "gat",
        ("data=files", "data.path={real}/cora", "data.split=hash"),
        seeds=SEEDS[:1],
        shifts=(Shift("edges_lost", fewer_links, within=3_000),),
    ),
)
