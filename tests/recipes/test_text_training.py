"""The text recipes' networks: what they answer, and that the sample teaches them something."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

from tidemill.learn.text_network import build
from tidemill.recipes.lucky.sample.questions import LABELS as ANSWERS
from tidemill.recipes.sentiment.sample.headlines import LABELS as SENTIMENTS
from tidemill.workspace.planning import plan
from tidemill.workspace.workspace import Workspace

LABELS: dict[str, dict[str, tuple[str, ...]]] = {
    "lucky": {"answer": ANSWERS},
    "sentiment": {"sentiment": SENTIMENTS},
}
TEXTS = (b"Orders rose by a third.", b"Is it fine?")
SMALL = ("data.train=900", "data.val=300", "data.test=600")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT of random weights with a tokenizer of letters, saved as transformers do."""
    folder = tmp_path_factory.mktemp("encoder")
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(code) for code in range(33, 127)]
    pieces = [*marks, *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(pieces),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
        )
        BertModel(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("recipe", LABELS)
@pytest.mark.parametrize("model", ["ngram", "bert"])
def test_a_network_takes_its_codecs_arrays(recipe: str, model: str, encoder: Path) -> None:
    words = ("model=bert", f"model.path={encoder}") if model == "bert" else ()
    definition, experiment = plan(recipe, words)
    codec = definition.codec(experiment.tree())
    arrays = codec.encode([codec.decode(text) for text in TEXTS])
    network = build(experiment.tree(), LABELS[recipe]).eval()
    with torch.inference_mode():
        outputs = network(**{name: torch.from_numpy(array) for name, array in arrays.items()})
    [(target, names)] = LABELS[recipe].items()
    assert outputs[f"logits_{target}"].shape == (2, len(names))
    assert outputs["embedding"].shape[0] == 2
    assert set(arrays) == set(network.ragged)


@pytest.mark.parametrize("recipe", ["lucky", pytest.param("sentiment", marks=pytest.mark.slow)])
def test_the_sample_is_learnt(recipe: str, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, recipe, actor="ada")
    imported = workspace.snapshot(*SMALL)
    assert imported.snapshot.splits == {"train": 900, "val": 300, "test": 600}
    finished = workspace.train(*SMALL, snapshot=imported.snapshot)
    assert finished.run.metrics["test"]["accuracy"] > 0.75
    predictor = workspace.predictor(finished.version)
    codec = json.loads((predictor.bundle.path / "codec.json").read_bytes())
    assert (codec["kind"], codec["config"]["form"]) == ("text", "grams")
    shown = {name for sample in predictor.bundle.golden for name in sample.labels.values()}
    assert [shown] == [set(names) for names in LABELS[recipe].values()]
    workspace.close()
