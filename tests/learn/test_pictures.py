from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

from tidemill.learn.evaluate import evaluate
from tidemill.learn.pictures import confusion_picture, reliability_picture

PROBABILITIES = np.random.default_rng(0).dirichlet([1, 1, 1], 60)
LABELS = np.arange(60) % 3
NAMES = ("healthy", "miner", "a longer name of a stress")


def _check(picture: bytes) -> None:
    with Image.open(BytesIO(picture)) as opened:
        opened.load()
        assert opened.format == "PNG"
        assert min(opened.size) > 300
        assert "Software" not in opened.info


def test_confusion() -> None:
    scores = evaluate(PROBABILITIES, LABELS, NAMES)
    picture = confusion_picture(scores, "Validation")
    _check(picture)
    assert picture == confusion_picture(scores, "Validation")


def test_reliability() -> None:
    picture = reliability_picture(PROBABILITIES, LABELS, "Validation")
    _check(picture)
    assert picture == reliability_picture(PROBABILITIES, LABELS, "Validation")
