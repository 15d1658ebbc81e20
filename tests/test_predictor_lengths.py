"""Texts of unlike length run in groups, and each keeps its own answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tidemill.codecs.text import TextCodec
from tidemill.predictor import FEW, PADDED, Model, group_by_length

CODEC = TextCodec.from_config(
    {"form": "grams", "buckets": 64, "word_max": 1, "char_min": 3, "char_max": 3, "max_grams": 99}
)


class Summing:
    """A graph whose logits are the sum of the weights, and their opposite."""

    alone = False

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def run(self, arrays: Mapping[str, Any]) -> Mapping[str, Any]:
        self.shapes.append(arrays["ids"].shape)
        sums = arrays["ids"].astype(float).sum(axis=1)
        return {"logits_tone": np.stack([sums, -sums], axis=1) / 1_000}

    def terminate(self) -> None:
        """Nothing runs for long."""


@given(st.lists(st.integers(1, 128), max_size=100))
def test_every_payload_is_in_one_group(lengths: list[int]) -> None:
    groups = group_by_length(lengths)
    assert sorted(at for each in groups for at in each) == [*range(len(lengths))]
    for group in groups:
        sizes = sorted(lengths[at] for at in group)
        assert len(sizes) <= FEW or sizes[-1] <= max(PADDED * sizes[0], sizes[FEW - 1])


@given(st.lists(st.integers(1, 128), min_size=1))
def test_a_single_group_keeps_its_order(lengths: list[int]) -> None:
    groups = group_by_length(lengths)
    assert len(groups) > 1 or groups == [[*range(len(lengths))]]


def test_answers_stay_with_their_payloads() -> None:
    runtime = Summing()
    model = Model(CODEC, {"tone": ("up", "down")}, runtime)
    random = np.random.default_rng(1)
    words = [f"w{number}" for number in range(500)]
    texts = [" ".join(random.choice(words, size=random.integers(1, 40))) for _ in range(64)]
    inputs = [model.decode(text.encode()) for text in texts]
    together = model.predict_probabilities(inputs)["tone"]
    shapes = [*runtime.shapes]
    alone = [model.predict_probabilities([decoded])["tone"][0] for decoded in inputs]
    np.testing.assert_array_equal(together, np.stack(alone))
    assert len(shapes) > 1
    assert sum(rows for rows, _ in shapes) == 64
    # Padding to the longest of all takes far more.
    assert sum(rows * length for rows, length in shapes) < 0.8 * 64 * max(map(model.length, inputs))
