"""The invariants detect each of these planted faults."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.chaos import processes
from tests.chaos.conftest import Undisturbed
from tests.chaos.invariants import check
from tidemill.domain.errors import Corrupt, NotFound
from tidemill.staging import PREFIX

pytestmark = [
    pytest.mark.xdist_group("chaos"),
    pytest.mark.skipif(not processes.PROC.is_dir(), reason="processes are looked for in /proc"),
]
AGAIN = (
    "INSERT INTO events (id, at, kind, actor, subject, reason, detail) "
    "SELECT id || 'x', at, kind, actor, {subject}, reason, detail FROM events "
    "WHERE kind = '{kind}' LIMIT 1"
)
LEDGER_FAULTS = {
    "the cycle did not settle": "UPDATE cycles SET state = 'refused'",
    "a step of the cycle has no event": "DELETE FROM events WHERE detail LIKE '%\"canary\"%'",
    "another cycle": "UPDATE cycles SET id = 'another'",
    "two promotions": AGAIN.format(kind="AliasMoved", subject="subject"),
    "a promotion without its verdict": "DELETE FROM verdicts WHERE version = 'v2'",
    "an alias that points elsewhere": "UPDATE aliases SET version = 'v1'",
    "an answer that is missing": "DELETE FROM predictions WHERE n = 1",
    "an answer of another version": "UPDATE predictions SET version = 'v2' WHERE n = 30",
    "an answer counted twice": "UPDATE profiles SET n = n + 1 WHERE kind = 'live' AND window = ''",
    "a window that was not judged": "DELETE FROM drift_verdicts WHERE n = 1",
    "a label that is missing": "DELETE FROM feedback WHERE n = 1",
    "a label twice": "UPDATE feedback SET example = (SELECT example FROM feedback WHERE n = 2) "
    "WHERE n = 1",
    "a label that was not decided on": "UPDATE feedback SET status = 'pending' WHERE n = 1",
    "a snapshot that nobody took": AGAIN.format(kind="SnapshotTaken", subject="'another'"),
    "a training without an end": "UPDATE runs SET status = 'running' WHERE n = 2",
    "a lease that nobody took": "UPDATE leases SET token = token + 1",
}


def left(home: Path) -> None:
    (home / "blobs" / f"{PREFIX}{os.getpid()}-left").mkdir()


def torn(home: Path) -> None:
    shard = next((home / "snapshots").rglob("train-*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-100])


def gone(home: Path) -> None:
    shutil.rmtree(next((home / "bundles").iterdir()))


FILE_FAULTS: dict[str, Callable[[Path], None]] = {
    "half a folder": left,
    "a torn snapshot": torn,
    "a bundle that is gone": gone,
}


@pytest.fixture
def ended(undisturbed: Undisturbed, tmp_path: Path) -> Path:
    """A copy of what the undisturbed cycle left."""
    shutil.copytree(undisturbed.home, tmp_path / "home")
    return tmp_path / "home"


def checked(home: Path, undisturbed: Undisturbed) -> None:
    outcome = check(home, undisturbed.client, undisturbed.labelled, undisturbed.opened)
    assert outcome == undisturbed.outcome


def test_a_copy_without_a_fault_passes(ended: Path, undisturbed: Undisturbed) -> None:
    checked(ended, undisturbed)


@pytest.mark.parametrize("fault", LEDGER_FAULTS)
def test_a_fault_in_the_ledger_is_found(ended: Path, undisturbed: Undisturbed, fault: str) -> None:
    with closing(sqlite3.connect(ended / "ledger.sqlite", isolation_level=None)) as db:
        assert db.execute(LEDGER_FAULTS[fault]).rowcount > 0
    with pytest.raises(AssertionError):
        checked(ended, undisturbed)


@pytest.mark.parametrize("fault", FILE_FAULTS)
def test_a_fault_in_the_files_is_found(ended: Path, undisturbed: Undisturbed, fault: str) -> None:
    FILE_FAULTS[fault](ended)
    with pytest.raises((AssertionError, Corrupt, NotFound)):
        checked(ended, undisturbed)


def test_a_process_that_is_left_is_found(ended: Path, undisturbed: Undisturbed) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        env={**os.environ, "TIDEMILL_HOME": str(ended)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as left:
        # `Popen` returns in the middle of exec, before /proc shows the new environment.
        assert left.stdout is not None
        left.stdout.readline()
        with pytest.raises(AssertionError):
            checked(ended, undisturbed)
