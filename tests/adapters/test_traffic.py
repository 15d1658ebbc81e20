"""The traffic log on disk: full disks, size bounds, killed writers."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from uuid_utils import uuid7

from tidemill.adapters.memory import FixedClock
from tidemill.adapters.traffic import SqliteTraffic, TrafficFiles
from tidemill.domain.errors import StorageFailed
from tidemill.domain.types import Answer, Prediction, payload_id

ANSWER = Answer("disease", "rust", 0.7, {"rust": 0.7, "healthy": 0.3})


def prediction(sequence: int, payload: bytes = b"leaf") -> Prediction:
    now = FixedClock().now()
    return Prediction(str(uuid7()), "", sequence, "v1", now, "live", payload, (ANSWER,))


def test_a_batch_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    log = SqliteTraffic(tmp_path, str(uuid7()))
    first, second = prediction(1), prediction(2)
    log.append([first])
    with pytest.raises(StorageFailed):
        log.append([second, replace(prediction(3), sequence=1)])
    assert log.find(second.id) is None
    log.append([second])
    assert log.find(second.id) is not None
    log.close()


def test_a_log_at_its_bound_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    log = SqliteTraffic(tmp_path, str(uuid7()), max_mb=1)
    stored = []
    with pytest.raises(StorageFailed, match="full"):
        for sequence in range(1, 100):
            one = prediction(sequence, b"x" * 50_000)
            log.append([one])
            stored.append(one)
    assert 5 < len(stored) < 25
    assert all(log.find(one.id) for one in stored)
    small = prediction(200)
    log.append([small])
    assert log.find(small.id) is not None
    log.close()


def test_a_log_of_an_earlier_version_has_no_request_ids(tmp_path: Path) -> None:
    server = str(uuid7())
    log = SqliteTraffic(tmp_path, server)
    row = replace(prediction(1), request_id="r1", traceparent="t1")
    log.append([row])
    log.close()
    files = TrafficFiles(tmp_path)
    [new] = files.after(server, 0, limit=9)
    assert (new.request_id, new.traceparent) == ("r1", "t1")
    with contextlib.closing(sqlite3.connect(tmp_path / f"{server}.sqlite")) as db:
        for name in ("request_id", "traceparent"):
            db.execute(f"ALTER TABLE predictions DROP COLUMN {name}")
        db.commit()
    [old] = files.after(server, 0, limit=9)
    assert (old.id, old.answers, old.request_id, old.traceparent) == (row.id, (ANSWER,), "", "")


WRITER = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from uuid_utils import uuid7
from tidemill.adapters.traffic import SqliteTraffic
from tidemill.domain.errors import StorageFailed
from tidemill.domain.types import Answer, Prediction

limit = int(sys.argv[2])
log = SqliteTraffic(Path(sys.argv[1]), str(uuid7()))
if limit:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
now = datetime.now(UTC)
for sequence in range(1, 51):
    one = Prediction(str(uuid7()), "", sequence, "v1", now, "live", b"x" * 50_000,
                     (Answer("disease", "rust", 1.0, {"rust": 1.0}),), bins=bytes([1, 2]))
    try:
        log.append([one])
    except StorageFailed:
        print("refused", flush=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        limit = 0
        continue
    print(one.id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals and limits")
@pytest.mark.parametrize("limit", [0, 700_000])
def test_what_was_acknowledged_survives_a_kill_and_a_full_disk(tmp_path: Path, limit: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(tmp_path), str(limit)],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.split()
    acknowledged = [word for word in lines if word != "refused"]
    assert done.returncode == -9, done.stderr
    assert ("refused" in lines) == bool(limit)
    assert len(acknowledged) >= 40
    [killed] = TrafficFiles(tmp_path).servers()
    assert (tmp_path / f"{killed}.sqlite-wal").stat().st_size > 0
    # A number is spent on what was refused; everything else is there, once and in order.
    rows = TrafficFiles(tmp_path).after(killed, 0, limit=100)
    assert [row.id for row in rows if row.id in acknowledged] == acknowledged
    assert [row.sequence for row in rows] == sorted({row.sequence for row in rows})
    assert all(row.bins == b"\x01\x02" for row in rows)
    log = SqliteTraffic(tmp_path, str(uuid7()))
    assert all(log.find(id) for id in acknowledged)
    log.close()


def test_a_look_up_reads_the_log_of_the_time_not_every_log(tmp_path: Path) -> None:
    old = SqliteTraffic(tmp_path, str(uuid7()))
    one = prediction(1)
    old.append([one])
    old.close()
    for _ in range(3):
        SqliteTraffic(tmp_path, str(uuid7())).close()
    later = sorted(tmp_path.glob("*.sqlite"))[1:]
    for path in later:
        path.write_bytes(b"not a database, and must not be looked at")
    match = TrafficFiles(tmp_path).find(one.id)
    assert match is not None
    assert match.answers == (ANSWER,)


def test_a_log_that_was_never_begun_holds_nothing(tmp_path: Path) -> None:
    """A server that is killed while it starts leaves an empty file, or one without a table."""
    (tmp_path / f"{uuid7()}.sqlite").touch()
    with contextlib.closing(sqlite3.connect(tmp_path / f"{uuid7()}.sqlite")) as db:
        db.execute("CREATE TABLE other (id)")
    files = TrafficFiles(tmp_path)
    assert files.find(str(uuid7())) is None
    assert [files.after(server, 0, limit=10) for server in files.servers()] == [[], []]


def test_nothing_that_is_still_being_written_is_read(tmp_path: Path) -> None:
    server = str(uuid7())
    log = SqliteTraffic(tmp_path, server)
    log.append([prediction(1)])
    files = TrafficFiles(tmp_path)
    with contextlib.closing(
        sqlite3.connect(tmp_path / f"{server}.sqlite", isolation_level=None)
    ) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute(
            "INSERT INTO predictions SELECT 2, 'b', version, at, kind, payload, answers,"
            " bins, request_id, traceparent FROM predictions"
        )
        assert [row.sequence for row in files.after(server, 0, limit=10)] == [1]
        writer.execute("COMMIT")
    assert [row.sequence for row in files.after(server, 0, limit=10)] == [1, 2]
    log.close()


def test_a_drain_of_large_payloads_holds_one_at_a_time(tmp_path: Path) -> None:
    server, size = str(uuid7()), 1 << 20
    log = SqliteTraffic(tmp_path, server)
    for sequence in range(1, 13):
        log.append([prediction(sequence, bytes([sequence]) * size)])
    log.close()
    archive = TrafficFiles(tmp_path)
    tracemalloc.start()
    try:
        rows = archive.after(server, 0, limit=100)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [row.example for row in rows] == [payload_id(bytes([n]) * size) for n in range(1, 13)]
    assert size <= peak < 4 * size


def test_a_damaged_log_is_named_when_it_is_read(tmp_path: Path) -> None:
    server = str(uuid7())
    path = tmp_path / f"{server}.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StorageFailed, match=f"{path.name} could not be used: .*not a database"):
        TrafficFiles(tmp_path).after(server, 0, limit=10)


DAMAGES = {
    "answers that are no JSON": "UPDATE predictions SET answers = x'7b'",
    "answers of another form": "UPDATE predictions SET answers = x'5b315d'",
    "no time": "UPDATE predictions SET at = 'never'",
    "no bins": "ALTER TABLE predictions DROP COLUMN bins",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_row_is_a_damaged_log(tmp_path: Path, damage: str) -> None:
    server = str(uuid7())
    log = SqliteTraffic(tmp_path, server)
    log.append([prediction(1)])
    log._db.execute(DAMAGES[damage])
    with pytest.raises(StorageFailed, match=f"{server}.sqlite could not be used"):
        TrafficFiles(tmp_path).after(server, 0, limit=10)
    log.close()


def test_a_damaged_log_does_not_hide_what_an_older_one_holds(tmp_path: Path) -> None:
    log = SqliteTraffic(tmp_path, str(uuid7()))
    damaged = tmp_path / f"{uuid7()}.sqlite"
    damaged.write_bytes(b"no database at all" * 100)
    one = prediction(1)
    log.append([one])
    log.close()
    match = TrafficFiles(tmp_path).find(one.id)
    assert match is not None
    assert match.answers == one.answers
    with pytest.raises(StorageFailed, match=f"{damaged.name} could not be used: .*not a database"):
        TrafficFiles(tmp_path).find(str(uuid7()))


def test_a_log_that_ended_before_the_prediction_is_not_opened(tmp_path: Path) -> None:
    old = tmp_path / f"{uuid7()}.sqlite"
    old.write_bytes(b"no database at all" * 100)
    os.utime(old, (0, 0))
    assert TrafficFiles(tmp_path).find(str(uuid7())) is None
    wal = tmp_path / f"{old.name}-wal"
    wal.write_bytes(b"")
    with pytest.raises(StorageFailed):
        TrafficFiles(tmp_path).find(str(uuid7()))
    assert TrafficFiles(tmp_path).find("") is None
    with pytest.raises(StorageFailed):  # no time can be read out of it, so nothing is left out
        TrafficFiles(tmp_path).find("zzz")


@pytest.mark.parametrize(("durability", "synced"), [("host", (2, 1)), ("process", (1, 0))])
def test_a_hosts_loss_is_survived_by_full_syncs(
    tmp_path: Path, durability: Literal["host", "process"], synced: tuple[int, int]
) -> None:
    log = SqliteTraffic(tmp_path, str(uuid7()), durability=durability)
    pragmas = ("PRAGMA synchronous", "PRAGMA fullfsync")
    assert tuple(log._db.execute(pragma).fetchone()[0] for pragma in pragmas) == synced
    log.close()


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageFailed):
        SqliteTraffic(tmp_path / "file" / "traffic", str(uuid7()))


def test_a_log_that_rests_is_not_opened_again_until_it_is_written(tmp_path: Path) -> None:
    server = str(uuid7())
    log = SqliteTraffic(tmp_path, server)
    log.append([prediction(1)])
    log.close()
    file, archive = tmp_path / f"{server}.sqlite", TrafficFiles(tmp_path)
    content = file.read_bytes()
    os.utime(file, (1_000, 1_000))
    assert archive.after(server, 1, limit=10) == []
    file.write_bytes(b"no log at all")
    os.utime(file, (1_000, 1_000))
    assert archive.after(server, 1, limit=10) == []
    with pytest.raises(StorageFailed):
        archive.after(server, 0, limit=10)
    file.write_bytes(content)
    assert [row.sequence for row in archive.after(server, 0, limit=10)] == [1]
    os.utime(file, (2_000, 2_000))
    assert archive.after(server, 1, limit=10) == []
