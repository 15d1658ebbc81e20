"""`make coverage`: all of the package is measured, and its figure is recorded as it is."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from docs import record_coverage
from docs.record_coverage import COMMAND, MINIMUM, RECORD, main, state_figure

ROOT = Path(__file__).parents[1]
SOURCES = [path for path in (ROOT / "src").rglob("*.py") if path.stat().st_size]
README = "Before. The tests run 12.3 % of the lines and branches of `src` (`make coverage`). After."


def report(lines: int, branches: int) -> dict[str, Any]:
    """What `coverage json` writes, of 100 lines and 20 branches."""
    totals = {
        "percent_covered": (lines + branches) / 120 * 100,
        **{"covered_lines": lines, "num_statements": 100},
        **{"covered_branches": branches, "num_branches": 20},
    }
    return {"totals": totals, "files": {"src/tidemill/a.py": {}, "src/tidemill/b.py": {}}}


def test_the_command_measures_all_of_the_package_and_its_children() -> None:
    assert COMMAND == "make coverage"
    assert MINIMUM >= 90
    recipe = re.search(r"^coverage:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.M)
    assert recipe
    assert "--cov" in recipe[1]
    assert "docs/record_coverage.py" in recipe[1]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    settings = project["tool"]["coverage"]
    assert set(settings) == {"run"}, "a report that leaves lines out"
    assert settings["run"]["source_pkgs"] == ["tidemill"]
    assert settings["run"]["branch"]
    assert "subprocess" in settings["run"]["patch"]
    assert not {"omit", "include", "source"} & set(settings["run"])
    assert [path.name for path in SOURCES if "pragma: no" in path.read_text("utf-8")] == []


@pytest.fixture
def record() -> dict[str, Any]:
    """The recorded figure."""
    recorded: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
    return recorded


def test_the_readme_states_the_recorded_figure(record: dict[str, Any]) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert state_figure(readme, record) == readme
    assert record["percent"] >= MINIMUM


def test_the_record_agrees_with_its_own_counts(record: dict[str, Any]) -> None:
    covered, possible = map(sum, zip(record["lines"], record["branches"], strict=True))
    assert record["command"] == COMMAND
    assert record["percent"] == pytest.approx(100 * covered / possible, abs=0.051)


def test_the_record_is_of_a_tree_like_this_one(record: dict[str, Any]) -> None:
    assert record["files"] == pytest.approx(len(SOURCES), rel=0.15), f"run `{COMMAND}` again"


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a README, where the script writes."""
    (tmp_path / "README.md").write_text(README)
    monkeypatch.setattr(record_coverage, "ROOT", tmp_path)
    monkeypatch.setattr(record_coverage, "RECORD", tmp_path / "coverage.json")
    return tmp_path


def test_a_report_is_recorded_with_its_figure(planted: Path) -> None:
    (planted / "report.json").write_text(json.dumps(report(98, 15)))
    assert main(str(planted / "report.json")) == 0
    assert json.loads((planted / "coverage.json").read_text()) == {
        **{"command": "make coverage", "percent": 94.2},
        **{"lines": [98, 100], "branches": [15, 20], "files": 2},
    }
    assert (planted / "README.md").read_text() == README.replace("12.3", "94.2")


def test_a_figure_below_the_minimum_is_refused(
    planted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (planted / "report.json").write_text(json.dumps(report(90, 10)))
    assert main(str(planted / "report.json")) == 1
    assert "83.3 % is below 90.0 %" in capsys.readouterr().err
    assert not (planted / "coverage.json").exists()
    assert (planted / "README.md").read_text() == README


@pytest.mark.parametrize("text", ["", README + README], ids=["none", "two"])
def test_a_readme_without_one_sentence_is_refused(
    planted: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (planted / "README.md").write_text(text)
    (planted / "report.json").write_text(json.dumps(report(98, 15)))
    assert main(str(planted / "report.json")) == 1
    assert "The tests run 94.2 % of the lines and branches" in capsys.readouterr().err
    assert not (planted / "coverage.json").exists()
