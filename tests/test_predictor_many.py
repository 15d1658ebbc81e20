"""Payloads that ask for many items: a row of every output for each, in the order of their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from herd.codec import DecodedHerd, HerdCodec
from tests.herds import LABELS, MIDDLE, TARGET, chances, files, herd, model
from tidemill.adapters.onnx import OnnxRuntime
from tidemill.bundle import REFERENCE, BundleStore
from tidemill.codecs.codec import ManyCodec, open_codec
from tidemill.domain.errors import BadPayload, Corrupt
from tidemill.domain.ports import Runtime
from tidemill.predictor import Model, Predictor, Preprocessed
from tidemill.profile import Reference

ReferenceFor = Callable[[Mapping[str, bytes], Sequence[bytes]], bytes]
HERDS = (herd(150, 50, 101, 99), herd(20), herd(99, 300, first=7))


@pytest.fixture
def predictor(bundles: BundleStore, reference_for: ReferenceFor) -> Predictor:
    contents, held_out = files()
    content = {**contents, REFERENCE: reference_for(contents, held_out)}
    bundle = bundles.open(bundles.write("herd", content))
    return Predictor(bundle, OnnxRuntime(bundle.model))


class Changed:
    """A graph some of whose outputs are other ones; counts its runs."""

    alone = False

    def __init__(self, inner: Runtime, **outputs: npt.NDArray[Any]) -> None:
        self.inner = inner
        self.outputs = outputs
        self.runs = 0

    def terminate(self) -> None:
        """Its runs are short."""

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
    answers = predictor.predict([predictor.decode(payload) for payload in HERDS])
    labels = [[(answer.item, answer.label) for answer in row] for row in answers]
    assert labels == [
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
    [answers] = twice.predict([twice.decode(herd(150, 50))])
    assert [(answer.item, answer.target, answer.label) for answer in answers] == [
        ("a0", "kind", "ox"),
        ("a0", "size", "large"),
        ("a1", "kind", "sheep"),
        ("a1", "size", "small"),
    ]


def test_payloads_run_one_at_a_time_and_answer_as_together(predictor: Predictor) -> None:
    runtime = Changed(OnnxRuntime(predictor.bundle.model))
    model = Model(predictor.codec, predictor.classes, runtime)
    inputs = [model.decode(payload) for payload in HERDS]
    assert model.predict(inputs) == [predictor.predict([decoded])[0] for decoded in inputs]
    assert runtime.runs == len(HERDS)
    probabilities, embedding = model.predict_with_embedding(inputs)
    assert (probabilities[TARGET].shape, embedding.shape) == ((7, 2), (7, 2))


def test_what_is_seen_has_a_row_of_bins_per_item_end_to_end(predictor: Predictor) -> None:
    reference = predictor.bundle.reference
    preprocessed = [predictor.preprocess(payload) for payload in HERDS]
    observed = predictor.predict_with_bins(preprocessed)
    assert [answers for answers, _ in observed] == predictor.predict(
        [each.decoded for each in preprocessed]
    )
    width = len(reference.names)
    assert [len(bins) for _, bins in observed] == [4 * width, width, 2 * width]
    counts = reference.count([bins for _, bins in observed])
    assert {part.sum() for part in reference.split(counts).values()} == {7}
    alone = [predictor.preprocess(herd(weight)) for weight in (150, 50, 101, 99)]
    assert observed[0][1] == b"".join(bins for _, bins in predictor.predict_with_bins(alone))


def test_what_the_graph_measures_is_a_feature(predictor: Predictor) -> None:
    assert predictor.bundle.reference.names[:3] == ("weight", "height", "bulk")
    preprocessed = [predictor.preprocess(payload) for payload in HERDS]
    features, *_ = predictor.profile_rows(preprocessed)
    assert [row["bulk"] for row in features] == pytest.approx(
        [row["weight"] * row["height"] for row in features], rel=1e-6
    )
    reference = Reference.build(*predictor.profile_rows(preprocessed), {TARGET: LABELS})
    assert (reference.n, reference.names[:3]) == (7, ("weight", "height", "bulk"))


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"measure_bulk": np.zeros((2, 1))}, r"measures 'bulk' of 2 items as \(2, 1\)"),
        ({"measure_bulk": np.zeros(3)}, r"measures 'bulk' of 2 items as \(3,\)"),
        ({"measure_weight": np.zeros(2)}, "Both the model and its codec measure 'weight'"),
        ({f"logits_{TARGET}": np.zeros((1, 2))}, r"\(1, 2\); it must be \(2, 2\)"),
        ({"embedding": np.zeros((1, 2))}, "embeds 2 items as"),
    ],
)
def test_a_graph_that_does_not_answer_every_item_is_corrupt(
    outputs: dict[str, npt.NDArray[Any]], message: str
) -> None:
    model_under_test = changed(**outputs)
    with pytest.raises(Corrupt, match=message):
        model_under_test.profile_rows([model_under_test.preprocess(herd(150, 50))])


def test_a_payload_whose_answer_is_not_finite_is_named_with_its_item() -> None:
    model_under_test = Model(HerdCodec(1), {TARGET: LABELS}, OnnxRuntime(model()))
    preprocessed = [
        model_under_test.preprocess(herd(*weights, first=4))
        for weights in ((150, 50), (20, 1), (99,))
    ]
    preprocessed[1].decoded.rows[1] = np.inf
    with pytest.raises(BadPayload, match="the item 'a5' of this payload is not a finite") as caught:
        model_under_test.profile_rows(preprocessed)
    assert caught.value.index == 1
    assert len(model_under_test.predict([preprocessed[0].decoded, preprocessed[2].decoded])) == 2


def test_a_codec_that_measures_fewer_items_than_it_names_is_corrupt() -> None:
    class Short(HerdCodec):
        def item_features(self, decoded: Any) -> list[dict[str, float]]:
            return super().item_features(decoded)[1:]

    model_under_test = Model(Short(1), {TARGET: LABELS}, OnnxRuntime(model()))
    with pytest.raises(Corrupt, match="measures 1 items of a payload that has 2"):
        model_under_test.profile_rows([model_under_test.preprocess(herd(150, 50))])


def test_a_hundred_thousand_items_are_one_answer(predictor: Predictor) -> None:
    rows = np.random.default_rng(5).uniform(50, 150, (100_000, 2)).astype(np.float32)
    decoded = DecodedHerd(tuple(f"a{at}" for at in range(len(rows))), rows)
    [(answers, bins)] = predictor.predict_with_bins(
        [Preprocessed(decoded, HerdCodec(1).item_features(decoded))]
    )
    assert [answer.item for answer in answers] == list(decoded.names)
    assert [answer.label == "ox" for answer in answers] == (rows[:, 0] >= MIDDLE).tolist()
    assert len(bins) == len(rows) * len(predictor.bundle.reference.names)


def test_the_part_of_a_herd_is_answered_as_it_was(predictor: Predictor) -> None:
    codec = predictor.many
    assert codec is not None
    [whole] = predictor.predict([predictor.decode(HERDS[0])])
    parts = [codec.item_payloads(HERDS[0], [answer.item])[0] for answer in whole]
    assert predictor.predict([predictor.decode(part) for part in parts]) == [
        (answer,) for answer in whole
    ]
    with pytest.raises(BadPayload, match="no animal 'a9'"):
        codec.item_payloads(HERDS[0], ["a9"])[0]
