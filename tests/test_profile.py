"""Every value falls into exactly one bin, counts add up, and what was kept is what comes back."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.bins import describe_bins, find_edges
from tidemill.domain.errors import Corrupt, DataError
from tidemill.profile import Reference

Floats = npt.NDArray[np.float64]
Given = tuple[list[dict[str, float]], dict[str, Floats], Floats]
LABELS = {"disease": ("miner", "rust", "healthy"), "part": ("leaf", "stem")}
N = 200


def answers(n: int, seed: int = 0, dimensions: int = 6) -> Given:
    """Measures, probabilities and embeddings of so many made-up answers."""
    dice = np.random.default_rng(seed)
    features = [{"red": float(dice.normal()), "aspect": 2.0} for _ in range(n)]
    probabilities = {t: dice.dirichlet(np.ones(len(names)), n) for t, names in LABELS.items()}
    return features, probabilities, dice.normal(size=(n, dimensions))


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference.build(*answers(N), LABELS)


def of_numbers(values: Sequence[float]) -> Reference:
    """A reference whose first feature is these values."""
    n = len(values)
    return Reference.build(
        [{"x": value} for value in values], {"y": np.ones((n, 1))}, np.empty((n, 0)), {"y": ["z"]}
    )


def seen_of(reference: Reference, values: Sequence[float]) -> list[int]:
    n = len(values)
    rows = reference.bin_rows(
        [{"x": value} for value in values], {"y": np.ones((n, 1))}, np.empty((n, 0))
    )
    bins: list[int] = rows[:, 0].tolist()
    return bins


def test_the_features_come_in_their_order(reference: Reference) -> None:
    assert reference.names == (
        "red",
        "aspect",
        "prediction.disease",
        "confidence.disease",
        "prediction.part",
        "confidence.part",
        "embedding.0",
        "embedding.1",
        "embedding.2",
        "embedding.3",
    )
    assert reference.n == N
    assert len(reference.sizes) == len(reference.names)
    assert reference.counts.dtype == np.int64
    assert len(reference.counts) == sum(reference.sizes)


def test_the_bins_of_a_number_hold_a_tenth_each_and_the_last_one_nothing(
    reference: Reference,
) -> None:
    counts = reference.split(reference.counts)
    for name in ("red", "confidence.disease", "embedding.0", "embedding.3"):
        assert counts[name].tolist() == [N // 10] * 10 + [0], name


def test_a_prediction_has_a_bin_for_each_label(reference: Reference) -> None:
    _, probabilities, _ = answers(N)
    best = probabilities["disease"].argmax(axis=1)
    counts = reference.split(reference.counts)["prediction.disease"]
    assert counts.tolist() == [int((best == at).sum()) for at in range(3)]
    assert reference.describe_bins("prediction.disease") == LABELS["disease"]


def test_what_was_held_out_is_seen_as_it_was_counted(reference: Reference) -> None:
    bins = reference.bin_rows(*answers(N))
    assert bins.shape == (N, len(reference.names))
    assert bins.dtype == np.uint8
    np.testing.assert_array_equal(reference.count(bins), reference.counts)
    np.testing.assert_array_equal(reference.count([bytes(row) for row in bins]), reference.counts)


def test_a_batch_is_seen_as_its_members_are(reference: Reference) -> None:
    features, probabilities, embedding = answers(9, seed=4)
    together = reference.bin_rows(features, probabilities, embedding)
    for at in range(9):
        rows = {target: values[at : at + 1] for target, values in probabilities.items()}
        alone = reference.bin_rows(features[at : at + 1], rows, embedding[at : at + 1])
        assert bytes(alone[0]) == bytes(together[at])


def test_a_constant_has_a_bin_of_its_own_so_that_it_is_seen_to_grow(reference: Reference) -> None:
    assert reference.describe_bins("aspect") == ("under 2", "2", "over 2", "not a number")
    assert reference.split(reference.counts)["aspect"].tolist() == [0, N, 0, 0]
    constant = of_numbers([2.0] * 30)
    assert seen_of(constant, [1.9, 2.0, 2.1, math.nan]) == [0, 1, 2, 3]


def test_a_confidence_that_is_one_but_for_rounding_is_one() -> None:
    sure = np.array([[1.0, 0.0]] * 30)
    rows = [{"x": 0.0}] * 30
    reference = Reference.build(rows, {"y": sure}, np.empty((30, 0)), {"y": ["a", "b"]})
    nearly = np.array([[1 - 2e-16, 2e-16]])
    [one], [other] = (
        reference.bin_rows(rows[:1], {"y": values}, np.empty((1, 0)))
        for values in (sure[:1], nearly)
    )
    assert bytes(one) == bytes(other)


NUMBERS = st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(NUMBERS, min_size=1, max_size=60), st.lists(NUMBERS, min_size=1, max_size=20))
def test_every_value_falls_into_exactly_the_bin_that_holds_it(
    reference_values: list[float], later: list[float]
) -> None:
    reference = of_numbers(reference_values)
    [edges, *_] = reference.edges
    for value, at in zip(later, seen_of(reference, later), strict=True):
        if not math.isfinite(value):
            assert at == reference.sizes[0] - 1
        else:
            assert at == int((edges <= value).sum()) <= reference.sizes[0] - 2
    counts = reference.split(reference.counts)["x"]
    assert counts.sum() == len(reference_values)
    assert counts[-1] == sum(not math.isfinite(value) for value in reference_values)


@given(st.lists(NUMBERS, max_size=200))
def test_edges_rise_are_finite_and_few(values: list[float]) -> None:
    edges = find_edges(np.array(values, np.float64))
    assert np.isfinite(edges).all()
    assert (np.diff(edges) > 0).all()
    assert len(edges) <= 29
    assert len(describe_bins(edges)) == len(edges) + 2


@given(st.lists(st.integers(0, 40), min_size=1), st.data())
def test_counts_of_two_parts_add_up_to_those_of_the_whole(
    sizes: list[int], data: st.DataObject
) -> None:
    reference = Reference.build(*answers(N), LABELS)
    n = sum(sizes)
    bins = reference.bin_rows(*answers(n, seed=7))
    cut = data.draw(st.integers(0, n))
    rows = [bytes(row) for row in bins]
    whole = reference.count(rows)
    np.testing.assert_array_equal(reference.count(rows[:cut]) + reference.count(rows[cut:]), whole)
    assert all(part.sum() == n for part in reference.split(whole).values())


def test_nothing_seen_is_counted_as_nothing(reference: Reference) -> None:
    assert reference.count([]).tolist() == [0] * sum(reference.sizes)


def test_answers_that_are_not_finite_have_a_bin(reference: Reference) -> None:
    features, probabilities, embedding = answers(3)
    features[0]["red"] = -math.inf
    probabilities["part"][1] = math.nan
    embedding[2, 0], embedding[2, 1] = math.inf, -math.inf
    bins = reference.bin_rows(features, probabilities, embedding)
    last = dict(zip(reference.names, (size - 1 for size in reference.sizes), strict=True))
    rows = [dict(zip(reference.names, row, strict=True)) for row in bins.tolist()]
    assert rows[0]["red"] == last["red"]
    assert rows[1]["confidence.part"] == last["confidence.part"]
    assert rows[2]["embedding.0"] == last["embedding.0"]
    assert rows[0]["embedding.0"] != last["embedding.0"]
    assert reference.count(bins).sum() == 3 * len(reference.names)


def test_a_model_without_an_embedding_has_no_features_of_one() -> None:
    reference = Reference.build(*answers(20, dimensions=0), LABELS)
    assert reference.names[-1] == "confidence.part"


@pytest.mark.parametrize(("rank", "watched"), [(0, 0), (1, 1), (3, 3), (9, 4)])
def test_an_embedding_has_as_many_features_as_it_has_directions(rank: int, watched: int) -> None:
    features, probabilities, _ = answers(N)
    dice = np.random.default_rng(1)
    spread = dice.normal(size=(N, rank)) @ dice.normal(size=(rank, 32)) + 5
    reference = Reference.build(features, probabilities, spread.astype(np.float32), LABELS)
    assert [name for name in reference.names if name.startswith("embedding")] == [
        f"embedding.{at}" for at in range(watched)
    ]
    assert reference.bin_rows(features, probabilities, spread).shape == (N, 6 + watched)


def test_the_first_direction_is_the_widest_and_its_sign_is_fixed() -> None:
    features, probabilities, embedding = answers(N, dimensions=3)
    embedding *= [1, 10, 3]
    view = Reference.build(features, probabilities, embedding, LABELS).view
    np.testing.assert_allclose(np.abs(view.directions) @ [0, 1, 2], [1, 2, 0], atol=0.2)
    np.testing.assert_allclose(view.directions @ view.directions.T, np.eye(3), atol=1e-12)
    assert (view.directions.max(axis=1) > 0.9).all()
    np.testing.assert_allclose(view.mean, embedding.mean(axis=0))


@pytest.mark.parametrize("width", [2, 11])
def test_what_was_seen_of_another_reference_is_refused(reference: Reference, width: int) -> None:
    fits = bytes(len(reference.names))
    with pytest.raises(DataError, match="has not 10 features"):
        reference.count([fits, bytes(width)])
    with pytest.raises(DataError, match="has not 10 features"):
        reference.count(np.zeros((3, width), np.uint8))
    with pytest.raises(DataError, match="in a bin that the reference has not"):
        reference.count([fits[:-1] + b"\x0b"])
    with pytest.raises(DataError, match="are not those of"):
        reference.split(reference.counts[:-1])
    with pytest.raises(DataError, match="no feature 'blue'"):
        reference.describe_bins("blue")


UNFIT: dict[str, Any] = {
    "does not measure 'aspect'": lambda f, p, e: ([{"red": 1.0}] * 4, p, e),
    "what the model answers to 'part'": lambda f, p, e: (f, {"disease": p["disease"]}, e),
    "what the model answers to 'disease'": lambda f, p, e: (f, p | {"disease": p["part"]}, e),
    "the model's embedding": lambda f, p, e: (f, p, e[:, 1:]),
}


@pytest.mark.parametrize("message", UNFIT)
def test_answers_of_another_model_or_codec_are_refused(reference: Reference, message: str) -> None:
    with pytest.raises(Corrupt, match=message):
        reference.bin_rows(*UNFIT[message](*answers(4)))


def test_a_reference_needs_examples_finite_embeddings_and_few_classes() -> None:
    with pytest.raises(DataError, match="no held-out example"):
        Reference.build(*answers(0), LABELS)
    features, probabilities, embedding = answers(4)
    with pytest.raises(DataError, match="not finite"):
        Reference.build(features, probabilities, embedding * np.nan, LABELS)
    many = {"y": [str(at) for at in range(256)]}
    with pytest.raises(DataError, match="at most 255 classes"):
        Reference.build(features, {"y": np.ones((4, 256))}, embedding, many)
    most = {"y": many["y"][:255]}
    assert max(Reference.build(features, {"y": np.ones((4, 255))}, embedding, most).sizes) == 255


@pytest.mark.parametrize("dimensions", [0, 6])
def test_the_same_content_has_the_same_bytes_and_comes_back(dimensions: int) -> None:
    built = Reference.build(*answers(N, dimensions=dimensions), LABELS)
    content = built.to_bytes()
    assert Reference.build(*answers(N, dimensions=dimensions), LABELS).to_bytes() == content
    back = Reference.from_bytes(content)
    assert back.to_bytes() == content
    assert (back.names, back.sizes, back.n) == (built.names, built.sizes, built.n)
    assert [back.describe_bins(name) for name in back.names] == [
        built.describe_bins(n) for n in built.names
    ]
    later = answers(50, seed=3, dimensions=dimensions)
    np.testing.assert_array_equal(back.bin_rows(*later), built.bin_rows(*later))


def arrays_of(reference: Reference) -> dict[str, npt.NDArray[Any]]:
    with np.load(io.BytesIO(reference.to_bytes()), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def archive(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def moved(row: npt.NDArray[Any], at: int, by: float) -> npt.NDArray[Any]:
    changed = row.copy()
    changed[at] += by
    return changed


MALFORMED: list[tuple[str, Any]] = [
    ("counts of a feature|feature's counts", lambda a: {"counts": moved(a["counts"], 0, 1)}),
    ("one count for each", lambda a: {"counts": moved(moved(a["counts"], 0, -99), 1, 99)}),
    ("one count for each", lambda a: {"counts": a["counts"][1:]}),
    ("another kind", lambda a: {"counts": a["counts"].astype(np.float64)}),
    ("another kind", lambda a: {"counts": a["counts"].reshape(1, -1)}),
    ("feature's counts", lambda a: {"n": np.array(N + 1)}),
    ("feature's counts", lambda a: {"n": np.array(0), "counts": a["counts"] * 0}),
    ("another kind", lambda a: {"n": np.array("many")}),
    ("do not rise", lambda a: {"edges": moved(a["edges"], 1, -100)}),
    ("do not rise", lambda a: {"edges": moved(a["edges"], 0, math.nan)}),
    ("another length", lambda a: {"edges": a["edges"][1:]}),
    ("another length", lambda a: {"edges_each": moved(a["edges_each"], 0, -20)}),
    ("row of edges", lambda a: {"edges_each": np.append(a["edges_each"], 0)}),
    ("do not fit", lambda a: {"mean": a["mean"][1:]}),
    ("not finite", lambda a: {"mean": moved(a["mean"], 0, math.inf)}),
    ("not finite", lambda a: {"directions": a["directions"] * math.nan}),
    ("another kind", lambda a: {"directions": a["directions"][0]}),
    ("row of edges", lambda a: {"directions": a["directions"][:2]}),
    ("named twice", lambda a: {"measures": np.array(["red", "red"])}),
    ("shorter|longer", lambda a: {"targets": np.array(["disease"])}),
    ("no class", lambda a: {"classes_each": np.array([5, 0])}),
    ("no archive", lambda a: {"measures": np.array(["red", None], object)}),
]


@pytest.mark.parametrize(("message", "change"), MALFORMED)
def test_a_malformed_reference_is_refused(reference: Reference, message: str, change: Any) -> None:
    arrays = arrays_of(reference)
    with pytest.raises(ValueError, match=message):
        Reference.from_bytes(archive(arrays | change(arrays)))


@pytest.mark.parametrize("name", list(arrays_of(Reference.build(*answers(20), LABELS))))
def test_a_reference_that_lacks_an_array_is_refused(reference: Reference, name: str) -> None:
    arrays = arrays_of(reference)
    del arrays[name]
    with pytest.raises(ValueError, match=f"'{name}' is missing"):
        Reference.from_bytes(archive(arrays))


def test_a_feature_of_more_bins_than_a_byte_counts_is_refused(reference: Reference) -> None:
    arrays = arrays_of(reference)
    first = int(arrays["edges_each"][0])
    arrays["edges"] = np.concatenate([np.arange(300.0), arrays["edges"][first:]])
    arrays["edges_each"] = moved(arrays["edges_each"], 0, 300 - first)
    with pytest.raises(ValueError, match="more than 255 bins"):
        Reference.from_bytes(archive(arrays))


@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04", b"\x93NUMPY", b"\x80\x04."])
def test_what_is_no_archive_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Reference.from_bytes(content)
    file = io.BytesIO()
    np.save(file, np.arange(3))
    with pytest.raises(ValueError, match="no archive"):
        Reference.from_bytes(file.getvalue())


@settings(max_examples=300)
@given(st.integers(0, 10**6), st.integers(1, 255))
def test_damage_anywhere_is_refused_or_harmless(place: int, flip: int) -> None:
    sound = Reference.build(*answers(20), LABELS).to_bytes()
    content = bytearray(sound)
    content[place % len(content)] ^= flip
    try:
        read = Reference.from_bytes(bytes(content))
    except ValueError:
        return
    assert read.to_bytes() == sound
