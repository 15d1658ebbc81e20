"""The network for rows: what it makes of numbers, gaps and categories, and its exported graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tidemill.codecs.table import TableCodec
from tidemill.learn.arrays import EncodedSplit
from tidemill.learn.digest import weights_digest
from tidemill.learn.export import export, parity
from tidemill.learn.fit import fit
from tidemill.learn.inference import infer
from tidemill.learn.plan import TrainPlan
from tidemill.learn.rows import ArrayRows
from tidemill.learn.table import FARTHEST, Normalise, TableNetwork

# One worker makes what these tests share.
pytestmark = pytest.mark.xdist_group("table network")
TARGETS = {"keys": 3, "plant": 2}
ONES = torch.ones(4, 1)


def column(*values: float) -> Tensor:
    return torch.tensor(values).view(-1, 1)


def both(seed: int = 0) -> TableNetwork:
    return TableNetwork(TARGETS, numbers=2, categories=[3, 40], width=8, seed=seed)


def table(n: int, seed: int) -> EncodedSplit:
    """Rows whose label is the sign of one column, or of a category where that is missing."""
    random = np.random.default_rng(seed)
    label = random.integers(0, 2, n)
    present = (random.random((n, 2)) < 0.8).astype(np.float32)
    numbers = np.stack([5000 + 40 * (2 * label - 1), np.full(n, 7)], axis=1) * present
    categories = np.stack([np.where(present[:, 0], 0, label + 2), random.integers(0, 42, n)], 1)
    return EncodedSplit(
        {
            "numbers": ArrayRows.of(numbers.astype(np.float32)),
            "present": ArrayRows.of(present),
            "categories": ArrayRows.of(categories.astype(np.int64)),
        },
        {"sign": label},
        ("made",) * n,
    )


@pytest.mark.parametrize(
    ("numbers", "categories", "names"),
    [
        (2, [3, 40], ("numbers", "present", "categories")),
        (2, [], ("numbers", "present")),
        (0, [3, 40], ("categories",)),
    ],
)
def test_it_takes_the_arrays_that_there_are(
    numbers: int, categories: list[int], names: tuple[str, ...]
) -> None:
    network = TableNetwork(TARGETS, numbers=numbers, categories=categories, width=8)
    arrays = {
        "numbers": torch.zeros(5, 2),
        "present": torch.ones(5, 2),
        "categories": torch.full((5, 2), 4),
    }
    outputs = network(**{name: arrays[name] for name in names})
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "embedding": (5, 8),
        "logits_keys": (5, 3),
        "logits_plant": (5, 2),
    }
    assert {value.dtype for value in outputs.values()} == {torch.float32}


def test_it_takes_what_the_codec_makes() -> None:
    columns = [
        {"name": "age", "kind": "number", "required": False},
        {"name": "grade", "kind": "category", "values": ["a", "b"]},
    ]
    codec = TableCodec.from_config({"columns": columns})
    rows = [b'{"age":3,"grade":"b"}', b'{"grade":"z"}']
    arrays = codec.encode([codec.decode(row) for row in rows])
    network = TableNetwork({"a": 2}, numbers=1, categories=[2])
    outputs = network(**{name: torch.from_numpy(array) for name, array in arrays.items()})
    assert outputs["logits_a"].isfinite().all()


def test_the_seed_decides_the_initial_weights_and_nothing_else() -> None:
    state = torch.get_rng_state()
    first, second, other = (weights_digest(both(seed).state_dict()) for seed in (0, 0, 1))
    assert first == second != other
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("size", [1e-20, 1.0, 1e20])
def test_numbers_of_any_size_come_out_alike(size: float) -> None:
    normalise = Normalise(1)
    normalise(column(2, 4, 6, 8) * size, ONES)
    normalise.eval()
    answered = normalise(column(2, 4, 6, 8) * size, ONES)
    torch.testing.assert_close(answered, column(-1.5, -0.5, 0.5, 1.5))


def test_what_is_missing_counts_in_no_figure_and_is_the_centre() -> None:
    normalise = Normalise(1)
    answered = normalise(column(10, 20, 0, 0), column(1, 1, 0, 0))
    assert answered.flatten().tolist() == [-1, 1, 0, 0]
    assert (normalise.centre.item(), normalise.spread.item()) == (15, 5)
    normalise(column(0, 0, 0, 0), column(0, 0, 0, 0))
    assert (normalise.centre.item(), normalise.batches.item()) == (15, 1)


def test_the_first_batches_are_averaged_and_later_ones_followed() -> None:
    normalise = Normalise(1)
    for value in (0.0, 2.0, 4.0):
        normalise(column(value - 1, value, value, value + 1), ONES)
    assert normalise.centre.item() == pytest.approx(2)
    for _ in range(100):
        normalise(column(99, 100, 100, 101), ONES)
    assert normalise.centre.item() == pytest.approx(100, abs=0.1)
    assert normalise.spread.item() == pytest.approx(0.5)


@pytest.mark.parametrize("value", [0.0, 1234.5, 0.1])
def test_a_column_that_never_varied_says_nothing(value: float) -> None:
    normalise = Normalise(1)
    assert normalise(column(*[value] * 4), ONES).tolist() == [[0.0]] * 4
    normalise.eval()
    assert normalise(column(*[value + 1000] * 4), ONES).tolist() == [[0.0]] * 4


def test_no_number_is_too_large_to_answer() -> None:
    network = both()
    numbers = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    network(numbers, torch.ones(2, 2), torch.zeros(2, 2, dtype=torch.int64))
    network.eval()
    largest = float(np.finfo(np.float32).max)
    far = torch.tensor([[largest, -largest]])
    assert network.normalise(far, torch.ones(1, 2)).tolist() == [[FARTHEST, -FARTHEST]]
    outputs = network(far, torch.ones(1, 2), torch.zeros(1, 2, dtype=torch.int64))
    assert all(value.isfinite().all() for value in outputs.values())


def test_a_category_that_was_never_seen_adds_nothing() -> None:
    network = both()
    for words in network.words:
        assert words(torch.tensor([0, 1])).count_nonzero() == 0
        assert words(torch.tensor([2, 3, 4])).count_nonzero() > 0


@pytest.fixture(scope="module")
def fitted() -> TableNetwork:
    network = TableNetwork({"sign": 2}, numbers=2, categories=[3, 40], width=16)
    plan = TrainPlan(epochs=8, learning_rate=0.01, averaging=0.9, threads=1)
    trained = fit(network, table(600, 1), table(200, 2), plan, seed=0).network
    assert isinstance(trained, TableNetwork)
    return trained


def test_it_learns_from_numbers_and_from_what_stands_in_for_them(fitted: TableNetwork) -> None:
    held_out = table(300, 3)
    named = infer(fitted, held_out)["logits_sign"].argmax(axis=1)
    assert (named == held_out.labels["sign"]).mean() > 0.97


def test_its_graph_answers_as_it_does(fitted: TableNetwork, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    rows = table(70, 4)
    export(fitted, {"sign": 1.3}, path, rows)
    assert parity(fitted, {"sign": 1.3}, path, rows).difference < 1e-5
