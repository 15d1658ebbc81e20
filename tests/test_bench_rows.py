"""The tables on real data: no row that did not run passes for one that did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bench.row import Row, Shift
from bench.rows import measure_rows

from tidemill.domain.errors import Unavailable, UsageError

# A recipe that is not there fails before torch is loaded.
ROW = Row(
    "nowhere",
    "no_such_recipe",
    "a folder that is not there",
    "given",
    "ngram",
    ("data=files", "data.path={real}/nowhere"),
    accuracy=0.5,
    seconds=60,
    seeds=(0,),
    shifts=(Shift("others", lambda _place, test: test),),
)
GOALS = ("nowhere", "nowhere_seconds", "drift_nowhere_others", "quiet_nowhere")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TIDEMILL_REAL_DATA", str(tmp_path))
    return tmp_path


def goals(out: Path) -> dict[str, bool]:
    body = json.loads((out / "rows.json").read_text())
    return {goal["id"]: goal["met"] for goal in body["goals"]}


def test_a_row_that_fails_has_missed_everything_that_was_asked_of_it(place: Path) -> None:
    assert ROW.goals == GOALS
    assert measure_rows("rows", "Rows", [ROW], None, out=place) == 1
    assert goals(place) == dict.fromkeys(GOALS, False)


def test_a_row_that_was_not_asked_for_has_missed_it_too(place: Path) -> None:
    other = Row("other", ROW.recipe, "", "given", "ngram", ROW.overrides, seeds=(0,))
    assert measure_rows("rows", "Rows", [ROW, other], ["nowhere"], out=place) == 1
    assert goals(place)["other"] is False


def test_an_unknown_row_is_named(place: Path) -> None:
    with pytest.raises(UsageError, match="No row is called nope"):
        measure_rows("rows", "Rows", [ROW], ["nope"], out=place)


def test_without_the_real_data_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TIDEMILL_REAL_DATA", raising=False)
    with pytest.raises(Unavailable, match="real data is not here"):
        measure_rows("rows", "Rows", [ROW], None, out=tmp_path)
