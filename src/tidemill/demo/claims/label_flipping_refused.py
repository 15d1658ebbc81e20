"""Feedback with half of its labels flipped is refused; the same feedback, true, is promoted."""

from __future__ import annotations

from tidemill.demo import live
from tidemill.demo.claim import Claim, ClaimFailed, Outcome, expect
from tidemill.demo.demo_run import DemoRun
from tidemill.domain.feedback import Feedback
from tidemill.domain.types import Verdict


def judge(demo: DemoRun) -> Outcome:
    workspace = demo.copy_base("flipped")
    first = workspace.champion().id
    labelled = live.labelled_examples(demo)
    flipped = live.flip_half_of([row.labels for row in labelled])
    with live.start_server(demo, workspace.home) as server:
        live.send_feedback(server, live.predict_all(demo, server, labelled), flipped)
        with live.start_engine(demo, workspace.home, "trigger.feedback_policy=accept"):
            cycle = live.wait_for_result(
                lambda: live.find_ended_cycle(workspace), "the end of the cycle"
            )
    expect(cycle.state == "refused", f"flipped labels: {cycle.state}, {cycle.reason}")
    expect(workspace.champion().id == first, f"{first} is no longer the champion")
    with workspace.ledger.begin(write=False) as unit:
        checks = unit.get(Verdict, cycle.verdict).checks
        quarantined = len(unit.feedback(status="quarantined", limit=None))
    # Of several targets, one with few classes may be right by chance in spite of the flips.
    credible = next((c for c in checks if c.name == "fresh_credible" and not c.passed), None)
    if credible is None:
        raise ClaimFailed(f"it was refused for another reason: {cycle.reason}")
    honest, honest_cycle = live.run_honest_cycle(demo)
    with honest.ledger.begin(write=False) as unit:
        feedback: list[Feedback] = unit.feedback(limit=None)
    learnt = sum(row.snapshot == honest_cycle.snapshot for row in feedback)
    count = sum(len(row.labels) for row in labelled)
    expect(len(feedback) == count, f"the honest twin had {len(feedback)} labels")
    return Outcome(
        True,
        f"With half of {count} labels flipped the gate refuses: {credible.reason}. {first} stays "
        f"and {quarantined} labels are quarantined. With the same labels true, "
        f"{honest_cycle.version} becomes champion ({learnt} of them are trained on).",
    )


CLAIM = Claim(
    "label_flipping_refused",
    "Flipped labels are refused; the same labels, true, are not",
    "The same examples are labelled twice: truthfully, and with every second label of each "
    "class flipped. The first cycle must promote, the second must be refused because its "
    "labels are not credible.",
    judge,
)
