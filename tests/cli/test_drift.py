"""`drift`: the champion's last check, feature by feature, out of a real ledger."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tidemill.adapters.memory import FixedClock
from tidemill.cli.drift import REACH, WIDTH, bar
from tidemill.cli.main import main
from tidemill.domain.drift import DriftVerdict, FeatureDrift, Profile
from tidemill.domain.events import AliasMoved, DriftChecked, SnapshotTaken
from tidemill.domain.types import Alias, Check, ModelVersion, Prediction, Run, Snapshot, Verdict
from tidemill.workspace.workspace import Workspace

NOW = FixedClock().now()
FEATURES = (
    FeatureDrift("contrast", 0.071, 0.09, 0.4, drifted=False),
    FeatureDrift("brightness", 1.42, 0.47, 0.00004, drifted=True),
    FeatureDrift("[confidence]", 0.3, 0.2, 0.01, drifted=False),
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def workspace(home: Path) -> Workspace:
    return Workspace(home).create()


def crown(workspace: Workspace, config: dict[str, Any]) -> None:
    """A champion whose run has this configuration."""
    event = SnapshotTaken(actor="test", subject="s1", rows=3)
    labels = {"disease": ("healthy", "rust")}
    moved = AliasMoved(actor="test", subject="champion", version="v1", before=None, verdict="d1")
    with workspace.ledger.begin() as unit:
        unit.add(Snapshot("s1", "coffee", 3, {"train": 3}, labels, "stop", None, NOW), event)
        unit.add(Run("r1", "coffee", "s1", 0, config, {}, {}, NOW), event)
        unit.add(ModelVersion("v1", "b" * 64, "r1", "s1", "coffee", None, NOW), event)
        passed = (Check("floor", True, "0.9 is enough", 0.9),)
        unit.add(Verdict("d1", "v1", None, True, passed, 1, NOW), event)
        unit.move_alias(Alias("champion", "v1", "d1", NOW), expected=None, event=moved)


def see(workspace: Workspace, n: int, *, since: int = 0) -> None:
    """Drain n predictions of the champion."""
    with workspace.ledger.begin() as unit:
        unit.drain(
            "a",
            [
                Prediction(str(at), "a", at, "v1", NOW, "live", b"", (), b"\x00")
                for at in range(since + 1, since + n + 1)
            ],
            [Profile("v1", "live", NOW, n, (n, 0))],
            since=since,
        )


def check(workspace: Workspace, id: str, n: int, features: tuple[FeatureDrift, ...]) -> None:
    """Judge what is open: these features were found."""
    drifted = any(row.drifted for row in features)
    later = NOW + timedelta(minutes=5)
    verdict = DriftVerdict(id, "v1", drifted, n, 300, NOW, NOW, features, later, 0.2)
    event = DriftChecked(actor="test", subject=id, version="v1", drifted=drifted)
    with workspace.ledger.begin() as unit:
        unit.record_drift_verdict(verdict, event)


@pytest.fixture
def ask(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs the command: its exit code and what it printed."""

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setenv("COLUMNS", "160")
        monkeypatch.setattr(sys, "argv", ["tidemill", "drift", "--home", str(home), *words])
        with pytest.raises(SystemExit) as left:
            main()
        code = left.value.code or 0
        assert isinstance(code, int)
        return code, capsys.readouterr().out

    return run


def test_without_a_champion_there_is_nothing_to_show(workspace: Workspace, ask: Any) -> None:
    code, output = ask("--json")
    assert code == 3
    assert json.loads(output)["error"]["message"] == "There is no champion yet."


def test_before_the_first_check_it_says_how_far_the_window_is(
    workspace: Workspace, ask: Any
) -> None:
    crown(workspace, {})
    assert ask() == (0, "No drift check yet: 0 of 200 predictions.\n")
    see(workspace, 37)
    assert ask() == (0, "No drift check yet: 37 of 200 predictions.\n")


def test_the_policy_is_that_of_the_champions_run(workspace: Workspace, ask: Any) -> None:
    chosen = {"minimum": 50, "psi": 0.5, "alpha": 0.05, "every_s": 60}
    crown(workspace, {"drift": chosen})
    assert ask() == (0, "No drift check yet: 0 of 50 predictions.\n")
    see(workspace, 60)
    check(workspace, "c1", 60, FEATURES)
    assert "│ at 0.50" in ask()[1]
    assert json.loads(ask("--json")[1])["policy"] == chosen


def test_every_feature_has_a_row_the_drifted_ones_first(workspace: Workspace, ask: Any) -> None:
    crown(workspace, {})
    see(workspace, 250)
    check(workspace, "c1", 250, FEATURES)
    see(workspace, 12, since=250)
    code, output = ask()
    assert code == 0
    rows = [line.split() for line in output.splitlines() if " yes " in line or " no " in line]
    assert [row[1] for row in rows[-3:]] == ["brightness", "[confidence]", "contrast"]
    assert f"v1, drift at {NOW + timedelta(minutes=5):%Y-%m-%d %H:%M:%S} UTC" in output
    assert "1.420" in output
    assert "< 0.0001" in output
    assert (
        "brightness moved most: PSI 1.42, p < 0.0001; 1 of 3 features drifted, "
        "250 predictions against 300 held-out examples.\n"
    ) in output
    assert output.endswith("Since then: 12 of 200 predictions for the next check.\n")


def test_earlier_checks_have_a_line_each(workspace: Workspace, ask: Any) -> None:
    crown(workspace, {})
    calm = FEATURES[:1]
    for number, features in enumerate((FEATURES, calm, calm)):
        see(workspace, 200, since=200 * number)
        check(workspace, f"c{number}", 200, features)
    see(workspace, 300, since=600)
    output = ask()[1]
    assert output.count("moved most") == 3
    assert output.endswith("Since then: 300 predictions, which the next check judges.\n")
    assert ask("--limit", "1")[1].count("moved most") == 1
    verdicts = json.loads(ask("--json", "--limit", "2")[1])
    assert [verdict["id"] for verdict in verdicts["verdicts"]] == ["c2", "c1"]
    assert verdicts["window"] == {"n": 300, "missing": 0}
    assert verdicts["version"] == "v1"
    assert verdicts["verdicts"][0]["features"][0]["psi"] == 0.071


@pytest.mark.parametrize(
    ("psi", "filled"), [(0.0, 0), (0.1, 3), (0.2, 6), (0.4, 12), (0.8, WIDTH), (7.5, WIDTH)]
)
def test_a_bar_is_as_long_as_the_psi_and_shows_where_it_matters(psi: float, filled: int) -> None:
    drawn = bar(psi, 0.2, drifted=psi > 0.2)
    assert len(drawn) == WIDTH
    assert drawn.plain[WIDTH // REACH] == "│"
    assert drawn.plain.count("━") == filled - (filled > WIDTH // REACH)
    assert drawn.style == ("red" if psi > 0.2 else "")


def test_a_bar_without_a_threshold_is_measured_against_one() -> None:
    assert bar(0.5, 0.0, drifted=False).plain.count("━") == WIDTH // 2 - 1
