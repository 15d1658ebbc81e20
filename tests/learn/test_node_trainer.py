"""The whole of a training on a graph: what the bundle holds, and that it is answered alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.learn.node_graphs import TOPICS, codec, papers, run, take_snapshot
from tidemill.adapters.onnx import OnnxRuntime
from tidemill.bundle import TOLERANCE, Golden
from tidemill.codecs.codec import open_codec
from tidemill.codecs.nodes import whole_payload
from tidemill.codecs.table import TableCodec
from tidemill.data.open_snapshot import OpenSnapshot
from tidemill.domain.errors import DataError, UsageError
from tidemill.domain.types import Example, Split
from tidemill.learn import node_trainer
from tidemill.learn.progress import Progress
from tidemill.learn.training_result import TrainingResult
from tidemill.predictor import Model
from tidemill.recipes.cora.network import build, train

# One worker makes what these tests share.
pytestmark = pytest.mark.xdist_group("node trainer")
PROGRESS = Progress()


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> OpenSnapshot:
    return take_snapshot(tmp_path_factory.mktemp("snapshots"), papers())


@pytest.fixture(scope="module")
def teach(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., TrainingResult]:
    def teach(snapshot: OpenSnapshot, **groups: object) -> TrainingResult:
        return train(
            run(snapshot, **groups),
            snapshot,
            codec(),
            description="Papers",
            parent="v1",
            scratch=tmp_path_factory.mktemp("scratch"),
            progress=PROGRESS,
        )

    return teach


@pytest.fixture(scope="module")
def trained(teach: Callable[..., TrainingResult], snapshot: OpenSnapshot) -> TrainingResult:
    return teach(snapshot)


@pytest.fixture(scope="module")
def model(trained: TrainingResult) -> Model:
    return Model(
        open_codec(**json.loads(trained.files["codec.json"])),
        json.loads(trained.files["classes.json"]),
        OnnxRuntime(trained.files["model.onnx"]),
    )


def test_it_learns_and_says_so(trained: TrainingResult) -> None:
    assert trained.metrics["val"]["accuracy"] > 0.6
    assert trained.metrics["test"]["accuracy"] > 0.6
    evaluation = json.loads(trained.files["evaluation.json"])
    assert evaluation["targets"]["topic"]["test"]["accuracy"] == trained.metrics["test"]["accuracy"]
    assert evaluation["parity"]["difference"] < 1e-5
    assert evaluation["int8"] is None
    lineage = json.loads(trained.files["lineage.json"])
    assert (lineage["parent"], lineage["weights"]) == ("v1", trained.weights)
    for kind in ("confusion", "reliability", "roc", "embedding"):
        assert trained.files[f"{kind}-topic.png"].startswith(b"\x89PNG")
    assert b"accuracy" in trained.files["card.md"]


def test_golden_samples_are_validation_and_are_served_as_recorded(
    trained: TrainingResult, model: Model, snapshot: OpenSnapshot
) -> None:
    samples = [Golden.from_json(row) for row in json.loads(trained.files["golden.json"])]
    truth = {row.payload: row.labels for row in snapshot.rows("val") if row.labels}
    assert {sample.labels["topic"] for sample in samples} == set(TOPICS)
    for sample in samples:
        assert truth[sample.payload] == sample.labels
        [(answer,)] = model.predict([model.decode(sample.payload)])
        assert sample.fault("topic", answer.label, answer.probabilities) == ""


def test_every_node_is_answered_from_its_neighbourhood_as_from_the_whole_graph(
    model: Model, snapshot: OpenSnapshot
) -> None:
    payloads = [row.payload for row in snapshot.rows()]
    whole = model.decode(whole_payload(payloads))
    _, chances, embedding = model.profile_rows([model.preprocess(whole_payload(payloads))])
    by_id = b'{"nodes":' + json.dumps(list(model.item_names(whole))).encode() + b"}"
    for one in (payloads, [by_id]):
        _, features, places = model.profile_rows([model.preprocess(payload) for payload in one])
        assert np.abs(features["topic"] - chances["topic"]).max() < TOLERANCE
        assert np.abs(places - embedding).max() < TOLERANCE
    measured, *_ = model.profile_rows([model.preprocess(payloads[0])])
    assert measured[0].keys() == {"degree", "density", "homophily"}


class Watched(OpenSnapshot):
    """Notes the splits whose rows were asked for by name."""

    def rows(self, split: Split | None = None, *, payloads: bool = True) -> Iterator[Example]:
        splits_read.append(split)
        return super().rows(split, payloads=payloads)


splits_read: list[Split | None] = []


def test_the_same_run_gives_the_same_files_and_reads_the_snapshot_once(
    teach: Callable[..., TrainingResult], trained: TrainingResult, snapshot: OpenSnapshot
) -> None:
    splits_read.clear()
    again = teach(Watched(snapshot.folder, snapshot.manifest))
    # Validation a second time, for the payloads of the golden samples.
    assert splits_read == [None, "val"]
    assert again.weights == trained.weights
    assert again.files == trained.files


def test_int8_is_refused(teach: Callable[..., TrainingResult], snapshot: OpenSnapshot) -> None:
    with pytest.raises(UsageError, match="int8 is not offered for graphs"):
        teach(snapshot, export={"precision": "int8"})


def test_another_codec_is_refused(snapshot: OpenSnapshot, tmp_path: Path) -> None:
    columns = [{"name": "age", "kind": "number"}]
    table = TableCodec.from_config({"columns": columns})
    with pytest.raises(UsageError, match="codec graph, not by table"):
        train(
            run(snapshot),
            snapshot,
            table,
            description="",
            parent=None,
            scratch=tmp_path,
            progress=PROGRESS,
        )


def test_a_neighbourhood_that_is_too_small_is_refused(
    snapshot: OpenSnapshot, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="neighbourhood") as caught:
        node_trainer.train_nodes(
            build,
            run(snapshot),
            snapshot,
            codec(hops=1),
            description="",
            parent=None,
            scratch=tmp_path,
            progress=PROGRESS,
        )
    assert "codec.hops" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
