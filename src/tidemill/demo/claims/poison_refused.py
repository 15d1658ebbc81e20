"""Feedback with half of its labels wrong is refused; as much that is honest is promoted."""

from __future__ import annotations

from tidemill.demo import live
from tidemill.demo.claim import Broken, Claim, Outcome, expect
from tidemill.demo.demo_run import Stage
from tidemill.domain.feedback import Feedback
from tidemill.domain.types import Verdict


def judge(stage: Stage) -> Outcome:
    honest, twin = live.honest(stage)
    workspace = stage.workspace("poisoned")
    first = workspace.champion().id
    taught = live.taught(stage)
    flipped = live.half_flipped(live.labels(taught))
    with live.serving(stage, workspace.home) as server:
        live.say_by_answer(server, live.asked(stage, server, taught), flipped)
        with live.turning(stage, workspace.home, "trigger.feedback_policy=accept"):
            cycle = live.until(lambda: live.ended_cycle(workspace), "the end of the cycle")
    expect(cycle.state == "refused", f"the poisoned cycle is {cycle.state}: {cycle.reason}")
    expect(workspace.champion().id == first, f"{first} is no longer the champion")
    with workspace.ledger.begin(write=False) as unit:
        checks = unit.get(Verdict, cycle.verdict).checks
        aside = len(unit.feedback(status="quarantined", limit=None))
    # Of several targets, a label of few names may be right by chance in spite of the poison.
    credible = next((c for c in checks if c.name == "fresh_credible" and not c.passed), None)
    if credible is None:
        raise Broken(f"it was refused for another reason: {cycle.reason}")
    with honest.ledger.begin(write=False) as unit:
        said = sum(row.snapshot == twin.snapshot for row in unit.feedback(limit=None))
        everything: list[Feedback] = unit.feedback(limit=None)
    given = sum(len(row.labels) for row in taught)
    expect(len(everything) == given, f"the honest twin had {len(everything)} labels")
    return Outcome(
        True,
        f"refused: {credible.reason}; {first} stays, {aside} labels are set aside. As many honest "
        f"ones ({said} learnt from) made {twin.version} champion",
    )


CLAIM = Claim("poison_refused", "Half-wrong feedback is refused, its honest twin is not", judge)
