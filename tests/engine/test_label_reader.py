"""Rows of another system's table become feedback about the champion's targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests import herds
from tidemill.adapters.feedback_table import FaultyRow, FeedbackTable, LabelRow
from tidemill.adapters.memory import FixedClock
from tidemill.bundle import REFERENCE
from tidemill.data.database import Database
from tidemill.domain.errors import NotFound, UsageError
from tidemill.domain.events import (
    AliasMoved,
    RunFinished,
    SnapshotTaken,
    VerdictRecorded,
    VersionRegistered,
)
from tidemill.domain.types import Alias, Example, ModelVersion, Run, Snapshot, Verdict, payload_id
from tidemill.engine.label_reader import LabelReader, label_of
from tidemill.experiment import read_experiment
from tidemill.loop.feedback import FEEDBACK_TABLE
from tidemill.loop.feedback_columns import FeedbackColumns
from tidemill.loop.feedback_intake import MAX_ACTOR
from tidemill.recipes.lucky.recipe import Lucky
from tidemill.recipes.lucky.subsets import YES_OR_NO
from tidemill.testing.in_process import InProcessLoop
from tidemill.workspace.planning import plan
from tidemill.workspace.workspace import Workspace

NOON = FixedClock().now()
NAMES = ("no", "yes")
LEAF = {"disease": ("rust", "miner", "healthy"), "part": ("leaf", "stem")}
BY_TARGET = FeedbackColumns(label={"disease": "ill", "part": "what"}, prediction="id")
HERD = FeedbackColumns(prediction="id", item="animal", actor="who")

Promote = Callable[..., InProcessLoop]


@pytest.fixture
def promote(tmp_path: Path) -> Promote:
    """`promote(files)`: a workspace whose new champion is a bundle of these files."""
    workspace = Workspace(tmp_path / "home", actor="ada", clock=FixedClock()).create()

    def enter(files: Mapping[str, bytes]) -> InProcessLoop:
        bundle, now = workspace.bundles.write("coffee", files), workspace.clock.now()
        with workspace.ledger.begin() as unit:
            id, champion = unit.next_version(), unit.alias("champion")
            snapshot = Snapshot(id * 32, "coffee", 1, {}, {}, "stop", None, now)
            run = Run(f"r{id}", "coffee", snapshot.id, 0, {}, {}, {}, now)
            version = ModelVersion(id, bundle, run.id, snapshot.id, "coffee", None, now)
            unit.add(snapshot, SnapshotTaken(actor="test", subject=snapshot.id, rows=1))
            unit.add(run, RunFinished(actor="test", subject=run.id, weights=""))
            unit.add(
                version, VersionRegistered(actor="test", subject=id, bundle=bundle, run=run.id)
            )
            before = champion.version if champion else None
            verdict = Verdict(f"d{id}", id, None, True, (), 1, now)
            passed = VerdictRecorded(actor="test", subject=verdict.id, version=id, passed=True)
            unit.add(verdict, passed)
            moved = AliasMoved(
                actor="test", subject=id, version=id, before=before, verdict=verdict.id
            )
            unit.move_alias(Alias("champion", id, verdict.id, now), expected=before, event=moved)
        return InProcessLoop(workspace)

    return enter


@pytest.fixture
def leaves(promote: Promote, tiny_files: Callable[..., dict[str, bytes]]) -> InProcessLoop:
    """A champion of two targets."""
    return promote(tiny_files(LEAF))


@pytest.fixture
def animals(promote: Promote, reference_for: Any) -> InProcessLoop:
    """A champion whose payloads have several items."""
    files, held_out = herds.files()
    return promote({**files, REFERENCE: reference_for(files, held_out)})


def open_reader(
    loop: InProcessLoop, columns: FeedbackColumns = BY_TARGET, name: str = "table"
) -> LabelReader:
    table = FeedbackTable(Database(f"sqlite:///{name}", "feedback"), columns)
    return LabelReader(loop.workspace, table)


def label_row(labels: Mapping[str, object], payload: bytes | None = None, **cells: Any) -> LabelRow:
    return LabelRow(labels, NOON, "", payload, **cells)


def example(payload: bytes) -> Example:
    return Example(payload_id(payload), payload, {}, "test", "test")


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ("no", "no"),
        ("yes", "yes"),
        (False, "no"),
        (True, "yes"),
        (0, "no"),
        (1, "yes"),
        (1.0, "yes"),
        ("0", "no"),
        ("False", "no"),
        (" Yes ", "yes"),
        ("TRUE", "yes"),
    ],
)
def test_the_words_of_databases_are_told_apart(value: object, label: str) -> None:
    assert label_of(value, NAMES, YES_OR_NO) == label
    assert label_of(value, NAMES[::-1], YES_OR_NO) == label, "the order of classes is irrelevant"


@pytest.mark.parametrize("value", [None, "", "maybe", 2, -1, 0.5, 1.5, "nope", b"yes", "y", [1]])
def test_an_unknown_value_is_no_label(value: object) -> None:
    assert label_of(value, NAMES, YES_OR_NO) is None


def test_without_values_only_the_text_of_a_class_is_its_label() -> None:
    assert label_of("rust", ("rust", "healthy"), {}) == "rust"
    assert label_of(3, ("3", "4"), {}) == "3"
    assert label_of(" odd ", (" odd ", "even"), {}) == " odd "
    for value in (True, 1, "1", "Rust", "yes"):
        assert label_of(value, ("rust", "healthy"), {}) is None
        assert label_of(value, ("rust", "healthy"), YES_OR_NO) is None


def test_the_table_of_lucky_is_configured_by_its_recipe() -> None:
    _, experiment = plan(Lucky())
    assert experiment.feedback == FeedbackColumns(
        table="user_data", payload="prompt", values=YES_OR_NO
    )
    assert read_experiment(experiment.tree()) == experiment


def test_without_a_champion_nothing_is_read(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home", clock=FixedClock()).create()
    table = FeedbackTable(Database("sqlite:///table", "feedback"), FeedbackColumns())
    with pytest.raises(NotFound, match="no champion"):
        LabelReader(workspace, table)
    workspace.close()


@pytest.mark.parametrize(
    ("columns", "message", "hint"),
    [
        (FeedbackColumns(), "names one column, and the champion has 2 targets", "part:COLUMN"),
        (FeedbackColumns(label={"plant": "x"}), "the target 'plant'", "disease, part"),
        (
            FeedbackColumns(label={"part": "what"}, values={"1": "rust"}),
            "the label 'rust', which the champion has not",
            "part: leaf, stem.",
        ),
    ],
)
def test_names_that_do_not_fit_the_champion_are_refused(
    leaves: InProcessLoop, columns: FeedbackColumns, message: str, hint: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        open_reader(leaves, columns)
    assert hint in caught.value.hint


def test_a_row_has_a_label_of_each_target_that_it_names(
    leaves: InProcessLoop, paint: Callable[..., bytes]
) -> None:
    image = paint((200, 20, 20))
    read = open_reader(leaves).read(
        [
            label_row({"ill": "rust", "what": "stem"}, image, actor="ana"),
            label_row({"ill": None, "what": "leaf"}, image),
            label_row({"ill": None, "what": None}, image),
            label_row({"ill": "miner", "what": "root"}, image),
            FaultyRow(None, "", "A row has no time."),
        ]
    )
    assert [(row.target, row.label, row.actor) for row in read.feedback] == [
        ("disease", "rust", "ana"),
        ("part", "stem", "ana"),
        ("part", "leaf", FEEDBACK_TABLE),
    ]
    assert {(row.example, row.at, row.prediction) for row in read.feedback} == {
        (payload_id(image), NOON, "")
    }
    assert leaves.workspace.blobs.get(payload_id(image)) == image
    assert list(read.faults) == [
        f"The row of feedback of {NOON} cannot be imported: It has no label.",
        f"The row of feedback of {NOON} cannot be imported: 'root' is no label of part.",
        "A row has no time.",
    ]


def test_a_prediction_gives_payload_item_and_predicted_label(animals: InProcessLoop) -> None:
    payload = herds.herd(150, 50)
    [prediction] = animals.predict([example(payload)])
    cells: dict[str, Any] = {"prediction": prediction.id, "item": "a1", "actor": "ana"}
    read = open_reader(animals, HERD).read([label_row({"label": "ox"}, **cells)])
    [row] = read.feedback
    assert not read.faults
    assert (row.prediction, row.item, row.label, row.predicted_label) == (
        prediction.id,
        "a1",
        "ox",
        "sheep",
    )
    assert animals.workspace.blobs.get(row.example) == herds.herd(50, first=1)
    drained = animals.settle()
    assert drained[0].drained == 1
    assert [row.example] == [
        again.example
        for again in open_reader(animals, HERD).read([label_row({"label": "ox"}, **cells)]).feedback
    ]


def test_the_payload_of_a_row_replaces_a_prediction_that_is_not_found(
    animals: InProcessLoop,
) -> None:
    [gone] = animals.predict([example(herds.herd(150, 50))])
    own = herds.herd(150, first=7)
    rows = [label_row({"label": "ox"}, own, prediction=id) for id in ("p1", gone.id, "p2")]
    rows[1] = replace(rows[1], item="a1")
    read = open_reader(animals, HERD).read([*rows, label_row({"label": "ox"}, prediction="p3")])
    assert [(row.item, row.prediction) for row in read.feedback] == [
        ("a7", ""),
        ("a1", gone.id),
        ("a7", ""),
    ]
    assert {animals.workspace.blobs.get(row.example) for row in read.feedback[::2]} == {own}
    [fault] = read.faults
    assert "has no prediction 'p3'" in fault


def test_the_payload_of_one_item_is_imported_under_its_name(animals: InProcessLoop) -> None:
    read = open_reader(animals, HERD).read(
        [label_row({"label": "ox"}, herds.herd(150, first=7)), label_row({"label": "ox"}, b"{}")]
    )
    assert [row.item for row in read.feedback] == ["a7"]
    [fault] = read.faults
    assert "cannot be imported: " in fault


def test_a_prediction_of_an_earlier_version_is_told_apart_by_that_version(
    animals: InProcessLoop, promote: Promote, reference_for: Any
) -> None:
    [prediction] = animals.predict([example(herds.herd(150, 50))])
    files, held_out = herds.files(year=2)
    later = promote({**files, REFERENCE: reference_for(files, held_out)})
    assert (prediction.version, later.workspace.champion().id) == ("v1", "v2")
    row = label_row({"label": "ox"}, prediction=prediction.id, item="a1")
    [feedback] = open_reader(later, HERD).read([row]).feedback
    assert later.workspace.blobs.get(feedback.example) == herds.herd(50, first=1)
    later.close()


def test_rows_that_cannot_be_resolved_are_named(animals: InProcessLoop) -> None:
    payload = herds.herd(150, 50)
    [prediction] = animals.predict([example(payload)])
    [golden] = animals.predict([example(herds.herd(20))], kind="golden")
    label = {"label": "ox"}
    rows = {
        "has no prediction 'p1'": label_row(label, prediction="p1"),
        "belongs to the server's golden check": label_row(label, prediction=golden.id),
        "no answer about item ''": label_row(label, prediction=prediction.id),
        "no answer about item 'a9'": label_row(label, prediction=prediction.id, item="a9"),
        "2 items, and one label": label_row(label, payload),
        "Its actor has control characters: 'ana\\x1b[2J'.": label_row(
            label, herds.herd(1), actor="ana\x1b[2J"
        ),
        f"Its actor has {MAX_ACTOR + 1}": label_row(label, payload, actor="x" * (MAX_ACTOR + 1)),
    }
    read = open_reader(animals, HERD).read(list(rows.values()))
    assert not read.feedback
    for message, fault in zip(rows, read.faults, strict=True):
        assert message in fault


def test_a_prediction_whose_payload_is_gone_is_named(animals: InProcessLoop) -> None:
    [prediction] = animals.predict([example(herds.herd(150))])
    animals.settle()
    animals.clock.advance(timedelta(days=1))
    for file in (animals.workspace.home / "blobs").rglob("*"):
        if file.is_file():
            file.unlink()
    for file in (animals.workspace.home / "traffic").iterdir():
        file.unlink()
    row = label_row({"label": "ox"}, prediction=prediction.id)
    read = open_reader(animals, HERD).read([row])
    assert not read.feedback
    assert "is not stored any more" in read.faults[0]
