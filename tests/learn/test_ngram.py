"""The network for hashed n-grams: what it makes of them, and its exported graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tidemill.codecs.grams import GramsConfig, grams
from tidemill.learn.arrays import EncodedSplit
from tidemill.learn.digest import weights_digest
from tidemill.learn.export import export, parity
from tidemill.learn.fit import fit
from tidemill.learn.inference import infer
from tidemill.learn.ngram import NGramNetwork
from tidemill.learn.plan import TrainPlan
from tidemill.learn.rows import ArrayRows

# One worker makes what these tests share.
pytestmark = pytest.mark.xdist_group("ngram")
BUCKETS = 2**10
SETTINGS = GramsConfig(buckets=BUCKETS, word_max=2, char_min=3, char_max=4, max_grams=500)
IDS, WEIGHTS = torch.tensor([[1, 2, 3], [4, 5, 0]]), torch.tensor([[0.5, 0.5, 0.7], [0.6, 0.8, 0]])
SUBJECTS = ("sales", "orders", "the margin", "net profit", "cash flow", "output")


def small(**targets: int) -> NGramNetwork:
    return NGramNetwork(targets or {"a": 2}, buckets=BUCKETS, dim=8, dropout=0.5, seed=1)


def texts(n: int, seed: int) -> EncodedSplit:
    """What rose or fell, and did not: the label takes both words to tell."""
    random = np.random.default_rng(seed)
    rose, denied = random.integers(0, 2, n), random.integers(0, 2, n)
    rows = []
    for up, no in zip(rose, denied, strict=True):
        subject = SUBJECTS[random.integers(len(SUBJECTS))]
        did = f"{'did not ' if no else ''}{'rise' if up else 'fall'}"
        rows.append(grams(f"{subject} {did} in {random.integers(2000, 2030)}", SETTINGS))
    starts = np.cumsum([0, *(len(ids) for ids, _ in rows)])
    return EncodedSplit(
        {
            "ids": ArrayRows(np.concatenate([ids for ids, _ in rows]), starts),
            "weights": ArrayRows(np.concatenate([weights for _, weights in rows]), starts),
        },
        {"better": rose ^ denied},
        ("made",) * n,
    )


def test_two_targets_and_an_embedding() -> None:
    outputs = small(keys=5, plant=2).eval()(IDS, WEIGHTS)
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "embedding": (2, 8),
        "logits_keys": (2, 5),
        "logits_plant": (2, 2),
    }
    assert {value.dtype for value in outputs.values()} == {torch.float32}


def test_the_seed_decides_the_initial_weights_and_nothing_else() -> None:
    state = torch.get_rng_state()
    first, second, other = (
        weights_digest(NGramNetwork({"a": 2}, buckets=9, seed=seed).state_dict())
        for seed in (0, 0, 1)
    )
    assert first == second != other
    assert torch.equal(torch.get_rng_state(), state)


def test_padding_and_the_order_of_the_grams_change_nothing() -> None:
    network = small().eval()
    expected = network(IDS[1:, :2], WEIGHTS[1:, :2])
    for ids, weights in ((IDS[1:], WEIGHTS[1:]), (IDS[1:].flip(1), WEIGHTS[1:].flip(1))):
        torch.testing.assert_close(network(ids, weights), expected)


def test_a_text_without_a_gram_is_answered() -> None:
    nothing = torch.zeros(1, 1)
    outputs = small().eval()(nothing.long(), nothing)
    assert outputs["embedding"].count_nonzero() == 0
    assert outputs["logits_a"].isfinite().all()


def test_grams_are_left_out_in_training_only() -> None:
    network = small()
    torch.manual_seed(0)
    embeddings = [network(IDS, WEIGHTS)["embedding"] for _ in range(400)]
    assert len({tuple(embedding[0].tolist()) for embedding in embeddings}) == 8
    network.eval()
    whole = network(IDS, WEIGHTS)["embedding"]
    torch.testing.assert_close(torch.stack(embeddings).mean(0), whole, atol=0.03, rtol=0)


def test_every_gram_that_occurs_learns() -> None:
    network = small().eval()
    network(IDS, WEIGHTS)["logits_a"][:, 0].sum().backward()
    gradient: Tensor | None = network.table.weight.grad
    assert gradient is not None
    assert gradient.any(dim=1).nonzero().flatten().tolist() == [1, 2, 3, 4, 5]


@pytest.fixture(scope="module")
def fitted() -> NGramNetwork:
    network = NGramNetwork({"better": 2}, buckets=BUCKETS, dim=8, dropout=0.3)
    plan = TrainPlan(epochs=12, learning_rate=0.02, averaging=0.9, threads=1)
    trained = fit(network, texts(600, 1), texts(200, 2), plan, seed=0).network
    assert isinstance(trained, NGramNetwork)
    return trained


def test_it_learns_what_two_words_say_together(fitted: NGramNetwork) -> None:
    held_out = texts(300, 3)
    named = infer(fitted, held_out)["logits_better"].argmax(axis=1)
    assert (named == held_out.labels["better"]).mean() > 0.97


def test_its_graph_answers_as_it_does(fitted: NGramNetwork, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    rows = texts(70, 4)
    export(fitted, {"better": 1.3}, path, rows)
    assert parity(fitted, {"better": 1.3}, path, rows).difference < 1e-5
