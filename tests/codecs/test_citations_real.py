"""Cora, read from the files that TIDEMILL_REAL_DATA holds: what is in them, and its cost."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tests.work import count_calls
from tidemill.codecs.citations import Citations, read_citations
from tidemill.codecs.graph import GraphCodec

REAL = os.environ.get("TIDEMILL_REAL_DATA", "")
CORA = Path(REAL) / "cora"

pytestmark = pytest.mark.skipif(
    not REAL or not CORA.is_dir(), reason="TIDEMILL_REAL_DATA names no folder with cora/"
)


@pytest.fixture(scope="module")
def files() -> tuple[bytes, bytes]:
    return (CORA / "cora.content").read_bytes(), (CORA / "cora.cites").read_bytes()


@pytest.fixture(scope="module")
def cora(files: tuple[bytes, bytes]) -> Citations:
    return read_citations(*files)


def test_what_is_in_it(cora: Citations) -> None:
    assert len(cora.ids) == len(cora.labels) == 2708
    assert len(set(cora.labels.values())) == 7
    codec = GraphCodec.from_config({"features": 1433})
    decoded = codec.decode(cora.payload())
    assert len(decoded.part.columns) == 49_216
    assert len(decoded.part.edges) == 2 * 5278  # of 5,429 lines, 151 are the way back of another
    assert decoded.degrees.max() == 168


def test_it_is_what_the_long_way_reads(files: tuple[bytes, bytes], cora: Citations) -> None:
    lines = [line.split() for line in files[0].decode().splitlines()[::100]]
    words = np.array([fields[1:-1] for fields in lines], np.float32)
    rows = [np.isin(np.arange(1433), list(row)) for row in cora.features[::100]]
    assert np.array_equal(words, np.array(rows, np.float32))
    assert [fields[0] for fields in lines] == cora.ids[::100]
    assert [fields[-1] for fields in lines] == list(cora.labels.values())[::100]


def test_a_line_of_1433_words_costs_a_few_calls(files: tuple[bytes, bytes]) -> None:
    calls = count_calls(lambda: read_citations(*files, features=1433))
    lines = sum(file.count(b"\n") for file in files)
    assert calls.total() < 20 * lines


def test_a_stored_node_is_answered_like_its_example(cora: Citations) -> None:
    codec = GraphCodec.from_config({"features": 1433}).storing(cora.payload())
    for id, example in list(cora.examples())[::200]:
        assert codec.item_payloads(example, [id])[0] == example
        one = codec.encode([codec.decode(f'{{"nodes":["{id}"]}}'.encode())])
        other = codec.encode([codec.decode(example)])
        assert all(np.array_equal(one[name], other[name]) for name in one)
