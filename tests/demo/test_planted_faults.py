"""A claim that cannot fail shows nothing: each is judged on a product with a planted fault.

The fault is a changed line in a copy of the product's sources (never in the judge), which a child
process runs. The claim must fail, and its value must say what the fault did, so that it fails for
the right reason. The same claim on an unchanged copy must hold. The unchanged product trains the
workspace once for all, except where the fault is in what a training records.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tidemill
from tests.demo.faults import FAULTS
from tidemill.demo.judge import CLAIMS

SOURCES = Path(tidemill.__file__).parent
OTHER_SOURCES = "was trained by other sources"
"""What the demo prints when it judges with other sources than it trained with."""

USER_SETTINGS = {
    "TIDEMILL_QUEUE": "1",
    "TIDEMILL_POLL_MS": "60000",
    "TIDEMILL_TRAFFIC_MAX_MB": "1",
}
"""A person's own settings. With any of them claims would fail, so none may reach the demo."""

LIMIT_S = 1_200
"""Ends a demo that hangs; how long it takes is no matter here."""

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]


@dataclass(frozen=True)
class WholeDemo:
    """A demo of all claims that the unchanged product ran in `home`, and its reports."""

    home: Path
    report: dict[str, Any]
    page: str


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unchanged copy of the sources, which nobody edits meanwhile."""
    return copy_package(SOURCES, tmp_path_factory.mktemp("unchanged"))


@pytest.fixture(scope="module")
def whole(unchanged: Path, tmp_path_factory: pytest.TempPathFactory) -> WholeDemo:
    """The demo of all claims, run once. Later tests use its workspace."""
    home = tmp_path_factory.mktemp("demo")
    completed = run_demo(unchanged, home)
    assert completed.stdout, completed.stderr
    failed = [row for row in json.loads(completed.stdout)["claims"] if not row["holds"]]
    assert (completed.returncode, failed) == (0, [])
    report = home / "demo" / "coffee" / "report"
    return WholeDemo(
        home,
        json.loads(report.with_suffix(".json").read_text()),
        report.with_suffix(".html").read_text(),
    )


def copy_package(package: Path, folder: Path) -> Path:
    """Copy the package into a folder, which is returned."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package, folder / package.name, ignore=ignored)
    return folder


def run_demo(
    sources: Path, home: Path, only: str | None = None, *, samples: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the demo from some sources over a workspace."""
    words = ["--only", only] if only else []
    variables = {
        "PYTHONPATH": str(sources),
        "TIDEMILL_HOME": str(home),
        "TIDEMILL_SAMPLES": str(samples or home / "samples"),
    }
    return subprocess.run(
        [sys.executable, "-m", "tidemill", "demo", "--json", *words],
        env={**os.environ, **USER_SETTINGS, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )


def test_every_claim_holds_and_the_reports_say_so(whole: WholeDemo) -> None:
    assert [row["id"] for row in whole.report["claims"]] == [claim.id for claim in CLAIMS]
    assert all(row["holds"] for row in whole.report["claims"])
    assert whole.report["seconds"] > 0
    assert whole.page.count("<article") == len(CLAIMS)
    assert whole.page.count("<svg") >= 6
    assert "://" not in whole.page


@pytest.mark.parametrize("claim", [claim.id for claim in CLAIMS])
def test_a_claim_holds_alone_without_a_fault(claim: str, unchanged: Path, whole: WholeDemo) -> None:
    completed = run_demo(unchanged, whole.home, only=claim)
    (row,) = json.loads(completed.stdout)["claims"]
    assert (row["id"], row["holds"]) == (claim, True), row["value"]
    assert completed.returncode == 0
    assert OTHER_SOURCES not in completed.stderr


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_fails_its_claim(
    name: str, unchanged: Path, whole: WholeDemo, tmp_path: Path
) -> None:
    fault = FAULTS[name]
    sources = copy_package(unchanged / SOURCES.name, tmp_path)
    file = sources / SOURCES.name / fault.file
    file.write_text(file.read_text().replace(fault.right, fault.wrong))
    home = tmp_path / "home" if fault.trains else whole.home
    completed = run_demo(sources, home, only=fault.claim, samples=whole.home / "samples")
    assert completed.returncode == 1, completed.stderr
    (row,) = json.loads(completed.stdout)["claims"]
    assert (row["id"], row["holds"]) == (fault.claim, False)
    assert fault.says in row["value"]
    assert (OTHER_SOURCES in completed.stderr) is not fault.trains
