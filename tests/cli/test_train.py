"""`tidemill train --run ID`: the training that the ledger knows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Ask
from tidemill.adapters.memory import MemorySource
from tidemill.bundle import Bundle, BundleStore
from tidemill.cli.train import score_lines
from tidemill.data.ignored_files import IgnoredFile
from tidemill.data.merged_source import MergedSource
from tidemill.domain.errors import Corrupt, StorageFailed
from tidemill.domain.types import ModelVersion, Run
from tidemill.testing.tiny_recipe.recipe import PebbleRecipe
from tidemill.workspace.runs import new_run, start_run
from tidemill.workspace.workspace import Workspace

pytestmark = pytest.mark.xdist_group("pebble commands")


@pytest.fixture
def run(beach: Path) -> str:
    """A run that was started, on the champion's data, and that nobody has done yet."""
    workspace = Workspace(beach)
    champion = workspace.champion()
    with workspace.ledger.begin() as unit:
        like = unit.get(Run, champion.run)
        record = new_run("pebble", {**like.config, "seed": 7}, champion.snapshot, like.at)
        start_run(unit, record, actor="engine", reason="the first attempt")
    workspace.close()
    return record.id


def runs(home: Path) -> tuple[list[Run], list[ModelVersion]]:
    workspace = Workspace(home)
    with workspace.ledger.begin(write=False) as unit:
        records = unit.latest(Run), unit.latest(ModelVersion)
    workspace.close()
    return records


def test_a_run_is_done_as_it_stands_in_the_ledger(tell: Ask, beach: Path, run: str) -> None:
    result = tell("train", "--run", run, "--json")
    assert result.code == 0
    body = result.body
    assert (body["version"], body["run"], body["champion"]) == ("v2", run, False)
    done, versions = runs(beach)
    assert (done[0].id, done[0].status, done[0].seed) == (run, "finished", 7)
    assert [row.run for row in versions] == [run, done[1].id]


def test_a_run_is_done_once(tell: Ask, beach: Path, run: str) -> None:
    assert tell("train", "--run", run).code == 0
    result = tell("train", "--run", run, "--json")
    assert (result.code, result.body["error"]["code"]) == (1, "conflict")
    assert result.body["error"]["message"] == f"Run {run} is finished already."
    assert len(runs(beach)[1]) == 2


def test_an_unknown_run_is_not_found(tell: Ask, beach: Path) -> None:
    before = runs(beach)
    result = tell("train", "--run", "nobody", "--json")
    assert (result.code, result.body["error"]["code"]) == (3, "not_found")
    assert result.body["error"]["message"] == "There is no run 'nobody'."
    assert runs(beach) == before


@pytest.mark.parametrize("words", [[], ["pebble", "--run", "ID"], ["seed=3", "--run", "ID"]])
def test_it_is_either_a_recipe_or_a_run(tell: Ask, beach: Path, run: str, words: list[str]) -> None:
    before = runs(beach)
    result = tell("train", *(run if word == "ID" else word for word in words), "--json")
    assert (result.code, result.body["error"]["code"]) == (2, "usage")
    assert "--run ID" in result.body["error"]["hint"]
    assert runs(beach) == before


def test_a_training_names_the_files_that_it_ignored(
    tell: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pebbles are in no file, so a source beside them tells of one."""
    pebbles = PebbleRecipe.source

    def source(recipe: PebbleRecipe, *words: Any) -> MergedSource:
        read = MemorySource(list(pebbles(recipe, *words).examples()))
        ignored = [IgnoredFile("notes.txt", "no pebble")]
        return MergedSource([read], ignored_files=ignored)

    monkeypatch.setattr(PebbleRecipe, "source", source)
    result = tell("train", "pebble", "--json")
    assert result.code == 0
    assert result.body["ignored_files"] == [{"path": "notes.txt", "reason": "no pebble"}]
    assert "1 file ignored (no pebble): notes.txt." in result.err.splitlines()


FIGURES = {"accuracy": 0.9, "macro_f1": 0.8}
TARGETS = {"disease": {"accuracy": 0.6, "macro_f1": 0.2}, "plant": FIGURES}
METRICS = {"val": FIGURES, "test": {"accuracy": 0.75, "macro_f1": 0.5}}
NAMES = ("healthy", "rust")
Evaluated = Callable[[object], Bundle]


@pytest.fixture
def evaluated(bundles: BundleStore, tiny_files: Any) -> Evaluated:
    """`evaluated(body)`: a bundle of two targets with this `evaluation.json`."""

    def write(body: object) -> Bundle:
        files = tiny_files({"plant": NAMES, "disease": NAMES})
        files["evaluation.json"] = json.dumps(body).encode()
        return bundles.open(bundles.write("plants", files))

    return write


def test_a_training_of_one_target_says_one_accuracy(tell: Ask, run: str) -> None:
    result = tell("train", "--run", run)
    lines = [line for line in result.err.splitlines() if "macro-F1" in line]
    assert [line.split(":")[0] for line in lines] == ["  val", "  test"]
    assert "mean" not in result.err


def test_of_several_targets_the_mean_and_each_is_said(evaluated: Evaluated) -> None:
    targets = {name: {"val": FIGURES, "test": row} for name, row in TARGETS.items()}
    assert list(score_lines(METRICS, evaluated({"targets": targets}).evaluation())) == [
        "val: accuracy 0.900, macro-F1 0.800, the mean of the targets",
        "  disease: accuracy 0.900, macro-F1 0.800",
        "  plant: accuracy 0.900, macro-F1 0.800",
        "test: accuracy 0.750, macro-F1 0.500, the mean of the targets",
        "  disease: accuracy 0.600, macro-F1 0.200",
        "  plant: accuracy 0.900, macro-F1 0.800",
    ]


def test_an_evaluation_that_tells_of_no_targets_leaves_the_mean(evaluated: Evaluated) -> None:
    assert len(list(score_lines(METRICS, evaluated({}).evaluation()))) == 2


@pytest.mark.parametrize(
    "body", [[], {"targets": []}, {"targets": {"plant": {"val": FIGURES, "test": None}}}]
)
def test_a_malformed_evaluation_is_corrupt(evaluated: Evaluated, body: object) -> None:
    with pytest.raises(Corrupt, match="is malformed"):
        list(score_lines(METRICS, evaluated(body).evaluation()))


def test_an_evaluation_that_is_gone_is_said(evaluated: Evaluated) -> None:
    bundle = evaluated({})
    (bundle.path / "evaluation.json").unlink()
    with pytest.raises(StorageFailed, match="cannot be read"):
        bundle.evaluation()
