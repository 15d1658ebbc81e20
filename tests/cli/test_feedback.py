"""`tidemill feedback`, over a workspace on disk."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Ask as Tell
from tests.engine import feedback_rows
from tidemill.cli.main import main
from tidemill.domain.feedback import Feedback
from tidemill.loop.feedback import give
from tidemill.loop.feedback_columns import FeedbackColumns
from tidemill.screen import OUT
from tidemill.testing.tiny_recipe.pebbles import pebbles
from tidemill.workspace.workspace import Workspace

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DATABASE = "TIDEMILL_FEEDBACK_DATABASE"
Ask = Callable[..., tuple[int, str, str]]
GIVEN = [("a", "rust", "ana"), ("a", "miner", "bob"), ("b", "rust", "ana"), ("c", "rust", "ana")]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A workspace with four labels, two of them about the same leaf."""
    home = tmp_path / "home"
    workspace = Workspace(home).create()
    with workspace.ledger.begin() as unit:
        for n, (leaf, label, actor) in enumerate(GIVEN):
            at = NOW + timedelta(minutes=n)
            item = Feedback(f"f{n}", "", leaf * 64, "disease", "", label, "phoma", actor, at)
            give(unit, item)
    workspace.close()
    return home


@pytest.fixture
def ask(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs the command line in this process: exit code, stdout, stderr."""
    monkeypatch.setenv("TIDEMILL_HOME", str(home))
    monkeypatch.setenv("TIDEMILL_ACTOR", "eve")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tidemill", "feedback", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        output = capsys.readouterr()
        assert "Traceback" not in output.out + output.err
        return int(left.value.code or 0), output.out, output.err

    return run


def listed_feedback(ask: Ask, *words: str) -> list[dict[str, Any]]:
    code, out, _ = ask(*words, "--json")
    assert code == 0, out
    rows: list[dict[str, Any]] = json.loads(out)["feedback"]
    return rows


def statuses(ask: Ask) -> dict[str, str]:
    return {row["id"]: row["status"] for row in listed_feedback(ask, "list")}


def test_listing_is_newest_first_and_of_a_status_oldest_first(ask: Ask) -> None:
    assert [row["id"] for row in listed_feedback(ask, "list")] == ["f3", "f2", "f1", "f0"]
    pending = listed_feedback(ask, "list", "--status", "pending", "--limit", "2")
    assert [row["id"] for row in pending] == ["f0", "f1"]
    assert listed_feedback(ask, "list", "--status", "accepted") == []
    code, out, _ = ask("list")
    assert code == 0
    assert "rust" in out
    assert ask("list", "--status", "maybe")[0] == 2


def test_a_listed_id_can_be_copied_from_a_narrow_terminal(
    ask: Ask, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = "01a1fb4b-8215-74df-a5f3-d6fc45fa526e"
    workspace = Workspace(home)
    with workspace.ledger.begin() as unit:
        give(unit, Feedback(id, "", "d" * 64, "disease", "", "rust", "phoma", "ana [/b]", NOW))
    workspace.close()
    monkeypatch.setattr(OUT, "width", 100)
    shown = ask("list")[1]
    assert f" {id} " in shown
    assert " ana [/b] " in shown


def test_brackets_are_no_markup_in_any_cell(
    ask: Ask, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [f"[/{letter}]" for letter in "iabcd"]
    id, target, item, label, answered = words
    workspace = Workspace(home)
    with workspace.ledger.begin() as unit:
        row = Feedback(id, "", "d" * 64, target, item, label, answered, "[/x]", NOW)
        give(unit, row)
    workspace.close()
    assert ask("reject", id, "--reason", "[/y]")[0] == 0
    monkeypatch.setattr(OUT, "width", 160)
    code, shown, _ = ask("list")
    assert code == 0
    assert all(word in shown for word in (*words, "[/x]", "[/y]"))


def test_accepting_and_rejecting_by_id(ask: Ask, home: Path) -> None:
    [row] = listed_feedback(ask, "accept", "f2", "--reason", "seen")
    assert (row["id"], row["status"], row["reason"]) == ("f2", "accepted", "seen")
    code, _, err = ask("reject", "f0", "f1", "--reason", "blurred")
    assert (code, err.strip()) == (0, "2 rejected")
    expected = {"f0": "rejected", "f1": "rejected", "f2": "accepted", "f3": "pending"}
    assert statuses(ask) == expected
    with Workspace(home).ledger.begin(write=False) as unit:
        [event] = unit.events(subject="f0")[:1]
    assert (event.kind, event.actor, event.reason) == ("FeedbackStatusChanged", "eve", "blurred")


def test_accepting_all_takes_the_later_of_two_labels(ask: Ask) -> None:
    code, _, err = ask("accept", "--all")
    assert (code, err.strip()) == (0, "1 superseded, 3 accepted")
    assert statuses(ask) == {
        "f0": "superseded",
        "f1": "accepted",
        "f2": "accepted",
        "f3": "accepted",
    }
    assert ask("accept", "--all")[2].strip() == "nothing is pending"


def test_accepting_all_does_not_undo_a_later_label(ask: Ask) -> None:
    ask("accept", "f1")
    ask("accept", "--all")
    assert statuses(ask)["f1"] == "accepted"
    assert statuses(ask)["f0"] == "superseded"


@pytest.mark.parametrize("act", [["accept"], ["reject", "--reason", "so"]])
def test_one_that_cannot_be_settled_keeps_all_as_they_were(ask: Ask, act: list[str]) -> None:
    before = statuses(ask)
    assert ask(*act, "f2", "f9")[0] == 3
    assert statuses(ask) == before
    assert ask(*act, "f2")[0] == 0
    before = statuses(ask)
    assert ask(*act, "f3", "f2")[0] == 1
    assert statuses(ask) == before


def test_pulling_takes_in_what_is_new_and_says_so(
    tell: Tell, beach: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feedback_rows.create_table(tmp_path)
    feedback_rows.write_rows(
        tmp_path, feedback_rows.right_rows(pebbles(5, 61, 0.0), NOW, apart=timedelta(hours=1))
    )
    monkeypatch.setenv(DATABASE, f"sqlite:///{tmp_path / feedback_rows.FILE}")
    body = {"rows": 5, "new": 5, "left_out": 0, "reasons": []}
    assert tell("feedback", "pull", "--json").body == body
    assert tell("feedback", "pull").err == "1 rows read, 0 new labels\n"
    listed = tell("feedback", "list", "--json").body["feedback"]
    assert {(row["actor"], row["status"]) for row in listed} == {("feedback_table", "pending")}
    workspace = Workspace(beach)
    table = workspace.feedback_table(FeedbackColumns())
    assert table is not None
    with workspace.ledger.begin(write=False) as unit:
        assert {row.actor for row in unit.events(subject=table.import_offset)} == {"eve"}
    workspace.close()


def test_what_a_pull_leaves_out_is_said(
    tell: Tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = feedback_rows.right_rows(pebbles(5, 61, 0.0), NOW, apart=timedelta(hours=1))
    lines[2] = (lines[2][0], "maybe", lines[2][2])
    feedback_rows.create_table(tmp_path)
    feedback_rows.write_rows(tmp_path, lines)
    monkeypatch.setenv(DATABASE, f"sqlite:///{tmp_path / feedback_rows.FILE}")
    errors = tell("feedback", "pull").err.splitlines()
    assert errors[0] == "5 rows read, 4 new labels, 1 left out"
    assert errors[1:] == [
        f"The row of feedback of {lines[2][2]} cannot be imported: 'maybe' is no label of stone."
    ]
    feedback_rows.write_rows(tmp_path, lines[2:3])
    assert tell("feedback", "pull", "--json").body["left_out"] == 0


def test_a_pull_takes_the_names_of_another_table(
    tell: Tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feedback_rows.create_table(tmp_path)
    monkeypatch.setenv(DATABASE, f"sqlite:///{tmp_path / feedback_rows.FILE}")
    result = tell("feedback", "pull", "feedback.table=corrections", "--json")
    assert (result.code, result.body["error"]["code"]) == (3, "data")
    assert result.body["error"]["hint"] == "It has: feedback. Set feedback.table."
    assert tell("feedback", "pull", "feedback.tabel=corrections").code == 2
    assert tell("feedback", "pull", "feedback.payload=label").err == "0 rows read, 0 new labels\n"


def test_rows_none_of_which_can_be_taken_are_an_error_of_the_data(
    tell: Tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feedback_rows.create_table(tmp_path)
    feedback_rows.write_rows(tmp_path, [(pebbles(1, 61, 0.0)[0].payload.decode(), "maybe", NOW)])
    monkeypatch.setenv(DATABASE, f"sqlite:///{tmp_path / feedback_rows.FILE}")
    result = tell("feedback", "pull", "--json")
    assert (result.code, result.body["error"]["code"]) == (3, "data")
    assert "'maybe'" in result.body["error"]["message"]


def test_pulling_needs_a_database_that_is_there(
    tell: Tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = tell("feedback", "pull", "--json")
    assert (result.code, result.body["error"]["code"]) == (2, "usage")
    assert DATABASE in result.body["error"]["hint"]
    monkeypatch.setenv(DATABASE, "somewhere")
    assert tell("feedback", "pull").code == 2
    monkeypatch.setenv(DATABASE, f"sqlite:///{tmp_path / 'nowhere'}")
    assert tell("feedback", "pull").code == 4


def test_the_address_of_the_database_is_not_shown(
    tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATABASE, "postgresql://ann:hush@host/base")
    for words in (["config"], ["config", "--json"]):
        shown = tell(*words)
        assert (shown.code, "hush" in shown.out + shown.err) == (0, False)


def test_a_command_that_does_not_say_what_is_usage(ask: Ask) -> None:
    for words in (["accept"], ["accept", "f1", "--all"], ["reject", "f1"], ["reject"]):
        assert ask(*words)[0] == 2, words


def test_a_list_escapes_control_characters(home: Path, ask: Ask) -> None:
    workspace = Workspace(home)
    with workspace.ledger.begin() as unit:
        actor = "\x1b[2Jeve"
        give(unit, Feedback("f9", "", "d" * 64, "disease", "", "rust", "phoma", actor, NOW))
    workspace.close()
    _, out, _ = ask("list")
    assert "\x1b" not in out
    assert "\\x1b" in out
