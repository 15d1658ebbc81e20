"""Payloads in, answers out: the arithmetic and the shape of an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from tidemill.adapters.onnx import OnnxRuntime
from tidemill.bundle import BundleStore, encode
from tidemill.domain.errors import BadPayload, Corrupt
from tidemill.predictor import Predictor, softmax

Tiny = Callable[..., Predictor]
Paint = Callable[[Sequence[int]], bytes]
Expected = Callable[[Sequence[int], int], npt.NDArray[np.float64]]
Colours = tuple[tuple[int, int, int], ...]


def test_softmax_gives_the_known_values() -> None:
    logits = np.log([[1.0, 2.0, 5.0], [1.0, 1.0, 2.0]])
    np.testing.assert_allclose(softmax(logits), [[0.125, 0.25, 0.625], [0.25, 0.25, 0.5]])


def test_softmax_does_not_care_for_a_shift_and_leaves_its_input_alone() -> None:
    logits = np.array([[0.5, -1.0, 2.0]], dtype=np.float32)
    before = logits.copy()
    np.testing.assert_allclose(softmax(logits + 100), softmax(logits), atol=1e-5)
    np.testing.assert_array_equal(logits, before)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_of_extreme_logits_is_still_a_distribution(dtype: npt.DTypeLike) -> None:
    rows = softmax(np.array([[3e38, -3e38, 0], [-3e38, -3e38, -3e38], [1e4, 1e4, 0]], dtype))
    wanted = np.array([[1, 0, 0], [1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0]])
    np.testing.assert_allclose(rows, wanted)
    assert rows.dtype == np.float64


def test_an_answer_names_the_surest_label_and_every_probability(
    tiny: Tiny, paint: Paint, expected: Expected, tiny_colours: Colours, tiny_names: tuple[str, ...]
) -> None:
    predictor = tiny({"disease": tiny_names})
    for colour, name in zip(tiny_colours, tiny_names, strict=True):
        [(answer,)] = predictor.answer([predictor.read(paint(colour))])
        scores = expected(colour, len(tiny_names))
        assert (answer.target, answer.label, answer.item) == ("disease", name, "")
        assert answer.confidence == answer.probabilities[name] == max(answer.probabilities.values())
        assert tuple(answer.probabilities) == tiny_names
        assert type(answer.confidence) is float
        np.testing.assert_allclose(list(answer.probabilities.values()), scores, atol=1e-5)
        assert sum(answer.probabilities.values()) == pytest.approx(1)


def test_a_model_of_two_targets_answers_both_in_order(
    tiny: Tiny, paint: Paint, tiny_colours: Colours, tiny_names: tuple[str, ...]
) -> None:
    predictor = tiny({"disease": tiny_names, "part": ("leaf", "stem", "fruit")})
    [answers] = predictor.answer([predictor.read(paint(tiny_colours[1]))])
    assert [(answer.target, answer.label) for answer in answers] == [
        ("disease", "healthy"),
        ("part", "stem"),
    ]
    assert set(answers[1].probabilities) == {"leaf", "stem", "fruit"}


def test_probabilities_come_per_target_and_in_label_order(
    tiny: Tiny, paint: Paint, expected: Expected, tiny_colours: Colours
) -> None:
    predictor = tiny()
    items = [predictor.read(paint(colour)) for colour in tiny_colours]
    rows = predictor.probabilities(items)
    assert list(rows) == ["disease"]
    assert rows["disease"].shape == (5, 3)
    wanted = [expected(colour, 3) for colour in tiny_colours]
    np.testing.assert_allclose(rows["disease"], wanted, atol=1e-5)


def test_a_batch_is_answered_as_its_members_are(tiny: Tiny, paint: Paint) -> None:
    predictor = tiny()
    random = np.random.default_rng(3)
    items = [predictor.read(paint(random.integers(0, 256, 3).tolist())) for _ in range(7)]
    together = predictor.answer(items)
    alone = [predictor.answer([item])[0] for item in items]
    assert len({answers[0].label for answers in together}) > 1
    for (one,), (other,) in zip(together, alone, strict=True):
        assert one.label == other.label
        assert one.probabilities == pytest.approx(dict(other.probabilities), abs=1e-6)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({"disease": ["miner", "healthy"]}, r"\(1, 3\) where \(1, 2\)"),
        ({"disease": ["miner", "healthy", "phoma", "rust"]}, r"\(1, 3\) where \(1, 4\)"),
        ({"plant": ["miner", "healthy", "phoma"]}, "no output for the target 'plant'"),
    ],
)
def test_a_graph_that_answers_other_labels_than_the_bundle_names_is_corrupt(
    bundles: BundleStore,
    tiny_files: Callable[..., dict[str, bytes]],
    paint: Paint,
    tiny_colours: Colours,
    labels: dict[str, list[str]],
    told: str,
) -> None:
    changed = {"labels.json": encode(labels), "golden.json": encode([])}
    bundle = bundles.open(bundles.write("coffee", tiny_files() | changed))
    predictor = Predictor(bundle, OnnxRuntime(bundle.model))
    with pytest.raises(Corrupt, match=told):
        predictor.answer([predictor.read(paint(tiny_colours[0]))])


def test_a_payload_that_is_no_picture_is_a_bad_payload(tiny: Tiny) -> None:
    with pytest.raises(BadPayload):
        tiny().read(b"no picture")
