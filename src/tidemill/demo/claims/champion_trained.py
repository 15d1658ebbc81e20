"""A champion is trained from generated data and passes its gate."""

from __future__ import annotations

from tidemill.demo.claim import Claim, Outcome, expect
from tidemill.demo.demo_run import Stage
from tidemill.domain.types import Verdict
from tidemill.settings import read_settings
from tidemill.workspace.root import open_workspace


def judge(stage: Stage) -> Outcome:
    home = stage.folder("trained")
    said = stage.train(home, promoted=True)
    expect(said.code == 0, f"training and its gate ended with exit code {said.code}")
    workspace = open_workspace(read_settings(home=home))
    with workspace.ledger.begin(write=False) as unit:
        (verdict,) = unit.latest(Verdict)
    expect(workspace.champion().id == said.body["version"], "the champion is another version")
    expect(verdict.passed, "no passing verdict is recorded")
    floors = [check.value or 0.0 for check in verdict.checks if check.name == "floor"]
    # Of several targets, a training reports the mean.
    accuracy, measured = said.body["metrics"]["test"]["accuracy"], sum(floors) / len(floors)
    expect(
        abs(measured - accuracy) < 0.002,
        f"training reports {accuracy}, the gate measures {measured}",
    )
    stage.adopt(home)
    return Outcome(True, f"test accuracy {accuracy:.3f} in {said.body['seconds']:.0f} s")


CLAIM = Claim("champion_trained", "A champion is trained and passes its gate", judge)
