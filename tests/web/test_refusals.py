"""Refusals are events: who, from where, why; and no stranger fills the ledger with them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.web.test_keys import bearer, create_key
from tidemill.adapters.memory import FixedClock
from tidemill.adapters.memory_ledger import MemoryLedger
from tidemill.web.refusals import MAX_KINDS, RefusalLog

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


class Books:
    """A log of refusals over a ledger, with a clock that a test moves."""

    def __init__(self) -> None:
        self.clock = FixedClock()
        self.ledger = MemoryLedger(self.clock)
        self.log = RefusalLog(self.ledger, self.clock, "web")

    def pass_time(self, time: timedelta, *, refused_each_second: bool = False) -> None:
        for _ in range(int(time / SECOND)):
            self.clock.advance(SECOND)
            if refused_each_second:
                self.log.count("anonymous", "6.6.6.6", "no")
            self.log.write_due(self.clock.now())

    def events(self) -> list[Any]:
        with self.ledger.begin(write=False) as unit:
            return unit.events(limit=None)


@pytest.fixture
def books() -> Books:
    return Books()


def test_refusals_of_a_moment_are_one_event(books: Books) -> None:
    for address in ("1.1.1.1", "2.2.2.2", "1.1.1.1"):
        books.log.count("ana", address, "no scope")
    books.pass_time(3 * SECOND)
    [event] = books.events()
    assert (event.kind, event.actor, event.subject) == ("RequestsRefused", "server", "web")
    assert event.reason == "no scope"
    assert event.detail == {
        "count": 3,
        "refusals": [
            {"actor": "ana", "address": "1.1.1.1", "reason": "no scope", "count": 2},
            {"actor": "ana", "address": "2.2.2.2", "reason": "no scope", "count": 1},
        ],
    }


def test_refusals_that_go_on_are_written_ever_more_seldom(books: Books) -> None:
    books.pass_time(6 * HOUR, refused_each_second=True)
    events = books.events()
    assert len(events) < 16
    assert sum(event.detail["count"] for event in events) > 4 * 3600


def test_after_a_pause_the_next_one_is_written_soon(books: Books) -> None:
    books.pass_time(HOUR, refused_each_second=True)
    books.pass_time(3 * HOUR)
    before = len(books.events())
    books.log.count("anonymous", "6.6.6.6", "no")
    books.pass_time(3 * SECOND)
    assert len(books.events()) == before + 1


def test_what_could_not_be_written_is_written_later(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(books.ledger, "begin", lambda: 1 / 0)
        books.log.count("ana", "1.1.1.1", "no scope")
        with pytest.raises(ZeroDivisionError):
            books.pass_time(3 * SECOND)
    books.log.count("ana", "1.1.1.1", "no scope")
    books.pass_time(timedelta(minutes=1))
    [event] = books.events()
    assert event.detail["count"] == 2


def test_many_strangers_are_one_row(books: Books) -> None:
    for n in range(1000):
        books.log.count("anonymous", f"10.0.{n // 250}.{n % 250}", "no")
    assert len(books.log._counts) == MAX_KINDS + 1
    books.pass_time(3 * SECOND)
    [event] = books.events()
    assert event.detail["count"] == 1000
    assert len(event.detail["refusals"]) == MAX_KINDS + 1


def test_a_clock_that_was_set_back_delays_nothing(books: Books) -> None:
    books.log.count("anonymous", "6.6.6.6", "no")
    books.log.write_due(books.clock.now())
    books.clock.advance(-30 * HOUR)
    assert books.log.write_due(books.clock.now())


def test_every_kind_of_refusal_is_counted(client: Any, workspace: Any, red: bytes) -> None:
    _, secret = create_key(workspace, "feedback", name="ana")
    _, slow = create_key(workspace, "predict", name="ben", rate=1)
    client.app.state.keyring.refresh()
    headers = [
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        bearer("wrong"),
        bearer(secret),
        bearer(slow),
        bearer(slow),
        {},
    ]
    for each in headers:
        client.request("POST", "/predict", files={"file": red}, headers=each)
    refusals = client.app.state.refusallog
    refusals.close()
    with workspace.ledger.begin(write=False) as unit:
        [event] = [row for row in unit.events() if row.kind == "RequestsRefused"]
    assert event.detail["count"] == 5
    reasons = {(row["actor"], row["reason"]) for row in event.detail["refusals"]}
    assert {row["address"] for row in event.detail["refusals"]} == {"127.0.0.1"}
    assert reasons == {
        ("anonymous", "This server does not answer to the name in the Host header."),
        ("anonymous", "A web page of another origin may not change anything here."),
        ("anonymous", "The key is unknown, revoked or expired."),
        ("ana", "The key of ana does not have the scope predict."),
        ("anonymous", "The key of ben may send 1 requests a minute."),
    }
