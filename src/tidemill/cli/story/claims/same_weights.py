"""The champion's run, done again, gives the same weights."""

from __future__ import annotations

from tidemill.cli.story.claim import Claim, Outcome, expect
from tidemill.cli.story.stage import Stage
from tidemill.domain.types import Run


def judge(stage: Stage) -> Outcome:
    workshop = stage.workspace("first")
    with workshop.ledger.begin(write=False) as unit:
        run = unit.get(Run, workshop.champion().run)
    said = stage.train(stage.folder("again"))
    expect(said.code == 0, f"the second training ended with exit code {said.code}")
    expect(said.body["snapshot"] == run.snapshot, "the same pictures gave another snapshot")
    expect(said.body["weights"] == run.weights, "the same run gave other weights")
    return Outcome(True, f"weights {run.weights[:12]} twice, bit for bit")


CLAIM = Claim("same_weights", "The same run twice gives the same weights", judge)
