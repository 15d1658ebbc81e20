"""`tidemill models`: verdicts as people read them, and who was champion at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from uuid_utils import uuid7

from tests.cli.conftest import Ask
from tidemill.domain.types import Check
from tidemill.screen import OUT
from tidemill.workspace.promotion import record_verdict
from tidemill.workspace.workspace import Workspace

pytestmark = pytest.mark.xdist_group("pebble commands")


@pytest.fixture(autouse=True)
def wide_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A screen on which no cell is broken."""
    monkeypatch.setattr(OUT, "_width", 200)


def judged(home: Path, *checks: Check) -> None:
    """One more verdict on v1, with these checks."""
    workspace = Workspace(home)
    with workspace.ledger.begin() as unit:
        like = unit.verdicts("v1")[0]
        other = replace(like, id=str(uuid7()), checks=checks, passed=False)
        record_verdict(unit, other, actor="ada")
    workspace.close()


def cells(text: str, check: str) -> list[list[str]]:
    """What stands in the rows of that check, cell by cell."""
    rows = [[cell.strip() for cell in line.strip("│┃").split("│")] for line in text.splitlines()]
    return [row for row in rows if row[0] == check]


def test_of_several_targets_each_check_says_of_which(tell: Ask, beach: Path) -> None:
    gain = Check("fresh_gain", True, "better by [some]", target="plant")
    lost = replace(gain, passed=False, reason="no sure gain", target="disease")
    judged(beach, Check("onnx_parity", True, "the same"), gain, lost)
    result = tell("models", "show", "v1")
    assert result.code == 0
    assert cells(result.out, "onnx_parity")[0] == ["onnx_parity", "", "yes", "the same"]
    assert cells(result.out, "fresh_gain") == [
        ["fresh_gain", "plant", "yes", "better by [some]"],
        ["fresh_gain", "disease", "no", "no sure gain"],
    ]


def test_of_one_target_nobody_needs_to_be_told_which(tell: Ask) -> None:
    result = tell("models", "show", "v1")
    assert result.code == 0
    assert "target" not in result.out
    [floor] = cells(result.out, "floor")
    assert floor[:2] == ["floor", "yes"]


def crowned(home: Path) -> datetime:
    """When v1 became champion."""
    workspace = Workspace(home)
    with workspace.ledger.begin(write=False) as unit:
        (event,) = unit.events(subject="champion")
    workspace.close()
    return event.at


def test_the_champion_of_a_time_is_named_with_the_move_that_made_it(tell: Ask, beach: Path) -> None:
    at = crowned(beach)
    person = tell("models", "list", "--at", at.isoformat())
    assert person.code == 0
    moment = f"{at:%Y-%m-%d %H:%M:%S} UTC"
    assert f"At {moment} v1 was the champion, since {moment}" in person.out
    [row] = cells(person.out, "v1")
    assert row[:2] == ["v1", "champion"]
    body = tell("models", "list", "--at", at.isoformat(), "--json").body
    assert (body["at"], body["since"]) == (at.isoformat(), at.isoformat())
    assert (body["champion"], body["previous"]) == ("v1", None)
    assert [(row["id"], row["aliases"]) for row in body["versions"]] == [("v1", ["champion"])]


def test_a_time_before_the_first_champion_has_none(tell: Ask, beach: Path) -> None:
    at = crowned(beach)
    refusal = tell("models", "list", "--at", (at - timedelta(seconds=1)).isoformat())
    assert (refusal.code, refusal.out) == (3, "")
    assert "There was no champion at" in refusal.err
    assert "The first one is v1, champion since" in refusal.err


@pytest.mark.parametrize("text", ["last Tuesday", "9999-12-31"])
def test_a_time_that_nobody_can_know_is_refused(tell: Ask, text: str) -> None:
    refusal = tell("models", "list", "--at", text)
    assert (refusal.code, refusal.out) == (2, "")
    assert text in refusal.err


def test_a_card_is_one_object(tell: Ask, beach: Path) -> None:
    body = tell("models", "card", "v1", "--json").body
    with Workspace(beach) as workspace:
        card = workspace.card("v1")
    assert (body["version"], body["card"]) == ("v1", card.text)
    assert body["card"].startswith("# ")
    assert body["images"] == [str(path) for path in card.images]
    assert (body["verdict"]["version"], body["verdict"]["passed"]) == ("v1", True)
