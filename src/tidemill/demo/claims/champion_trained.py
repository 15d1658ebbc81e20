"""A champion is trained from generated data and passes the gate."""

from __future__ import annotations

from tidemill.demo.claim import Claim, Outcome, expect
from tidemill.demo.demo_run import DemoRun
from tidemill.domain.types import Verdict
from tidemill.workspace.workspace import Workspace


def judge(demo: DemoRun) -> Outcome:
    with demo.base_lock:  # whoever needs the base workspace waits for this one
        return _train_champion(demo)


def _train_champion(demo: DemoRun) -> Outcome:
    home = demo.make_folder("trained")
    training = demo.train(home, promoted=True)
    expect(
        training.exit_code == 0,
        f"training and its gate ended with exit code {training.exit_code}",
    )
    workspace = Workspace(home)
    with workspace.ledger.begin(write=False) as unit:
        (verdict,) = unit.latest(Verdict)
    expect(workspace.champion().id == training.output["version"], "the champion is another version")
    expect(verdict.passed, "no passing verdict is recorded")
    floors = [check.value or 0.0 for check in verdict.checks if check.name == "floor"]
    # Of several targets, a training reports the mean.
    reported, measured = training.output["metrics"]["test"]["accuracy"], sum(floors) / len(floors)
    expect(
        abs(measured - reported) < 0.002,
        f"training reports {reported}, the gate measures {measured}",
    )
    demo.adopt_base(home)
    return Outcome(
        True,
        f"The champion is trained in {training.output['seconds']:.0f} s; "
        f"the gate measures a test accuracy of {reported:.3f}.",
    )


CLAIM = Claim(
    "champion_trained",
    "A champion is trained and passes the gate",
    "`tidemill train --promote` runs in an empty workspace. The gate's verdict must be in the "
    "ledger, and its accuracy must agree with the one that the training reports.",
    judge,
)
