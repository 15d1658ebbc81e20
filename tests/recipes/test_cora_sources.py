"""Which nodes an experiment asks for, and what it may not ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemill.codecs.graph import GraphCodec
from tidemill.data.citation_files import CitationFiles
from tidemill.data.inspection import inspect
from tidemill.data.node_arrays import NodeArrays
from tidemill.data.node_rows import NodeRows
from tidemill.domain.errors import DataError, UsageError
from tidemill.domain.ports import Source
from tidemill.recipes.cora.recipe import Cora
from tidemill.recipes.cora.sample.citations import FEATURES, CitationSource
from tidemill.recipes.cora.sample.node_faults import EDGES, NODES, plant
from tidemill.workspace.planning import plan

FILES = ("data=files", "data.path=graph")
ARRAYS = ("data=npz", "data.path=graph.npz")
TABLE = ("data=table", "data.path=nodes.csv", "data.edges=edges.csv", "codec.features=9")


def source(*words: str) -> Source:
    recipe, experiment = plan("cora", words)
    return recipe.source(experiment.tree(), Path("samples"))


def test_the_sample_has_as_many_words_as_its_codec() -> None:
    recipe, experiment = plan("cora")
    assert isinstance(recipe, Cora)
    codec = recipe.codec(experiment.tree())
    assert isinstance(codec, GraphCodec)
    assert codec.settings.features == FEATURES
    assert isinstance(source(), CitationSource)
    assert len(source("data.train=100", "data.val=30", "data.test=20")) == 150
    rows = list(source("data.train=100", "data.val=30", "data.test=20").examples())
    assert not [row.fault for row in inspect(rows, codec).rows if row.fault]


def test_each_choice_of_data_is_its_source() -> None:
    files, arrays, table = source(*FILES), source(*ARRAYS), source(*TABLE)
    assert isinstance(files, CitationFiles)
    assert (files.features, files.split) == (1433, "original")
    assert isinstance(arrays, NodeArrays)
    assert (arrays.features, len(arrays.names)) == (1433, 7)
    assert isinstance(table, NodeRows)
    assert table.columns.count == 9


def test_the_columns_of_a_table_can_be_named(tmp_path: Path) -> None:
    plant(tmp_path / "new")
    words = (f"data.path={tmp_path / 'new' / NODES}", f"data.edges={tmp_path / 'new' / EDGES}")
    nodes = source("data=table", *words, f"codec.features={FEATURES}", "data.words=words")
    assert {row.split for row in nodes.examples()} == {None}
    misnamed = source("data=table", *words, "codec.features=3", "data.words=terms")
    with pytest.raises(DataError, match="has no column 'terms'"):
        list(misnamed.examples())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("model.name=gcn",), "model.name does not fit"),
        (("model.heads=0",), "model.heads does not fit"),
        (("model.dropout=1.0",), "model.dropout does not fit"),
        ((*FILES, "data.split=random"), "split does not fit"),
        (("codec.hops=0",), "hops does not fit"),
    ],
)
def test_what_cannot_be_is_named(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan("cora", words)


@pytest.mark.parametrize(
    ("train", "rate", "patience"), [("full", 0.005, 100), ("original", 0.06, 100)]
)
def test_the_plans_of_the_paper_and_of_the_original(train: str, rate: float, patience: int) -> None:
    _, experiment = plan("cora", (*FILES, f"train={train}"))
    tree = experiment.tree()["train"]
    assert (tree["learning_rate"], tree["patience"]) == (rate, patience)
    assert tree["weight_decay"] == 0.0005
