"""What every traffic log and every archive of logs must do. An adapter joins by one line each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from uuid_utils import uuid7

from tidemill.adapters.memory import FixedClock, MemoryTraffic
from tidemill.adapters.traffic import SqliteTraffic, TrafficFiles
from tidemill.domain.drift import RequestKind
from tidemill.domain.errors import StorageFailed
from tidemill.domain.ports import TrafficArchive, TrafficLog
from tidemill.domain.types import Answer, Prediction, payload_id

SERVER = str(uuid7())
LOGS: dict[str, Callable[[Path], TrafficLog]] = {
    "memory": lambda _: MemoryTraffic(),
    "sqlite": lambda folder: SqliteTraffic(folder, SERVER),
    "sqlite, host": lambda folder: SqliteTraffic(folder, SERVER, durability="host"),
}


@pytest.fixture(params=LOGS)
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TrafficLog]:
    implementation = LOGS[request.param](tmp_path)
    yield implementation
    implementation.close()


class Logs:
    """The logs of several servers, and their archive."""

    def __init__(self, begin: Callable[[str], TrafficLog], archive: TrafficArchive) -> None:
        self._begin = begin
        self._begun: dict[str, TrafficLog] = {}
        self.archive = archive

    def of(self, server: str) -> TrafficLog:
        """The log of one server, begun when it is first asked for."""
        if server not in self._begun:
            self._begun[server] = self._begin(server)
        return self._begun[server]

    def close(self) -> None:
        for log in self._begun.values():
            log.close()


def in_memory(_: Path) -> Logs:
    one = MemoryTraffic()
    return Logs(lambda _: one, one)


def in_files(folder: Path) -> Logs:
    return Logs(lambda server: SqliteTraffic(folder, server), TrafficFiles(folder))


ARCHIVES = {"memory": in_memory, "sqlite": in_files}


@pytest.fixture(params=ARCHIVES)
def logs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Logs]:
    implementation = ARCHIVES[request.param](tmp_path)
    yield implementation
    implementation.close()


def prediction(
    sequence: int, server: str = SERVER, payload: bytes = b"leaf", kind: RequestKind = "live"
) -> Prediction:
    answer = Answer("disease", "rust", 0.7, {"rust": 0.7, "healthy": 1 / 3})
    now = FixedClock().now()
    content = bytes([sequence % 256, 0, 255])
    return Prediction(
        str(uuid7()),
        server,
        sequence,
        "v1",
        now,
        kind,
        payload,
        (answer,),
        bins=content,
        request_id=f"r{sequence}",
        traceparent=f"00-{'1' * 32}-{'2' * 16}-01",
    )


def read_back(row: Prediction) -> Prediction:
    """A live prediction as a log gives it."""
    return replace(row, example=payload_id(row.payload))


def drained(row: Prediction) -> Prediction:
    """A live prediction as an archive gives it to whoever drains."""
    return replace(read_back(row), payload=b"")


def test_what_was_appended_is_found_as_it_was_with_its_payloads_id(log: TrafficLog) -> None:
    appended = [prediction(n) for n in range(1, 6)]
    log.append(appended)
    assert [log.find(one.id) for one in appended] == [read_back(one) for one in appended]


def test_a_golden_request_is_about_no_example(log: TrafficLog) -> None:
    golden = prediction(1, payload=b"", kind="golden")
    log.append([golden])
    assert log.find(golden.id) == golden
    assert golden.example == ""


def test_what_was_not_appended_is_not_found(log: TrafficLog) -> None:
    assert log.find(str(uuid7())) is None
    assert log.find("no id at all") is None
    assert log.find("") is None


def test_a_batch_with_something_that_is_kept_already_is_refused_whole(log: TrafficLog) -> None:
    first, fresh = prediction(1), prediction(2)
    log.append([first])
    for again in (replace(first, sequence=3), prediction(1), prediction(2)):
        with pytest.raises(StorageFailed):
            log.append([fresh, again])
        assert log.find(fresh.id) is None
    log.append([fresh])
    assert log.find(fresh.id) == read_back(fresh)


def test_an_archive_without_logs_has_no_servers(logs: Logs) -> None:
    assert logs.archive.servers() == []
    assert logs.archive.after(SERVER, 0, limit=10) == []
    assert logs.archive.find(str(uuid7())) is None


def test_the_servers_come_the_oldest_first(logs: Logs) -> None:
    servers = [str(uuid7()) for _ in range(4)]
    for server in (servers[2], servers[0], servers[3], servers[1]):
        logs.of(server).append([prediction(1, server)])
    assert logs.archive.servers() == servers


def test_a_log_is_read_in_order_in_bounded_parts_and_nothing_twice(logs: Logs) -> None:
    appended = [prediction(n, payload=b"%d" % n) for n in range(1, 12)]
    for part in (appended[:1], appended[1:8], appended[8:]):
        logs.of(SERVER).append(part)
    rows_read: list[Prediction] = []
    sizes = []
    while rows := logs.archive.after(SERVER, rows_read[-1].sequence if rows_read else 0, limit=4):
        sizes.append(len(rows))
        rows_read += rows
    assert sizes == [4, 4, 3]
    assert rows_read == [drained(one) for one in appended]


def of_rows(sequence: int, count: int) -> Prediction:
    """A prediction about so many items."""
    one = prediction(sequence)
    answers = tuple(replace(one.answers[0], item=f"n{at}") for at in range(count))
    return replace(one, answers=answers)


def test_a_reading_is_bounded_by_answers_as_well(logs: Logs) -> None:
    sizes = [1, 2, 3, 4, 12, 10, 1, 9, 2, 0, 0, 8]
    appended = [of_rows(sequence, count) for sequence, count in enumerate(sizes, start=1)]
    logs.of(SERVER).append(appended)
    rows_read: list[Prediction] = []
    parts = []
    while rows := logs.archive.after(SERVER, len(rows_read), limit=10, rows=10):
        parts.append([len(row.answers) for row in rows])
        rows_read += rows
    assert parts == [[1, 2, 3, 4], [12], [10], [1, 9], [2, 0, 0, 8]]
    assert rows_read == [drained(one) for one in appended]
    assert logs.archive.after(SERVER, 0, limit=3, rows=10) == rows_read[:3]
    assert logs.archive.after(SERVER, 0, limit=100) == rows_read


def test_payloads_are_found_and_not_drained(logs: Logs) -> None:
    """A drain of a thousand large ones would hold them all."""
    appended = [prediction(n, payload=bytes([n]) * 1_000) for n in range(1, 4)]
    golden = prediction(4, payload=b"", kind="golden")
    logs.of(SERVER).append([*appended, golden])
    rows = logs.archive.after(SERVER, 0, limit=10)
    assert {row.payload for row in rows} == {b""}
    assert [row.example for row in rows] == [*(payload_id(one.payload) for one in appended), ""]
    assert [logs.archive.find(one.id) for one in appended] == [read_back(one) for one in appended]


def test_what_comes_later_follows_what_was_read(logs: Logs) -> None:
    logs.of(SERVER).append([prediction(1), prediction(2)])
    before = logs.archive.after(SERVER, 0, limit=10)
    later = prediction(5, kind="golden", payload=b"")  # a failed append spends its numbers
    logs.of(SERVER).append([later])
    assert logs.archive.after(SERVER, before[-1].sequence, limit=10) == [later]
    assert logs.archive.after(SERVER, 0, limit=2) == before
    assert logs.archive.after(SERVER, later.sequence, limit=10) == []


def test_each_server_has_a_log_of_its_own_and_a_find_looks_into_all(logs: Logs) -> None:
    one, other = str(uuid7()), str(uuid7())
    mine, theirs = prediction(1, one), prediction(1, other)
    logs.of(one).append([mine])
    logs.of(other).append([theirs])
    assert logs.archive.after(one, 0, limit=10) == [drained(mine)]
    assert logs.archive.after(other, 0, limit=10) == [drained(theirs)]
    assert logs.archive.find(mine.id) == read_back(mine)
    assert logs.archive.find(theirs.id) == read_back(theirs)
