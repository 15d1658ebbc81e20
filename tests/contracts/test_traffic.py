"""What every traffic log must do. A new adapter joins by adding one line to LOGS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from uuid_utils import uuid7

from tidemill.adapters.memory import FixedClock, MemoryTraffic
from tidemill.adapters.traffic import SqliteTraffic
from tidemill.domain.ports import TrafficLog
from tidemill.domain.types import Answer, Prediction

SERVER = str(uuid7())
LOGS: dict[str, Callable[[Path], TrafficLog]] = {
    "memory": lambda _: MemoryTraffic(),
    "sqlite": lambda folder: SqliteTraffic(folder, SERVER),
    "sqlite, host": lambda folder: SqliteTraffic(folder, SERVER, durability="host"),
}


@pytest.fixture(params=LOGS)
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TrafficLog]:
    made = LOGS[request.param](tmp_path)
    yield made
    made.close()


def prediction(sequence: int, server: str = SERVER, payload: bytes = b"leaf") -> Prediction:
    answer = Answer("disease", "rust", 0.7, {"rust": 0.7, "healthy": 1 / 3})
    now = FixedClock().now()
    return Prediction(str(uuid7()), server, sequence, "v1", now, "live", payload, (answer,))


def test_what_was_appended_is_found_as_it_was(log: TrafficLog) -> None:
    given = [prediction(n) for n in range(1, 6)]
    log.append(given)
    assert [log.find(one.id) for one in given] == given


def test_what_was_not_appended_is_not_found(log: TrafficLog) -> None:
    assert log.find(str(uuid7())) is None
    assert log.find("no id at all") is None
    assert log.find("") is None
