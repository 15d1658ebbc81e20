"""Each of several targets is judged by itself: a model with one head ruined is refused."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tidemill.adapters.onnx import OnnxRuntime
from tidemill.domain.types import Check, Example, Labels, Split, payload_id
from tidemill.loop.evidence import HeldOut, gather
from tidemill.loop.gate import GatePolicy, judge
from tidemill.predictor import Predictor

NAMES = {
    "class": ("Bean___rust", "Vine___healthy", "Vine___rot"),
    "disease": ("rust", "healthy", "rot"),
    "plant": ("Bean", "Vine", "Fern"),
}
POLICY = GatePolicy(fresh_minimum=1)


@pytest.fixture
def held_out_leaves(paint: Any, tiny_colours: Any, golden_of: Any) -> HeldOut:
    """Leaves of three colours; the first model names every target of each rightly."""
    dice = random.Random(5)
    leaves: list[Example] = []
    sizes: list[tuple[Split, int]] = [("test", 180), ("fresh", 45)]
    for split, size in sizes:
        for at in range(size):
            colour = [min(255, max(0, c + dice.randint(-5, 5))) for c in tiny_colours[at % 3]]
            leaves.append(
                example(paint(colour), {t: row[at % 3] for t, row in NAMES.items()}, split)
            )
    leaves += [example(sample.payload, sample.labels, "val") for sample in golden_of(NAMES)]

    def of_split(split: Split) -> list[Example]:
        return [row for row in leaves if row.split == split]

    def labels_of(ids: Collection[str]) -> Mapping[str, Sequence[Labels]]:
        return {row.id: [row.labels] for row in leaves if row.id in ids}

    return HeldOut(NAMES, 3, of_split, labels_of)


def example(payload: bytes, labels: Labels, split: Split) -> Example:
    return Example(payload_id(payload), payload, labels, "test", "", split)


def without_head(predictor: Predictor, target: str) -> Predictor:
    """The same model, which answers one target alike whatever it is shown."""
    model = onnx.load_from_string(predictor.bundle.model)
    for weights in model.graph.initializer:
        if weights.name == f"weights_{target}":
            nothing = np.zeros_like(numpy_helper.to_array(weights))
            weights.CopyFrom(numpy_helper.from_array(nothing, weights.name))
    graph = model.SerializeToString()
    return Predictor(replace(predictor.bundle, model=graph), OnnxRuntime(graph))


def failed(checks: Sequence[Check], target: str) -> set[str]:
    return {check.name for check in checks if check.target == target and not check.passed}


@pytest.mark.parametrize("target", NAMES)
def test_a_model_with_one_head_ruined_is_refused_by_that_target(
    tiny: Any, held_out_leaves: HeldOut, target: str
) -> None:
    champion = tiny(NAMES)
    checks = judge(gather(without_head(champion, target), champion, held_out_leaves), POLICY)
    assert {"floor", "not_untrained", "non_inferiority"} <= failed(checks, target)
    for other in set(NAMES) - {target}:
        judged = {check.name: check.passed for check in checks if check.target == other}
        assert judged["floor"]
        assert judged["non_inferiority"]
        assert judged["not_untrained"]


@pytest.mark.parametrize("target", NAMES)
def test_a_gain_in_one_target_is_enough_where_the_others_have_nothing_to_gain(
    tiny: Any, held_out_leaves: HeldOut, target: str
) -> None:
    challenger = tiny(NAMES)
    checks = judge(gather(challenger, without_head(challenger, target), held_out_leaves), POLICY)
    assert [check.name for check in checks if not check.passed] == []
    gains = {check.target: check.reason for check in checks if check.name == "fresh_gain"}
    assert set(gains) == set(NAMES)
    assert [t for t, reason in gains.items() if "another target gains" not in reason] == [target]


def test_without_a_gain_in_any_target_nothing_is_promoted(
    tiny: Any, held_out_leaves: HeldOut
) -> None:
    model = tiny(NAMES)
    checks = judge(gather(model, model, held_out_leaves), POLICY)
    refused = [check.target for check in checks if not check.passed]
    assert {check.name for check in checks if not check.passed} == {"fresh_gain"}
    assert refused == list(NAMES)


def test_a_gain_in_one_target_does_not_pay_for_a_loss_in_another(
    tiny: Any, held_out_leaves: HeldOut
) -> None:
    whole = tiny(NAMES)
    challenger, champion = without_head(whole, "plant"), without_head(whole, "disease")
    checks = judge(gather(challenger, champion, held_out_leaves), POLICY)
    assert "fresh_gain" in failed(checks, "plant")
    assert "fresh_gain" not in failed(checks, "disease")
