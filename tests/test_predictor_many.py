"""Payloads that ask for many items: a row of every output for each, in the order of their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from herd.codec import HerdCodec, Read
from tests.herds import LABELS, MIDDLE, TARGET, chances, files, herd, model
from tidemill.adapters.onnx import OnnxRuntime
from tidemill.bundle import REFERENCE, BundleStore
from tidemill.codecs.codec import ManyCodec, open_codec
from tidemill.domain.errors import BadPayload, Corrupt
from tidemill.domain.ports import Runtime
from tidemill.predictor import Look, Model, Predictor
from tidemill.profile import Reference

ReferenceFor = Callable[[Mapping[str, bytes], Sequence[bytes]], bytes]
HERDS = (herd(150, 50, 101, 99), herd(20), herd(99, 300, first=7))


@pytest.fixture
def predictor(bundles: BundleStore, reference_for: ReferenceFor) -> Predictor:
    made, held_out = files()
    content = {**made, REFERENCE: reference_for(made, held_out)}
    bundle = bundles.open(bundles.write("herd", content))
    return Predictor(bundle, OnnxRuntime(bundle.model))


class Changed:
    """A graph some of whose outputs are other ones; counts its runs."""

    alone = False

    def __init__(self, inner: Runtime, **outputs: npt.NDArray[Any]) -> None:
        self.inner = inner
        self.outputs = outputs
        self.runs = 0

    def run(self, arrays: Mapping[str, Any]) -> Mapping[str, Any]:
        self.runs += 1
        return {**self.inner.run(arrays), **self.outputs}


def changed(**outputs: npt.NDArray[Any]) -> Model:
    runtime = Changed(OnnxRuntime(model()), **outputs)
    return Model(HerdCodec(1), {TARGET: LABELS}, runtime)


def test_only_codecs_that_name_their_items_are_such(predictor: Predictor) -> None:
    assert predictor.many is predictor.codec
    config = {"width": 8, "height": 8, "mean": [0, 0, 0], "std": [1, 1, 1]}
    assert not isinstance(open_codec("image", config), ManyCodec)


def test_every_item_is_answered_by_name_in_the_payloads_order(predictor: Predictor) -> None:
    answers = predictor.answer([predictor.read(payload) for payload in HERDS])
    said = [[(answer.item, answer.label) for answer in given] for given in answers]
    assert said == [
        [("a0", "ox"), ("a1", "sheep"), ("a2", "ox"), ("a3", "sheep")],
        [("a0", "sheep")],
        [("a7", "sheep"), ("a8", "ox")],
    ]
    weights = (150, 50, 101, 99, 20, 99, 300)
    for answer, weight in zip(chain(*answers), weights, strict=True):
        assert answer.probabilities == pytest.approx(chances(weight), abs=1e-6)
        assert answer.confidence == answer.probabilities[answer.label]


def test_the_targets_of_an_item_stand_together() -> None:
    twice = Model(
        HerdCodec(1),
        {"kind": LABELS, "size": ("large", "small")},
        Changed(OnnxRuntime(model()), logits_size=np.array([[1, 0], [0, 1]])),
    )
    [answers] = twice.answer([twice.read(herd(150, 50))])
    assert [(answer.item, answer.target, answer.label) for answer in answers] == [
        ("a0", "kind", "ox"),
        ("a0", "size", "large"),
        ("a1", "kind", "sheep"),
        ("a1", "size", "small"),
    ]


def test_payloads_run_one_at_a_time_and_answer_as_together(predictor: Predictor) -> None:
    runtime = Changed(OnnxRuntime(predictor.bundle.model))
    asked = Model(predictor.codec, predictor.labels, runtime)
    items = [asked.read(payload) for payload in HERDS]
    assert asked.answer(items) == [predictor.answer([item])[0] for item in items]
    assert runtime.runs == len(HERDS)
    probabilities, embedding = asked.outputs(items)
    assert (probabilities[TARGET].shape, embedding.shape) == ((7, 2), (7, 2))


def test_what_is_seen_has_a_row_of_bins_per_item_end_to_end(predictor: Predictor) -> None:
    reference = predictor.bundle.reference
    looks = [predictor.look(payload) for payload in HERDS]
    observed = predictor.observe(looks)
    assert [answers for answers, _ in observed] == predictor.answer([look.item for look in looks])
    width = len(reference.names)
    assert [len(seen) for _, seen in observed] == [4 * width, width, 2 * width]
    counts = reference.count([seen for _, seen in observed])
    assert {part.sum() for part in reference.split(counts).values()} == {7}
    alone = [predictor.look(herd(weight)) for weight in (150, 50, 101, 99)]
    assert observed[0][1] == b"".join(seen for _, seen in predictor.observe(alone))


def test_what_the_graph_measures_is_a_feature(predictor: Predictor) -> None:
    assert predictor.bundle.reference.names[:3] == ("weight", "height", "bulk")
    looks = [predictor.look(payload) for payload in HERDS]
    features, *_ = predictor.measured(looks)
    assert [row["bulk"] for row in features] == pytest.approx(
        [row["weight"] * row["height"] for row in features], rel=1e-6
    )
    made = Reference.build(*predictor.measured(looks), {TARGET: LABELS})
    assert (made.n, made.names[:3]) == (7, ("weight", "height", "bulk"))


@pytest.mark.parametrize(
    ("outputs", "told"),
    [
        ({"measure_bulk": np.zeros((2, 1))}, r"measures 'bulk' of 2 items as \(2, 1\)"),
        ({"measure_bulk": np.zeros(3)}, r"measures 'bulk' of 2 items as \(3,\)"),
        ({"measure_weight": np.zeros(2)}, "Both the model and its codec measure 'weight'"),
        ({f"logits_{TARGET}": np.zeros((1, 2))}, r"\(1, 2\) where \(2, 2\)"),
        ({"embedding": np.zeros((1, 2))}, "embeds 2 items as"),
    ],
)
def test_a_graph_that_does_not_answer_every_item_is_corrupt(
    outputs: dict[str, npt.NDArray[Any]], told: str
) -> None:
    asked = changed(**outputs)
    with pytest.raises(Corrupt, match=told):
        asked.measured([asked.look(herd(150, 50))])


def test_a_payload_whose_answer_is_not_finite_is_named_with_its_item() -> None:
    asked = Model(HerdCodec(1), {TARGET: LABELS}, OnnxRuntime(model()))
    looks = [asked.look(herd(*weights, first=4)) for weights in ((150, 50), (20, 1), (99,))]
    looks[1].item.rows[1] = np.inf
    with pytest.raises(BadPayload, match="the item 'a5' of this payload is no finite") as caught:
        asked.measured(looks)
    assert caught.value.index == 1
    assert len(asked.answer([looks[0].item, looks[2].item])) == 2


def test_a_codec_that_measures_fewer_items_than_it_names_is_corrupt() -> None:
    class Short(HerdCodec):
        def measures(self, item: Any) -> list[dict[str, float]]:
            return super().measures(item)[1:]

    asked = Model(Short(1), {TARGET: LABELS}, OnnxRuntime(model()))
    with pytest.raises(Corrupt, match="measures 1 items where 2 are asked for"):
        asked.measured([asked.look(herd(150, 50))])


def test_a_hundred_thousand_items_are_one_answer(predictor: Predictor) -> None:
    rows = np.random.default_rng(5).uniform(50, 150, (100_000, 2)).astype(np.float32)
    item = Read(tuple(f"a{at}" for at in range(len(rows))), rows)
    [(answers, seen)] = predictor.observe([Look(item, HerdCodec(1).measures(item))])
    assert [answer.item for answer in answers] == list(item.names)
    assert [answer.label == "ox" for answer in answers] == (rows[:, 0] >= MIDDLE).tolist()
    assert len(seen) == len(rows) * len(predictor.bundle.reference.names)


def test_the_part_of_a_herd_is_answered_as_it_was(predictor: Predictor) -> None:
    codec = predictor.many
    assert codec is not None
    [whole] = predictor.answer([predictor.read(HERDS[0])])
    parts = [codec.parts(HERDS[0], [answer.item])[0] for answer in whole]
    assert predictor.answer([predictor.read(part) for part in parts]) == [
        (answer,) for answer in whole
    ]
    with pytest.raises(BadPayload, match="no animal 'a9'"):
        codec.parts(HERDS[0], ["a9"])[0]
