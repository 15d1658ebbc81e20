"""What must be true of a workspace after a process of its loop was killed and the loop went on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import processes
from tests.chaos.client import Client
from tests.chaos.records import Records
from tidemill.domain.types import Example, ModelVersion, Run
from tidemill.staging import PREFIX
from tidemill.workspace.workspace import Workspace

RUN_ENDS = ("RunFinished", "RunFailed", "RunInterrupted", "RunAbandoned")
CREATED_BY = {
    "SnapshotTaken": "snapshots",
    "RunStarted": "runs",
    "VersionRegistered": "model_versions",
    "VerdictRecorded": "verdicts",
    "DriftChecked": "drift_verdicts",
    "FeedbackReceived": "feedback",
    "CycleOpened": "cycles",
}
"""Each of these events stands for one new row of a table, and each row has one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a cycle: the same, whatever was killed."""

    versions: tuple[str, ...]
    snapshot: str
    weights: str


def check(home: Path, client: Client, labelled: Sequence[Example], opened: str) -> Outcome:
    """Every invariant of a workspace that nothing runs on any more; `opened` is its cycle."""
    assert processes.naming(home) == []
    assert client.faults == []
    records = Records(home)
    try:
        _cycle(records, opened)
        _promotion(records)
        _answers(records, client)
        _feedback(records, client, labelled)
        _events(records)
    finally:
        records.close()
    return _files(home)


def _cycle(records: Records, opened: str) -> None:
    [cycle] = records.rows("cycles")
    assert (cycle["id"], cycle["state"]) == (opened, "settled"), cycle["reason"]
    moves = [row for row in records.events("CycleMoved") if row["subject"] == opened]
    stations = ["triggered", *(row["state"] for row in moves)]
    assert [row["before"] for row in moves] == stations[:-1]
    assert stations[-1] == cycle["state"]


def _promotion(records: Records) -> None:
    moves = records.events("AliasMoved")
    champions = [row["version"] for row in moves if row["subject"] == "champion"]
    assert champions == ["v1", "v2"]
    allowed = {row["id"]: row["version"] for row in records.rows("verdicts") if row["passed"]}
    assert all(allowed.get(row["verdict"]) == row["version"] for row in moves)
    aliases = {row["name"]: row["version"] for row in records.rows("aliases")}
    assert aliases == {"champion": "v2", "previous": "v1"}


def _answers(records: Records, client: Client) -> None:
    """Acknowledged answers are logged, and logged ones are drained and counted once."""
    logged, drained = records.logged(), records.drained()
    assert drained == logged
    ids = {id for _, _, id, _, _ in drained}
    assert len(ids) == len(drained)
    assert len(client.predicted) == len(set(client.predicted)) > 0
    assert set(client.predicted) <= ids
    live = Counter(version for *_, version, kind in drained if kind == "live")
    counted: Counter[str] = Counter()
    for row in records.rows("profiles", "version", "kind", "n"):
        counted[row["version"]] += row["n"] * (row["kind"] == "live")
    assert counted == live
    judged = sum(row["answers"] for row in records.rows("drift_verdicts"))
    closed = [row["n"] for row in records.rows("profiles", "window", "n") if row["window"]]
    assert judged == sum(closed)


def _feedback(records: Records, client: Client, labelled: Sequence[Example]) -> None:
    rows = records.rows("feedback")
    assert Counter(row["id"] for row in rows) == Counter(client.acknowledged)
    labels = {(row["example"], row["target"], row["item"], row["label"]) for row in rows}
    assert len(labels) == len(rows)
    assert labels == {
        (row.id, target, "", label) for row in labelled for target, label in row.labels.items()
    }
    assert {row["status"] for row in rows} == {"accepted"}


def _events(records: Records) -> None:
    """No event without its change, and no change without its event."""
    for kind, table in CREATED_BY.items():
        subjects = Counter(row["subject"] for row in records.events(kind))
        assert subjects == Counter(row["id"] for row in records.rows(table, "id")), kind
    runs = {row["id"]: row["status"] for row in records.rows("runs", "id", "status")}
    ends = records.events(*RUN_ENDS)
    assert runs == {row["subject"]: row["kind"].removeprefix("Run").lower() for row in ends}
    assert len(ends) == len(runs)
    settled = Counter(row["subject"] for row in records.events("FeedbackStatusChanged"))
    assert settled == Counter(row["id"] for row in records.rows("feedback", "id"))
    tokens = [row["token"] for row in records.events("LeaseTaken")]
    [lease] = records.rows("leases")
    assert tokens == list(range(1, lease["token"] + 1))


def _files(home: Path) -> Outcome:
    """Every named file is complete, and the remains of killed writers are removed."""
    workspace = Workspace(home).create()
    try:
        assert list(home.rglob(f"{PREFIX}*")) == []
        for id in workspace.snapshots.list():
            workspace.snapshots.open(id).verify()
        with workspace.ledger.begin(write=False) as unit:
            versions = unit.latest(ModelVersion)
            newest = versions[0]
            weights = unit.get(Run, newest.run).weights
        for version in versions:
            assert workspace.bundles.open(version.bundle).id == version.bundle
        return Outcome(tuple(row.id for row in reversed(versions)), newest.snapshot, weights)
    finally:
        workspace.close()
