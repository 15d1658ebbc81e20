"""Payloads in, answers out: the arithmetic and the shape of an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tidemill.adapters.onnx import OnnxRuntime
from tidemill.bundle import BundleStore
from tidemill.domain.errors import BadPayload, Corrupt
from tidemill.domain.ports import Runtime
from tidemill.predictor import Model, Predictor, softmax

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
        [(answer,)] = predictor.predict([predictor.decode(paint(colour))])
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
    [answers] = predictor.predict([predictor.decode(paint(tiny_colours[1]))])
    assert [(answer.target, answer.label) for answer in answers] == [
        ("disease", "healthy"),
        ("part", "stem"),
    ]
    assert set(answers[1].probabilities) == {"leaf", "stem", "fruit"}


def test_probabilities_come_per_target_and_in_label_order(
    tiny: Tiny, paint: Paint, expected: Expected, tiny_colours: Colours
) -> None:
    predictor = tiny()
    inputs = [predictor.decode(paint(colour)) for colour in tiny_colours]
    rows = predictor.predict_probabilities(inputs)
    assert list(rows) == ["disease"]
    assert rows["disease"].shape == (5, 3)
    wanted = [expected(colour, 3) for colour in tiny_colours]
    np.testing.assert_allclose(rows["disease"], wanted, atol=1e-5)


def test_a_batch_is_answered_as_its_members_are(tiny: Tiny, paint: Paint) -> None:
    predictor = tiny()
    random = np.random.default_rng(3)
    inputs = [predictor.decode(paint(random.integers(0, 256, 3).tolist())) for _ in range(7)]
    together = predictor.predict(inputs)
    alone = [predictor.predict([decoded])[0] for decoded in inputs]
    assert len({answers[0].label for answers in together}) > 1
    for (one,), (other,) in zip(together, alone, strict=True):
        assert one.label == other.label
        assert one.probabilities == pytest.approx(dict(other.probabilities), abs=1e-6)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"disease": ["miner", "healthy"]}, r"\(1, 3\); it must be \(1, 2\)"),
        ({"disease": ["miner", "healthy", "phoma", "rust"]}, r"\(1, 3\); it must be \(1, 4\)"),
        ({"plant": ["miner", "healthy", "phoma"]}, "no output for the target 'plant'"),
    ],
)
def test_a_graph_that_answers_other_labels_than_the_bundle_names_is_corrupt(
    bundles: BundleStore,
    tiny_files: Callable[..., dict[str, bytes]],
    paint: Paint,
    tiny_colours: Colours,
    labels: dict[str, list[str]],
    message: str,
) -> None:
    bundle = bundles.open(bundles.write("coffee", tiny_files(labels)))
    sound = bundles.open(bundles.write("coffee", tiny_files()))
    predictor = Predictor(bundle, OnnxRuntime(sound.model))
    with pytest.raises(Corrupt, match=message):
        predictor.predict([predictor.decode(paint(tiny_colours[0]))])
    with pytest.raises(Corrupt, match=message):
        predictor.predict_with_bins([predictor.preprocess(paint(tiny_colours[0]))])


class Overflowing:
    """A graph that answers one payload of a batch with what is no finite number."""

    alone = False

    def __init__(self, inner: Runtime, at: int, value: float) -> None:
        self.inner = inner
        self.at = at
        self.value = value

    def terminate(self) -> None:
        """Its runs are short."""

    def run(self, arrays: Mapping[str, Any]) -> Mapping[str, Any]:
        outputs = dict(self.inner.run(arrays))
        outputs["logits_disease"] = outputs["logits_disease"].copy()
        outputs["logits_disease"][self.at, 1] = self.value
        return outputs


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_finite_answer_is_none(
    tiny: Tiny, paint: Paint, tiny_colours: Colours, value: float
) -> None:
    sound = tiny()
    runtime = Overflowing(OnnxRuntime(sound.bundle.model), 2, value)
    predictor = Predictor(sound.bundle, runtime)
    preprocessed = [predictor.preprocess(paint(colour)) for colour in tiny_colours]
    message = "The model's output for this payload is not a finite number"
    with pytest.raises(BadPayload, match=message) as caught:
        predictor.predict_with_bins(preprocessed)
    assert (caught.value.index, "smaller numbers" in caught.value.hint) == (2, True)
    with pytest.raises(BadPayload, match=message):
        predictor.profile_rows(preprocessed)


def test_the_gate_is_told_what_is_no_finite_answer(
    tiny: Tiny, paint: Paint, tiny_colours: Colours
) -> None:
    """It refuses such a model with a verdict, so what it asks raises nothing."""
    sound = tiny()
    predictor = Predictor(sound.bundle, Overflowing(OnnxRuntime(sound.bundle.model), 2, np.nan))
    answers = predictor.predict([predictor.decode(paint(colour)) for colour in tiny_colours])
    finite = [np.isfinite(answer.confidence) for (answer,) in answers]
    assert finite == [True, True, False, True, True]


class Counting:
    """Counts the runs of a runtime, and leaves out some of its outputs."""

    alone = False

    def __init__(self, inner: Runtime, *, without: str = "") -> None:
        self.inner = inner
        self.without = without
        self.runs = 0

    def terminate(self) -> None:
        """Its runs are short."""

    def run(self, arrays: Mapping[str, Any]) -> Mapping[str, Any]:
        self.runs += 1
        outputs = self.inner.run(arrays)
        return {name: rows for name, rows in outputs.items() if name != self.without}


def test_a_look_is_the_item_and_its_measures(
    tiny: Tiny, paint: Paint, tiny_colours: Colours
) -> None:
    predictor = tiny()
    payload = paint(tiny_colours[0])
    each = predictor.preprocess(payload)
    assert each.features == (predictor.codec.features(predictor.decode(payload)),)
    np.testing.assert_array_equal(each.decoded.pixels, predictor.decode(payload).pixels)
    with pytest.raises(BadPayload):
        predictor.preprocess(b"no image")


def test_what_is_observed_is_the_answer_and_its_bins_in_one_run(
    tiny: Tiny, paint: Paint, tiny_colours: Colours, tiny_names: tuple[str, ...]
) -> None:
    bundle = tiny({"disease": tiny_names, "part": ("leaf", "stem")}).bundle
    runtime = Counting(OnnxRuntime(bundle.model))
    predictor = Predictor(bundle, runtime)
    preprocessed = [predictor.preprocess(paint(colour)) for colour in tiny_colours]
    observed = predictor.predict_with_bins(preprocessed)
    assert runtime.runs == 1
    assert [answers for answers, _ in observed] == predictor.predict(
        [each.decoded for each in preprocessed]
    )
    reference = bundle.reference
    # The reference of the tiny model was made of these very colours.
    counts = reference.count([bins for _, bins in observed])
    np.testing.assert_array_equal(counts, reference.counts)
    place = reference.names.index("prediction.disease")
    for (answer, _), bins in observed:
        assert tiny_names[bins[place]] == answer.label


def test_a_model_needs_no_bundle_and_no_embedding(
    tiny: Tiny, paint: Paint, tiny_colours: Colours
) -> None:
    predictor = tiny()
    runtime = Counting(OnnxRuntime(predictor.bundle.model), without="embedding")
    model = Model(predictor.codec, predictor.classes, runtime)
    inputs = [model.decode(paint(colour)) for colour in tiny_colours]
    probabilities, embedding = model.predict_with_embedding(inputs)
    assert embedding.shape == (5, 0)
    assert predictor.predict_with_embedding(inputs)[1].shape == (5, 3)
    np.testing.assert_array_equal(
        probabilities["disease"], model.predict_probabilities(inputs)["disease"]
    )
    assert model.predict(inputs) == predictor.predict(inputs)
    with pytest.raises(Corrupt, match="does not fit the model's embedding"):
        Predictor(predictor.bundle, runtime).predict_with_bins(
            [predictor.preprocess(paint(tiny_colours[0]))]
        )


class Flat:
    """Embeds nothing rightly."""

    alone = False

    def __init__(self, embedding: npt.NDArray[np.float32]) -> None:
        self.embedding = embedding

    def terminate(self) -> None:
        """Its runs are short."""

    def run(self, arrays: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"logits_disease": np.zeros((1, 3)), "embedding": self.embedding}


@pytest.mark.parametrize("shape", [(3,), (2, 3), (1, 3, 1)])
def test_an_embedding_of_another_form_is_corrupt(
    tiny: Tiny, paint: Paint, tiny_colours: Colours, shape: tuple[int, ...]
) -> None:
    predictor = Predictor(tiny().bundle, Flat(np.zeros(shape, np.float32)))
    with pytest.raises(Corrupt, match="embeds 1 items as"):
        predictor.predict_with_bins([predictor.preprocess(paint(tiny_colours[0]))])


def test_a_payload_that_is_no_image_is_a_bad_payload(tiny: Tiny) -> None:
    with pytest.raises(BadPayload):
        tiny().decode(b"no image")
