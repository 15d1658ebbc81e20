"""What is learnt from and what judges have nothing in common, and neither has been seen here."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

import pytest

from tests.behaviour.service import Service, open_home
from tidemill.domain.types import Example, Run, Snapshot
from tidemill.recipes.lucky.sample import questions
from tidemill.recipes.sentiment.sample import headlines
from tidemill.workspace.planning import plan

PLANT = {"lucky": questions.plant, "sentiment": headlines.plant}


def plain(text: str) -> str:
    """Return a text without case and blanks, which a person ignores."""
    return " ".join(text.lower().split())


def shared(rows: Iterable[Example]) -> set[str]:
    """Return the texts that are in more than one split."""
    splits: dict[str | None, set[str]] = defaultdict(set)
    for row in rows:
        splits[row.split].add(plain(row.payload.decode()))
    assert len(splits) >= 2
    return set().union(*(one & other for one, other in combinations(splits.values(), 2)))


@pytest.fixture
def rows(service: Service) -> list[Example]:
    """The snapshot that the champion learnt from."""
    workspace = open_home(service.home)
    rows = list(workspace.snapshots.open(workspace.champion().snapshot).rows())
    workspace.close()
    return rows


def test_the_sample_is_learnt(service: Service) -> None:
    workspace = open_home(service.home)
    version = workspace.champion()
    with workspace.ledger.begin(write=False) as unit:
        run, snapshot = unit.get(Run, version.run), unit.get(Snapshot, version.snapshot)
    bundle = workspace.bundles.open(version.bundle)
    workspace.close()
    assert snapshot.splits == {"train": 3000, "val": 300, "test": 300}
    assert run.metrics["test"]["accuracy"] > 0.75
    codec = json.loads((bundle.path / "codec.json").read_bytes())
    assert (codec["kind"], codec["config"]["form"]) == ("text", "grams")
    golden = {sample.labels[service.grammar.target] for sample in bundle.golden}
    assert golden == set(service.grammar.labels)


def test_no_text_is_in_train_and_test(rows: list[Example]) -> None:
    assert {row.split for row in rows} == {"train", "val", "test"}
    assert shared(rows) == set()


def test_no_text_has_two_labels(rows: list[Example]) -> None:
    labels: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        labels[plain(row.payload.decode())].update(row.labels.values())
    assert {text for text, names in labels.items() if len(names) > 1} == set()


def test_every_split_holds_every_label(service: Service, rows: list[Example]) -> None:
    groups = {(row.split, row.labels[service.grammar.target]) for row in rows}
    assert len(groups) == 3 * len(service.grammar.labels)


def test_these_questions_are_not_in_train(service: Service, rows: list[Example]) -> None:
    training_texts = {plain(row.payload.decode()) for row in rows}
    questions = [
        text for label in service.grammar.labels for text in service.grammar.fresh(label, 200)
    ]
    assert training_texts.isdisjoint(map(plain, questions))


@pytest.mark.parametrize("recipe", PLANT)
def test_a_text_that_leaked_is_noticed(recipe: str, tmp_path: Path) -> None:
    PLANT[recipe](tmp_path / "new")
    chosen, experiment = plan(recipe, ["data=files", f"data.path={tmp_path / 'new'}"])
    source = chosen.source(experiment.tree(), tmp_path)
    source.prepare(lambda _done, _all: None)
    assert len(shared(source.examples())) == 1
