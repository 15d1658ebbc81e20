from __future__ import annotations

from collections.abc import Callable
from functools import cache
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tidemill.learn.arrays import EncodedSplit
from tidemill.learn.figures import (
    confusion_figure,
    embedding_figure,
    reliability_figure,
    roc_figure,
)
from tidemill.learn.rows import ArrayRows
from tidemill.learn.split_predictions import SplitPredictions

NAMES = ("healthy", "miner", "a longer name of a stress")


@cache
def answers_of(dimensions: int) -> SplitPredictions:
    """Of 60 examples, with an embedding of so many dimensions."""
    random = np.random.default_rng(0)
    logits = np.log(random.dirichlet([1, 1, 1], 60))
    split = EncodedSplit(
        {"image": ArrayRows.of(np.zeros((60, 1)))},
        {"stress": np.arange(60) % 3},
        ("ours",) * 20 + ("theirs",) * 40,
    )
    outputs = {"logits_stress": logits, "embedding": random.normal(size=(60, dimensions))}
    return SplitPredictions.of(outputs, split, {"stress": 2.0}, {"stress": NAMES})


@pytest.fixture
def answers() -> SplitPredictions:
    return answers_of(5)


DRAWN: dict[str, Callable[[SplitPredictions], bytes]] = {
    "confusion": lambda answers: confusion_figure(answers.scores["stress"], "stress"),
    "reliability": lambda answers: reliability_figure(answers, "stress"),
    "roc": lambda answers: roc_figure(answers, "stress"),
    "embedding": lambda answers: embedding_figure(answers, "stress"),
}


@pytest.mark.parametrize(("kind", "dimensions"), [*((kind, 5) for kind in DRAWN), ("embedding", 1)])
def test_a_image_can_be_opened_and_depends_on_the_figures_alone(kind: str, dimensions: int) -> None:
    answers = answers_of(dimensions)
    image = DRAWN[kind](answers)
    with Image.open(BytesIO(image)) as opened:
        opened.load()
        assert opened.format == "PNG"
        assert min(opened.size) > 300
        assert "Software" not in opened.info
    assert image == DRAWN[kind](answers)


def test_sources_and_the_error_before_scaling_are_told(answers: SplitPredictions) -> None:
    body = answers.to_json("stress")
    right = answers.probabilities["stress"].argmax(axis=1) == np.arange(60) % 3
    assert body["sources"] == {
        "ours": {"examples": 20, "accuracy": right[:20].mean()},
        "theirs": {"examples": 40, "accuracy": right[20:].mean()},
    }
    assert body["ece_unscaled"] != body["ece"]


def test_the_bins_of_confidence_give_the_calibration_error(answers: SplitPredictions) -> None:
    body = answers.to_json("stress")
    bins = body["reliability"]
    assert sum(row["examples"] for row in bins) == 60
    assert [row["confidence"] for row in bins] == sorted(row["confidence"] for row in bins)
    gaps = (row["examples"] * abs(row["accuracy"] - row["confidence"]) for row in bins)
    assert sum(gaps) / 60 == pytest.approx(body["ece"])
