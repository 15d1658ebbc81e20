"""A claim that cannot fail proves nothing: each is tried on a product with a fault planted in it.

The fault is a changed line in a copy of the product's sources (never in the judge), which a child
process runs. The claim must break, and its figure must say what the fault did, so that it breaks
for the right reason. The same claim on an unchanged copy must hold. The workspace was trained by
the unchanged product, once for all, except where what a training records is the matter.
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
from tidemill.demo.judge import CLAIMS

SOURCES = Path(tidemill.__file__).parent
OTHERS = "was trained by other sources"
"""What the demo says when it judges with other sources than it trained with."""

OF_THE_USER = {
    "TIDEMILL_QUEUE": "1",
    "TIDEMILL_POLL_MS": "60000",
    "TIDEMILL_TRAFFIC_MAX_MB": "1",
}
"""A person's own settings. With any of them the story could not hold, so none may reach it."""

LONGEST = 400

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("story")]


@dataclass(frozen=True)
class Fault:
    """In `file`, the text `right` becomes `wrong`; then `claim` breaks, and its figure `says` so.

    With `trains`, the faulty product also trains the workspace that it is judged on.
    """

    claim: str
    file: str
    right: str
    wrong: str
    says: str
    trains: bool = False


FAULTS = {
    "a leak is taken for a mere repetition": Fault(
        "faults_named",
        "data/checks.py",
        '"leak", "error"',
        '"identical", "error"',
        "reported [",
    ),
    "a broken file is worth a warning": Fault(
        "faults_named",
        "data/checks.py",
        '"undecodable", "error", sentence',
        '"undecodable", "warning", sentence',
        "('warning', 'undecodable'",
    ),
    "a finding forgets which files it is about": Fault(
        "faults_named",
        "data/checks.py",
        'examples have the same content: {_named(files)}."',
        'examples have the same content."',
        "is not named in",
    ),
    "the loss teaches nothing": Fault(
        "champion_trained",
        "learn/module.py",
        "torch.stack(losses).sum()",
        "torch.stack(losses).sum() * 0",
        "its gate ended with exit code 1",
    ),
    "golden samples are asked and never compared": Fault(
        "ready_proved",
        "web/probes.py",
        "if fault := compare(sample, said, targets):",
        "if (fault := compare(sample, said, targets)) and False:",
        "gets a wrong label",
    ),
    "the recipe's routes are not asked": Fault(
        "ready_proved",
        "web/probes.py",
        "for probe in self.probes:",
        "for probe in ():",
        "probes for",
    ),
    "probabilities are never compared": Fault(
        "ready_proved",
        "bundle.py",
        "if not gap <= TOLERANCE:",
        "if False:",
        "gets a wrong probability",
    ),
    "the log forgets what it was given": Fault(
        "answers_kept",
        "adapters/traffic.py",
        'self._db.execute("COMMIT")',
        'self._db.execute("ROLLBACK")',
        "is lost (404)",
    ),
    "the log is written later": Fault(
        "answers_kept",
        "web/batcher.py",
        "            self._keep(kept)\n",
        "            threading.Timer(1, self._keep, [kept]).start()\n",
        "is lost (404)",
    ),
    "a log that fails is answered all the same": Fault(
        "answers_kept",
        "web/batcher.py",
        "        except StorageFailed:\n            raise\n",
        "        except StorageFailed:\n            return\n",
        "went unnoticed",
    ),
    "the lineage names another run": Fault(
        "answers_kept",
        "web/api.py",
        '"run": run.id',
        '"run": version.id',
        "lineage.run is 'v1'",
    ),
    "the lineage tells another configuration": Fault(
        "answers_kept",
        "web/api.py",
        '"config": dict(run.config)',
        '"config": {**run.config, "seed": 1}',
        "lineage.config.seed is 1, not 0",
    ),
    "the payload is not kept": Fault(
        "answers_kept",
        "adapters/traffic.py",
        "        prediction.payload,\n",
        '        b"",\n',
        "example is",
    ),
    "the commit is not recorded": Fault(
        "answers_kept",
        "provenance.py",
        '"revision": _git(folder, "rev-parse", "HEAD")',
        '"revision": ""',
        "code.revision is ''",
        trains=True,
    ),
    "the server looks at the ledger once": Fault(
        "swap_unnoticed",
        "web/slots.py",
        "self._stop.wait(self._poll)",
        "self._stop.wait(3600)",
        "was not served within",
    ),
    "the gate believes golden samples": Fault(
        "label_names",
        "loop/evidence.py",
        "_name_faults(known.get(id, ()), answers)",
        "_name_faults((sample.labels,), answers)",
        "made to agree: refused, but only by",
    ),
    "the gate lets names pass that nothing proves": Fault(
        "label_names",
        "loop/gate.py",
        "if named > policy.margin * n:",
        "if False:",
        "two names exchanged, their golden samples dropped: refused, but only by",
    ),
    "the gate asks for no learning": Fault(
        "not_untrained",
        "loop/gate.py",
        'Check("not_untrained", learned and decided,',
        'Check("not_untrained", True,',
        "not_untrained let it pass",
    ),
    "any manifest is believed": Fault(
        "tampering_refused",
        "bundle.py",
        "if _digest(manifest) != id:",
        "if False:",
        "and its manifest recomputed:",
    ),
    "files are not compared with the manifest": Fault(
        "tampering_refused",
        "bundle.py",
        "if _digest(content) != digest:",
        "if False:",
        "a file changed:",
    ),
    "the seed is not honoured": Fault(
        "same_weights",
        "learn/fit.py",
        "torch.Generator().manual_seed(seed)",
        "torch.Generator(); generator.seed()",
        "another model.onnx",
    ),
    "every weight has the same digest": Fault(
        "same_weights",
        "learn/digest.py",
        "        digest.update(tensor.numpy().tobytes())\n",
        "",
        "the same model.onnx and another digest",
    ),
    "every window is called drift": Fault(
        "no_false_drift",
        "loop/drift.py",
        "drifted = name in surprising and moved >= policy.psi",
        "drifted = True",
        "is called drift",
    ),
    "no window is called drift": Fault(
        "drift_noticed",
        "loop/drift.py",
        "drifted = name in surprising and moved >= policy.psi",
        "drifted = False",
        "a drift verdict after 400 predictions did not come",
    ),
    "the mill learns from the model's own answers": Fault(
        "mill_turned",
        "engine/extend_snapshot.py",
        "labels={row.target: row.label for row in rows}",
        "labels={row.target: row.answered for row in rows}",
        "refused",
    ),
    "a training outlives its engine": Fault(
        "engine_killed",
        "adapters/local_jobs.py",
        'tidemill", *words, "--with-parent"]',
        'tidemill", *words]',
        "its trainings are ['finished']",
    ),
    "fresh labels are always believed": Fault(
        "poison_refused",
        "loop/gate.py",
        'Check("fresh_credible", best >= policy.fresh_floor,',
        'Check("fresh_credible", True,',
        "it was refused for another reason",
    ),
    "a rollback believes what taught the bad version": Fault(
        "rollback_quarantines",
        "loop/rollout.py",
        "quarantine(unit, taken_back - served,",
        "quarantine(unit, set(),",
        "the wrong feedback was quarantined",
    ),
}


@dataclass(frozen=True)
class Told:
    """A whole story that the unchanged product told in `home`, and what it left there."""

    home: Path
    report: dict[str, Any]
    page: str


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unchanged copy of the sources, which nobody edits meanwhile."""
    return copied(SOURCES, tmp_path_factory.mktemp("sound"))


@pytest.fixture(scope="module")
def story(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """The whole story, told once. Later tests go on with its workspace."""
    home = tmp_path_factory.mktemp("story")
    done = tell(sound, home)
    assert done.stdout, done.stderr
    broken = [row for row in json.loads(done.stdout)["claims"] if not row["held"]]
    assert (done.returncode, broken) == (0, [])
    report = home / "demo" / "coffee" / "report"
    return Told(
        home,
        json.loads(report.with_suffix(".json").read_text()),
        report.with_suffix(".html").read_text(),
    )


def copied(package: Path, into: Path) -> Path:
    """A copy of the package in a folder, which is returned."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package, into / package.name, ignore=ignored)
    return into


def tell(
    sources: Path, home: Path, only: str | None = None, *, samples: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the demo from some sources over a workspace."""
    words = ["--only", only] if only else []
    given = {
        "PYTHONPATH": str(sources),
        "TIDEMILL_HOME": str(home),
        "TIDEMILL_SAMPLES": str(samples or home / "samples"),
    }
    return subprocess.run(
        [sys.executable, "-m", "tidemill", "demo", "--json", *words],
        env={**os.environ, **OF_THE_USER, **given},
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST,
    )


def test_the_story_holds_and_its_report_says_so(story: Told) -> None:
    assert [row["id"] for row in story.report["claims"]] == [claim.id for claim in CLAIMS]
    assert all(row["held"] for row in story.report["claims"])
    assert story.report["seconds"] > 0
    assert story.page.count("<figure><img") >= 4
    assert "://" not in story.page.split("</style>")[1]


def test_every_claim_has_a_fault() -> None:
    assert {fault.claim for fault in FAULTS.values()} == {claim.id for claim in CLAIMS}


@pytest.mark.parametrize("claim", [claim.id for claim in CLAIMS])
def test_a_claim_holds_alone_without_a_fault(claim: str, sound: Path, story: Told) -> None:
    done = tell(sound, story.home, only=claim)
    (row,) = json.loads(done.stdout)["claims"]
    assert (row["id"], row["held"]) == (claim, True), row["figure"]
    assert done.returncode == 0
    assert OTHERS not in done.stderr


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_breaks_its_claim(
    name: str, sound: Path, story: Told, tmp_path: Path
) -> None:
    fault = FAULTS[name]
    sources = copied(sound / SOURCES.name, tmp_path)
    file = sources / SOURCES.name / fault.file
    text = file.read_text()
    assert text.count(fault.right) == 1, f"{fault.file} no longer has this line"
    file.write_text(text.replace(fault.right, fault.wrong))
    home = tmp_path / "home" if fault.trains else story.home
    done = tell(sources, home, only=fault.claim, samples=story.home / "samples")
    assert done.returncode == 1, done.stderr
    (row,) = json.loads(done.stdout)["claims"]
    assert (row["id"], row["held"]) == (fault.claim, False)
    assert fault.says in row["figure"]
    assert (OTHERS in done.stderr) is not fault.trains
