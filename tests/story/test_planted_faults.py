"""A claim that cannot fail proves nothing: each is tried on a product with a fault planted in it.

The fault is a changed line in a copy of the product's sources (never in the judge), which a child
process runs. The workspace was trained by the unchanged product, once for all faults.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import tidemill
from tidemill.cli.story.telling import CLAIMS

SOURCES = Path(tidemill.__file__).parent.parent

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("story")]


@dataclass(frozen=True)
class Fault:
    """In `file`, the text `right` becomes `wrong`; then `claim` must not hold."""

    claim: str
    file: str
    right: str
    wrong: str


FAULTS = {
    "a leak is taken for a mere repetition": Fault(
        "faults_named", "data/checks.py", '"leak", "error"', '"identical", "error"'
    ),
    "a broken file is worth a warning": Fault(
        "faults_named",
        "data/checks.py",
        '"undecodable", "error", sentence',
        '"undecodable", "warning", sentence',
    ),
    "the loss teaches nothing": Fault(
        "champion_trained",
        "learn/module.py",
        "torch.stack(losses).sum()",
        "torch.stack(losses).sum() * 0",
    ),
    "golden samples are asked and never compared": Fault(
        "ready_proved",
        "web/probes.py",
        "if fault := _compare(sample, said):",
        "if (fault := _compare(sample, said)) and False:",
    ),
    "the recipe's routes are not asked": Fault(
        "ready_proved", "web/probes.py", "for probe in self.probes:", "for probe in ():"
    ),
    "the log forgets what it was given": Fault(
        "answers_kept",
        "adapters/traffic.py",
        'self._db.execute("COMMIT")',
        'self._db.execute("ROLLBACK")',
    ),
    "the log is written later": Fault(
        "answers_kept",
        "web/batcher.py",
        "            self._keep(kept)\n",
        "            threading.Timer(1, self._keep, [kept]).start()\n",
    ),
    "a log that fails is answered all the same": Fault(
        "answers_kept",
        "web/batcher.py",
        "        except StorageFailed:\n            raise\n",
        "        except StorageFailed:\n            return\n",
    ),
    "the lineage names another run": Fault(
        "answers_kept", "web/api.py", '"run": run.id', '"run": version.id'
    ),
    "the server looks at the ledger once": Fault(
        "swap_unnoticed", "web/slots.py", "self._stop.wait(self._poll)", "self._stop.wait(3600)"
    ),
    "the gate believes golden samples": Fault(
        "label_names",
        "loop/evidence.py",
        "truth = held.labels_of(payload_id(sample.payload))",
        "truth = sample.labels",
    ),
    "the gate asks for no learning": Fault(
        "not_untrained",
        "loop/gate.py",
        'Check("not_untrained", learned and decided,',
        'Check("not_untrained", True,',
    ),
    "any manifest is believed": Fault(
        "tampering_refused", "bundle.py", "if _digest(manifest) != id:", "if False:"
    ),
    "files are not compared with the manifest": Fault(
        "tampering_refused",
        "bundle.py",
        "if _digest((path / name).read_bytes()) != digest:",
        "if False:",
    ),
    "the seed is not honoured": Fault(
        "same_weights",
        "learn/fit.py",
        "torch.Generator().manual_seed(seed)",
        "torch.Generator(); generator.seed()",
    ),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which the unchanged product has told its whole story."""
    home = tmp_path_factory.mktemp("story")
    done = told(SOURCES, home)
    assert done.returncode == 0, done.stderr
    return home


def told(sources: Path, home: Path, only: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the demo from some sources over a workspace."""
    words = ["--only", only] if only else []
    return subprocess.run(
        [sys.executable, "-m", "tidemill", "demo", "--json", *words],
        env={**os.environ, "PYTHONPATH": str(sources), "TIDEMILL_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_story_holds_and_its_report_says_so(trained: Path) -> None:
    report = json.loads((trained / "demo" / "report.json").read_text())
    assert [row["id"] for row in report["claims"]] == [claim.id for claim in CLAIMS]
    assert all(row["held"] for row in report["claims"])
    assert report["seconds"] > 0
    page = (trained / "demo" / "report.html").read_text()
    assert page.count("data:image/png;base64,") >= 4
    assert "http" not in page.split("</style>")[1]


def test_every_claim_has_a_fault() -> None:
    assert {fault.claim for fault in FAULTS.values()} == {claim.id for claim in CLAIMS}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_breaks_its_claim(name: str, trained: Path, tmp_path: Path) -> None:
    fault = FAULTS[name]
    shutil.copytree(
        SOURCES / "tidemill", tmp_path / "tidemill", ignore=shutil.ignore_patterns("__pycache__")
    )
    file = tmp_path / "tidemill" / fault.file
    sound = file.read_text()
    assert sound.count(fault.right) == 1, f"{fault.file} no longer has this line"
    file.write_text(sound.replace(fault.right, fault.wrong))
    done = told(tmp_path, trained, only=fault.claim)
    assert done.returncode == 1, done.stderr
    (row,) = json.loads(done.stdout)["claims"]
    assert row["id"] == fault.claim
    assert row["held"] is False
