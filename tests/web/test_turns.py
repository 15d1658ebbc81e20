"""Clients take turns, and so do the requests of one client."""

from __future__ import annotations

import pytest

from tidemill.web.turns import Turns


def order(*jobs: tuple[str, str]) -> str:
    turns: Turns[str] = Turns()
    for client, job in jobs:
        turns.add(client, job[0], job)
    return " ".join(turns.take() for _ in range(len(turns)))


def test_a_client_with_many_jobs_waits_for_itself() -> None:
    assert order(("a", "x1"), ("a", "x2"), ("a", "x3"), ("b", "y1")) == "x1 y1 x2 x3"


def test_the_requests_of_one_client_take_turns() -> None:
    assert order(("a", "x1"), ("a", "x2"), ("a", "y1"), ("b", "z1")) == "x1 z1 y1 x2"


def test_a_client_with_many_requests_has_one_turn_as_well() -> None:
    jobs = [("a", f"{name}1") for name in "pqrst"]
    assert order(*jobs, ("b", "z1"), ("b", "z2")) == "p1 z1 q1 z2 r1 s1 t1"


def test_nothing_is_taken_from_nothing() -> None:
    turns: Turns[str] = Turns()
    with pytest.raises(LookupError):
        turns.take()
