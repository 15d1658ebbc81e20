"""`evaluation.json` becomes typed scores, or a fault that names its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tidemill.bundle import Bundle, BundleStore
from tidemill.domain.errors import Corrupt, StorageFailed
from tidemill.evaluation.evaluation import Evaluation

SCORES = {"accuracy": 0.75, "macro_f1": 0.5, "nll": 1.0}


def evaluation(body: object) -> Evaluation:
    return Evaluation.from_bytes(json.dumps(body).encode())


@pytest.fixture
def bundle_with(bundles: BundleStore, tiny_files: Callable[..., Any]) -> Callable[[bytes], Bundle]:
    def write(content: bytes) -> Bundle:
        return bundles.open(bundles.write("leaves", {**tiny_files(), "evaluation.json": content}))

    return write


def test_scores_by_target_and_split() -> None:
    body = {"targets": {"age": {"temperature": 2.0, "val": SCORES, "test": None}}, "int8": None}
    scores = evaluation(body)
    assert list(scores.targets["age"]) == ["val"]
    row = scores.targets["age"]["val"]
    assert (row.accuracy, row.macro_f1, row.figures["nll"]) == (0.75, 0.5, 1.0)
    assert scores.split_scores("val") == {"age": row}
    assert scores.split_scores("test") == {}
    assert scores.figures["int8"] is None


def test_a_file_without_targets_has_no_scores() -> None:
    assert evaluation({}).targets == {}


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"no json", "JSON"),
        (b"[]", "JSON"),
        (b'{"targets": []}', "targets"),
        (b'{"targets": {"age": {}}}', "targets.age has no split"),
        (b'{"targets": {"age": {"temperature": 1.0}}}', "targets.age has no split"),
        (b'{"targets": {"age": {"test": {}}}}', "targets.age.test.accuracy"),
        (b'{"targets": {"age": {"val": {"accuracy": "1", "macro_f1": 1}}}}', "accuracy"),
    ],
    ids=["text", "list", "targets", "empty", "figures", "scores", "number"],
)
def test_a_malformed_file_is_corrupt(
    bundle_with: Callable[[bytes], Bundle], content: bytes, place: str
) -> None:
    with pytest.raises(Corrupt, match=rf"evaluation\.json of bundle .* is malformed: .*{place}"):
        bundle_with(content).evaluation()


def test_a_file_that_is_gone_cannot_be_read(bundle_with: Callable[[bytes], Bundle]) -> None:
    bundle = bundle_with(b"{}")
    assert bundle.evaluation().targets == {}
    (bundle.path / "evaluation.json").unlink()
    with pytest.raises(StorageFailed, match=r"evaluation\.json of bundle .* cannot be read"):
        bundle.evaluation()
