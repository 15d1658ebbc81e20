"""Data in, a judged version out, through the real recipe, trainer and ledger, on a tiny scale."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from uuid_utils import uuid7

from tidemill.adapters.traffic import SqliteTraffic
from tidemill.bundle import MANIFEST
from tidemill.domain.errors import (
    Conflict,
    Corrupt,
    GateRefused,
    NotFound,
    StorageFailed,
    UsageError,
)
from tidemill.domain.events import RecordedEvent, RunFailed, VersionRegistered
from tidemill.domain.types import ModelVersion, Prediction, Run, Snapshot, Verdict, payload_id
from tidemill.learn.progress import Progress
from tidemill.learn.training_result import TrainingResult
from tidemill.workspace.trainer import open_trainer
from tidemill.workspace.training import TrainedVersion
from tidemill.workspace.workspace import Workspace

TINY = (
    "data.train=60",
    "data.val=40",
    "data.test=60",
    "codec.width=48",
    "codec.height=32",
    "model.width=8",
    "train.epochs=1",
    "train.averaging=0",
    "train.threads=1",
    "evaluate.images=5",
    "gate.floor=0.99",
    "seed=3",
)
pytestmark = pytest.mark.xdist_group("tiny training")


@dataclass(frozen=True)
class Trained:
    """A workspace in which one version was trained, closed."""

    home: Path
    finished: TrainedVersion
    result: TrainingResult
    lines: list[str]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    home = tmp_path_factory.mktemp("trained") / "home"
    workspace, lines = Workspace(home, "coffee", actor="ada"), list[str]()
    progress, results = Progress(stage=lines.append, epoch=lines.append), list[TrainingResult]()

    def train(*arguments: Any, **choices: Any) -> TrainingResult:
        results.append(open_trainer("coffee")(*arguments, **choices))
        return results[0]

    finished = workspace.train(
        *TINY, snapshot=workspace.snapshot(*TINY).snapshot, progress=progress, trainer=train
    )
    workspace.close()
    return Trained(home, finished, results[0], lines)


@pytest.fixture
def workspace(trained: Trained, tmp_path: Path) -> Iterator[Workspace]:
    """A copy of that workspace, to do with as a test pleases."""
    shutil.copytree(trained.home, tmp_path / "home")
    opened = Workspace(tmp_path / "home", "coffee", actor="ada")
    yield opened
    opened.close()


def events(workspace: Workspace) -> list[RecordedEvent]:
    """The events, oldest first."""
    with workspace.ledger.begin(write=False) as unit:
        return unit.events()[::-1]


def champion(workspace: Workspace) -> str | None:
    with workspace.ledger.begin(write=False) as unit:
        alias = unit.alias("champion")
    return alias.version if alias else None


def test_snapshot_run_and_version_are_in_the_ledger_and_belong_together(
    workspace: Workspace, trained: Trained
) -> None:
    with workspace.ledger.begin(write=False) as unit:
        [version], [run] = unit.latest(ModelVersion), unit.latest(Run)
        [snapshot] = unit.latest(Snapshot)
        assert unit.count_test_uses(snapshot.id) == 1
    assert (version, run) == (trained.finished.version, trained.finished.run)
    assert (version.id, version.run, version.parent) == ("v1", run.id, None)
    assert version.snapshot == run.snapshot == snapshot.id
    assert (version.recipe, run.recipe, snapshot.recipe) == ("coffee",) * 3
    assert (run.status, run.seed, run.error) == ("finished", 3, "")
    assert run.config == workspace.experiment(*TINY)
    assert set(run.metrics) == {"val", "test"}
    assert snapshot.splits == {"train": 60, "val": 40, "test": 60}
    workspace.snapshots.open(snapshot.id).verify()


def test_a_workspace_takes_no_second_recipe(trained: Trained) -> None:
    with Workspace(trained.home, "sentiment") as other:
        before = len(other.list_snapshots())
        for method in (other.train, other.snapshot):
            with pytest.raises(Conflict, match="belongs to the recipe coffee") as caught:
                method()
            assert "sentiment has no place in it" in caught.value.message
            assert "--home FOLDER" in caught.value.hint
        assert len(other.list_snapshots()) == before


def test_every_step_left_its_event(workspace: Workspace, trained: Trained) -> None:
    recorded = events(workspace)
    assert [event.kind for event in recorded] == [
        "SnapshotTaken",
        "RunStarted",
        "RunFinished",
        "VersionRegistered",
    ]
    assert {event.actor for event in recorded} == {"ada"}
    version, run = trained.finished.version, trained.finished.run
    assert [event.subject for event in recorded] == [version.snapshot, run.id, run.id, "v1"]
    assert recorded[2].detail == {"weights": run.weights}
    assert recorded[3].detail == {"bundle": version.bundle, "run": run.id}


def test_the_bundle_agrees_with_the_ledger(workspace: Workspace, trained: Trained) -> None:
    version, run = trained.finished.version, trained.finished.run
    bundle = workspace.bundles.open(version.bundle)
    lineage = json.loads((bundle.path / "lineage.json").read_bytes())
    assert (lineage["run"], lineage["snapshot"]) == (run.id, run.snapshot)
    assert (lineage["seed"], lineage["parent"]) == (3, None)
    assert (lineage["weights"], lineage["config"]) == (run.weights, run.config)
    evaluation = json.loads((bundle.path / "evaluation.json").read_bytes())
    test = evaluation["targets"]["disease"]["test"]
    assert test["accuracy"] == run.metrics["test"]["accuracy"]
    assert test["examples"] == 60
    assert run.weights[:12] in (bundle.path / "card.md").read_text(encoding="utf-8")
    assert bundle.reference.n == 40, "every example of val"
    assert "sharpness" in bundle.reference.names
    assert "embedding.3" in bundle.reference.names


def test_the_golden_samples_come_out_right_and_come_from_validation(
    workspace: Workspace, trained: Trained
) -> None:
    predictor = workspace.predictor(trained.finished.version)
    snapshot = workspace.snapshots.open(trained.finished.version.snapshot)
    known = {row.payload: row.labels for row in snapshot.rows("val")}
    assert predictor.bundle.golden
    for sample in predictor.bundle.golden:
        [(answer,)] = predictor.predict([predictor.decode(sample.payload)])
        assert sample.fault("disease", answer.label, answer.probabilities) == ""
        assert known[sample.payload] == sample.labels


def test_a_person_is_told_the_stages_and_the_epochs(trained: Trained) -> None:
    stages = [line for line in trained.lines if "/" not in line]
    assert stages == ["encode", "train", "judge", "corrupt"]
    assert [line.split()[1] for line in trained.lines if line.startswith("epoch")] == ["1/1"]


def test_the_same_data_is_the_same_snapshot_and_is_recorded_once(workspace: Workspace) -> None:
    before = events(workspace)
    imported = workspace.snapshot(*TINY)
    with workspace.ledger.begin(write=False) as unit:
        assert [row.id for row in unit.latest(Snapshot)] == [imported.snapshot.id]
    assert events(workspace) == before


def failing(workspace: Workspace, progress: Progress, *overrides: str) -> Run:
    """Train, and return the run that was left behind by the failure."""
    with workspace.ledger.begin(write=False) as unit:
        [snapshot] = unit.latest(Snapshot)
    try:
        workspace.train(*TINY, *overrides, snapshot=snapshot, progress=progress)
    finally:
        with workspace.ledger.begin(write=False) as unit:
            run = unit.latest(Run)[0]
            assert [row.id for row in unit.latest(ModelVersion)] == ["v1"]
            assert unit.next_version() == "v2"
        last = events(workspace)[-1]
        assert (run.weights, run.metrics) == ("", {})
        assert (last.kind, last.subject) == (f"Run{run.status.title()}", run.id)
        assert last.detail == {"error": run.error}
        assert len(list(workspace.bundles.root.iterdir())) == 1
    return run


def test_a_training_that_diverges_is_recorded_as_failed_and_raised(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="diverged"):
        failing(workspace, Progress(), "train.learning_rate=1e30")
    last = events(workspace)[-1]
    assert (last.kind, "diverged" in last.detail["error"]) == ("RunFailed", True)


def test_an_interrupted_training_is_recorded_as_interrupted(workspace: Workspace) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        failing(workspace, Progress(stage=interrupt))
    last = events(workspace)[-1]
    assert (last.kind, last.detail["error"]) == ("RunInterrupted", "It was interrupted.")


def test_ctrl_c_during_an_epoch_is_recorded_as_interrupted(workspace: Workspace) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        failing(workspace, Progress(epoch=interrupt))
    last = events(workspace)[-1]
    assert (last.kind, last.detail["error"]) == ("RunInterrupted", "It was interrupted.")
    assert list(workspace.scratch.iterdir()) == []


def test_a_version_that_cannot_be_registered_leaves_no_running_run(
    workspace: Workspace, trained: Trained
) -> None:
    with workspace.ledger.begin() as unit:
        [snapshot] = unit.latest(Snapshot)
        event = VersionRegistered(actor="test", subject="v3", bundle="b", run="r")
        # Versions are counted, so the next name is v3, and that is taken.
        unit.add(replace(unit.get(ModelVersion, "v1"), id="v3"), event)
    with pytest.raises(Conflict, match="v3 exists already"):
        workspace.train(*TINY, snapshot=snapshot, trainer=lambda *_, **__: trained.result)
    with workspace.ledger.begin(write=False) as unit:
        run = unit.latest(Run)[0]
    assert (run.status, run.weights) == ("failed", "")
    assert "v3 exists already" in run.error
    assert events(workspace)[-1].kind == "RunFailed"


def test_a_failure_that_cannot_be_recorded_is_still_the_one_that_is_raised(
    workspace: Workspace,
) -> None:
    """Somebody closes the run by hand; then the training fails."""

    def close_and_fail(_: str) -> None:
        with workspace.ledger.begin() as unit:
            run = replace(unit.latest(Run)[0], status="failed", error="closed by hand")
            unit.close_run(run, RunFailed(actor="test", subject=run.id, error=run.error))
        raise ZeroDivisionError("the cause")

    with workspace.ledger.begin(write=False) as unit:
        [snapshot] = unit.latest(Snapshot)
    progress = Progress(stage=close_and_fail)
    with pytest.raises(ZeroDivisionError, match="the cause") as caught:
        workspace.train(*TINY, snapshot=snapshot, progress=progress)
    [note] = caught.value.__notes__
    assert "could not be closed" in note
    with workspace.ledger.begin(write=False) as unit:
        assert unit.latest(Run)[0].error == "closed by hand"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on file sizes to set")
def test_a_disk_that_cannot_hold_the_images_is_a_storage_failure(workspace: Workspace) -> None:
    import resource

    none, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(stage: str) -> None:
        # Less than the decoded images of train, more than anything in the ledger.
        resource.setrlimit(resource.RLIMIT_FSIZE, (250_000, hard))

    try:
        with pytest.raises(StorageFailed, match=r"below .*scratch: File too large"):
            failing(workspace, Progress(stage=limit))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (none, hard))
    assert list(workspace.scratch.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be asked after there")
def test_what_killed_writers_left_goes_when_the_workspace_is_opened_to_write(
    workspace: Workspace,
) -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as dead:
        dead.wait()
    folders = (
        workspace.snapshots.root,
        workspace.bundles.root,
        workspace.samples,
        workspace.scratch,
    )
    left = [folder / f".writing-{dead.pid}-ab12" for folder in folders]
    for folder in left:
        folder.mkdir(parents=True)
    Workspace(workspace.home, actor="ada").close()
    assert all(folder.is_dir() for folder in left)
    Workspace(workspace.home, actor="ada").create().close()
    assert not any(folder.exists() for folder in left)


def test_a_version_below_the_floor_is_refused_and_the_verdict_stays(workspace: Workspace) -> None:
    counted: list[tuple[int, int]] = []
    with pytest.raises(GateRefused, match="floor: accuracy"):
        workspace.promote("v1", progress=Progress(step=lambda *row: counted.append(row)))
    assert (counted[0], counted[-1]) == ((0, 60), (60, 60))
    assert champion(workspace) is None
    with workspace.ledger.begin(write=False) as unit:
        [verdict] = unit.latest(Verdict)
    assert (verdict.version, verdict.champion, verdict.passed) == ("v1", None, False)
    assert verdict.test_uses == 2
    passed = {check.name: check.passed for check in verdict.checks}
    assert (passed["label_names"], passed["onnx_parity"], passed["floor"]) == (True, True, False)
    last = events(workspace)[-1]
    assert (last.kind, last.subject) == ("VerdictRecorded", verdict.id)
    assert last.detail == {"version": "v1", "passed": False}


def test_a_person_may_override_and_stands_in_the_events(workspace: Workspace) -> None:
    verdict = workspace.promote("v1", override="I looked at every leaf")
    assert (verdict.passed, verdict.allows) == (False, True)
    assert verdict.override_reason == "I looked at every leaf"
    assert champion(workspace) == workspace.champion().id == "v1"
    override, moved = events(workspace)[-2:]
    assert (override.kind, override.reason) == ("VerdictRecorded", "I looked at every leaf")
    assert (moved.kind, moved.subject, moved.actor) == ("AliasMoved", "champion", "ada")
    assert moved.reason == "I looked at every leaf"
    assert moved.detail == {"version": "v1", "before": None, "verdict": verdict.id}
    with pytest.raises(Conflict, match="champion already"):
        workspace.promote("v1")
    with pytest.raises(NotFound, match="no previous champion"):
        workspace.rollback(reason="no")


def test_a_bundle_that_was_changed_is_not_even_judged(workspace: Workspace) -> None:
    [folder] = workspace.bundles.root.iterdir()
    labels = json.loads((folder / "classes.json").read_bytes())
    labels["disease"].reverse()
    (folder / "classes.json").write_text(json.dumps(labels))
    before = events(workspace)
    with pytest.raises(Exception, match="does not match its manifest"):
        workspace.promote("v1", override="never mind")
    assert events(workspace) == before
    assert champion(workspace) is None


@pytest.fixture
def answered(workspace: Workspace) -> Callable[[str], Prediction]:
    """Puts an answer to a test leaf into the traffic log of a server that has since ended."""

    def answer(version: str) -> Prediction:
        with workspace.ledger.begin(write=False) as unit:
            version_record = unit.get(ModelVersion, "v1")
        leaf = next(workspace.snapshots.open(version_record.snapshot).rows("test"))
        predictor = workspace.predictor(version_record)
        [answers] = predictor.predict([predictor.decode(leaf.payload)])
        server, now = str(uuid7()), workspace.clock.now()
        record = Prediction(str(uuid7()), server, 1, version, now, "live", leaf.payload, answers)
        log = SqliteTraffic(workspace.home / "traffic", server)
        log.append([record])
        log.close()
        return record

    return answer


def test_a_prediction_leads_back_to_model_run_and_data(
    workspace: Workspace, trained: Trained, answered: Callable[[str], Prediction]
) -> None:
    prediction_record = answered("v1")
    lineage = workspace.lineage(prediction_record.id)
    assert lineage.prediction == replace(
        prediction_record, example=payload_id(prediction_record.payload)
    )
    assert (lineage.version, lineage.run) == (trained.finished.version, trained.finished.run)
    assert lineage.snapshot.id == lineage.version.snapshot
    body: dict[str, Any] = lineage.to_json()
    rows = workspace.snapshots.open(lineage.snapshot.id).rows("test")
    [leaf] = [row for row in rows if row.id == body["prediction"]["example"]]
    assert leaf.payload == prediction_record.payload
    assert "payload" not in body["prediction"]
    assert body["run"]["config"]["seed"] == 3


def test_a_prediction_of_none_is_not_found_and_one_of_a_lost_version_is_a_fault(
    workspace: Workspace, answered: Callable[[str], Prediction]
) -> None:
    with pytest.raises(NotFound, match="has no prediction"):
        workspace.lineage(str(uuid7()))
    with pytest.raises(Corrupt, match="v9"):
        workspace.lineage(answered("v9").id)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "its label table was changed": lambda bundle: (bundle / "classes.json").write_text("{}"),
    "its folder is gone": shutil.rmtree,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_champion_is_a_failed_check_that_an_override_passes(
    workspace: Workspace, damage: str
) -> None:
    workspace.promote("v1", override="the first one")
    first = workspace.champion()
    sound = workspace.bundles.open(first.bundle).path
    files = {path.name: path.read_bytes() for path in sound.iterdir() if path.name != MANIFEST}
    copy = workspace.bundles.write("coffee", {**files, "card.md": b"# The same model\n"})
    with workspace.ledger.begin() as unit:
        event = VersionRegistered(actor="test", subject="v2", bundle=copy, run=first.run)
        unit.add(replace(first, id="v2", bundle=copy), event)
    DAMAGES[damage](sound)

    with pytest.raises(GateRefused, match=r"champion: cannot be opened: .*[bB]undle"):
        workspace.promote("v2")
    with workspace.ledger.begin(write=False) as unit:
        [verdict] = unit.verdicts("v2")
    assert (verdict.champion, verdict.passed) == ("v1", False)
    failed = {check.name for check in verdict.checks if not check.passed}
    assert {"champion", "non_inferiority"} <= failed

    workspace.promote("v2", override="v1 is damaged")
    assert champion(workspace) == "v2"


def test_a_challenger_cannot_lower_the_bar_of_its_champion(workspace: Workspace) -> None:
    workspace.promote("v1", override="the first one")
    with workspace.ledger.begin() as unit:
        version = unit.get(ModelVersion, "v1")
        run = unit.get(Run, version.run)
        lax = {**run.config, "gate": {**run.config["gate"], "floor": 0.0}}
        event = VersionRegistered(actor="test", subject="v2", bundle=version.bundle, run="lax")
        unit.add(replace(run, id="lax", config=lax), event)
        unit.add(replace(version, id="v2", run="lax"), event)
    verdict = workspace.judge("v2")
    floor = next(check for check in verdict.checks if check.name == "floor")
    assert not floor.passed
    assert "0.99 needed" in floor.reason
