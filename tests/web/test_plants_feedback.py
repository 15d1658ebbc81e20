"""From one label of a leaf over HTTP to the rows of the next snapshot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from uuid_utils import uuid7

from tidemill.bundle import REFERENCE
from tidemill.data.retraining_set import RetrainingSet
from tidemill.domain.cycle import Cycle
from tidemill.domain.events import RunFinished, SnapshotTaken, VersionRegistered
from tidemill.domain.types import Example, Labels, ModelVersion, Run, Snapshot, payload_id
from tidemill.engine.extend_snapshot import SnapshotExtension, summarize_omissions
from tidemill.loop.feedback import review
from tidemill.recipes.plants import routes as plants
from tidemill.recipes.plants.naming import plant_labels
from tidemill.workspace.planning import plan
from tidemill.workspace.workspace import Workspace

CLASSES = ("Bean___healthy", "Vine___healthy", "Vine___rust")
NAMES = {"class": CLASSES, "disease": ("healthy", "rust"), "plant": ("Bean", "Vine")}
Known = Mapping[str, bytes]


@pytest.fixture
def leaves(paint: Any) -> Known:
    """A leaf in train of each class."""
    colours = ((90, 20, 20), (20, 90, 20), (20, 20, 90))
    return {name: paint(colour) for name, colour in zip(CLASSES, colours, strict=True)}


@pytest.fixture
def learnt_from(workspace: Any, tmp_path: Path) -> Workspace:
    """The workspace of the server, with snapshots on disk."""
    learnt = Workspace(tmp_path, "plants", clock=workspace.clock, actor="ada")
    learnt.ledger = workspace.ledger
    learnt.bundles, learnt.blobs = workspace.bundles, workspace.blobs
    return learnt


@pytest.fixture
def parent(learnt_from: Workspace, leaves: Known) -> Snapshot:
    """The known leaves."""
    examples = [
        Example(payload_id(leaf), leaf, plant_labels(name), "folder", name, "train")
        for name, leaf in leaves.items()
    ]
    now = learnt_from.clock.now()
    return learnt_from.snapshots.write(
        examples, recipe="plants", policy="stop", parent=None, at=now
    )


@pytest.fixture
def client(
    workspace: Any,
    start_app: Any,
    learnt_from: Workspace,
    parent: Snapshot,
    tiny_files: Any,
    paint: Any,
    tiny_colours: Any,
) -> Any:
    """The app over a champion that was trained on the known leaves."""
    workspace.recipe = "plants"
    files = tiny_files(NAMES)
    del files[REFERENCE]
    version = workspace.enter(files, [paint(colour) for colour in tiny_colours])
    workspace.promote(register_version(learnt_from, version, parent))
    return start_app(workspace.parts(), plants.build)


def register_version(
    learnt_from: Workspace, version: ModelVersion, parent: Snapshot
) -> ModelVersion:
    """The same version, from that snapshot and by the recipe's own experiment."""
    with learnt_from.ledger.begin() as unit:
        tree = plan("plants")[1].tree()
        run = replace(unit.get(Run, version.run), id=str(uuid7()), snapshot=parent.id, config=tree)
        again = replace(version, id=unit.next_version(), run=run.id, snapshot=parent.id)
        event = SnapshotTaken(actor="ada", subject=parent.id, rows=parent.rows)
        unit.add(parent, event)
        unit.add(run, RunFinished(actor="ada", subject=run.id, weights=""))
        body = VersionRegistered(actor="ada", subject=again.id, bundle=again.bundle, run=run.id)
        unit.add(again, body)
    return again


def say(client: Any, leaf: bytes, **labels: str) -> None:
    """Send a leaf and its feedback; `kind` is its class."""
    id = client.request("POST", "/predict", files={"file": leaf}).headers["X-Prediction-Id"]
    rows = [
        {"prediction": id, "target": "class" if target == "kind" else target, "label": label}
        for target, label in labels.items()
    ]
    response = client.request("POST", "/v1/feedback", json={"feedback": rows})
    assert response.is_success, response.text


def turned(learnt_from: Workspace) -> RetrainingSet:
    """Return the training rows of a cycle that begins now."""
    now = learnt_from.clock.now()
    with learnt_from.ledger.begin() as unit:
        review(unit, "accept", actor="engine", at=now, limit=100)
        champion = unit.alias("champion")
    assert champion is not None
    return SnapshotExtension(learnt_from).extend(
        Cycle("c1", "plants", "person", "Asked.", champion.version, now)
    )


def labelled(learnt_from: Workspace, snapshot: Snapshot) -> dict[bytes, Labels]:
    return {row.payload: row.labels for row in learnt_from.snapshots.open(snapshot.id).rows()}


def test_the_disease_of_a_known_leaf_changes_its_class(
    client: Any, learnt_from: Workspace, leaves: Known
) -> None:
    say(client, leaves["Vine___healthy"], disease="rust")
    extended = turned(learnt_from)
    assert (len(extended.feedback), extended.omissions) == (1, {})
    assert labelled(learnt_from, extended.snapshot) == {
        leaves["Bean___healthy"]: plant_labels("Bean___healthy"),
        leaves["Vine___healthy"]: plant_labels("Vine___rust"),
        leaves["Vine___rust"]: plant_labels("Vine___rust"),
    }


def test_the_class_of_a_new_leaf_says_all(
    client: Any, learnt_from: Workspace, leaves: Known, paint: Callable[..., bytes]
) -> None:
    leaf = paint((200, 30, 200))
    say(client, leaf, kind="Vine___rust")
    extended = turned(learnt_from)
    assert (len(extended.feedback), extended.omissions) == (1, {})
    assert extended.snapshot.rows == len(leaves) + 1
    assert labelled(learnt_from, extended.snapshot)[leaf] == plant_labels("Vine___rust")


@pytest.mark.parametrize(
    ("leaf", "labels", "reason"),
    [
        ("Bean___healthy", {"disease": "rust"}, "has no class 'Bean___rust' of 'class'"),
        ("Vine___healthy", {"kind": "Vine___rust", "plant": "Bean"}, "contradicts the plant"),
    ],
)
def test_contradicting_labels_are_dropped_with_a_reason(
    client: Any,
    learnt_from: Workspace,
    leaves: Known,
    leaf: str,
    labels: dict[str, str],
    reason: str,
) -> None:
    say(client, leaves[leaf], **labels)
    extended = turned(learnt_from)
    assert extended.feedback == ()
    assert set(labelled(learnt_from, extended.snapshot)) == set(leaves.values())
    assert f"{len(labels)} labels were omitted. " in summarize_omissions(extended)
    assert reason in summarize_omissions(extended)
