"""Drift, feedback, a cycle by itself, a better champion, and nobody's request fails."""

from __future__ import annotations

import time

from tidemill.demo import live
from tidemill.demo.claim import Claim, Outcome, expect
from tidemill.demo.clients import Crowd, crowd
from tidemill.demo.demo_run import Stage

GAIN, LOSS = 0.10, 0.03
"""What accuracy must gain on what has changed, and may lose on what has not."""
HEALED_S = 60.0
PAUSE = 0.025
"""Seconds that a client thinks: the training shares the machine with server and clients."""


def judge(stage: Stage) -> Outcome:
    workspace = stage.workspace("turned")
    change, form = stage.world.change, stage.world.form
    taught, unseen, old = (
        live.taught(stage),
        live.unseen(stage),
        live.usual(stage, 500),
    )
    known = {row.id for row in taught} & {row.id for row in unseen}
    expect(not known, f"{len(known)} of what nobody labels are labelled")
    first = workspace.champion().id
    with live.serving(stage, workspace.home) as server, live.turning(stage, workspace.home):
        old_before = live.accuracy(stage, server, old)
        onset = time.monotonic()
        before = live.accuracy(stage, server, unseen)
        with crowd(server.url, [row.payload for row in taught], form, pause=PAUSE) as people:
            replies = live.asked(stage, server, taught)
            live.until(lambda: any(row.drifted for row in live.drift_verdicts(workspace)), "drift")
            live.say_by_answer(server, replies, live.labels(taught))
            cycle = live.until(lambda: live.ended_cycle(workspace), "the end of a cycle")
            expect(cycle.version == workspace.champion().id, f"{cycle.state}: {cycle.reason}")
            healed = _first(people, cycle.version) - onset
        after, old_after = (
            live.accuracy(stage, server, unseen),
            live.accuracy(stage, server, old),
        )
        ended = live.until(lambda: live.closed_cycle(workspace), "the end of the cycle")
    stage.turn(workspace.home)
    failed = [reply for reply in people.replies if not reply.ok]
    expect(not failed and not people.lost, f"{len(failed)} requests failed: {failed[:1]}")
    expect(ended.state == "settled", f"the cycle is {ended.state}: {ended.reason}")
    expect(ended.trigger == "drift", f"the cycle began by {ended.trigger}: {ended.cause}")
    expect(after - before >= GAIN, f"accuracy on the new {change} went {before:.3f} to {after:.3f}")
    expect(old_after >= old_before - LOSS, f"the old {change}: {old_before:.3f} to {old_after:.3f}")
    expect(healed <= HEALED_S, f"it took {healed:.0f} s")
    return Outcome(
        True,
        f"new {change} {before:.3f} -> {after:.3f} on {len(unseen)} examples nobody labelled, old "
        f"{change} {old_before:.3f} -> {old_after:.3f}; {len(people.replies)} requests, 0 failed; "
        f"{healed:.0f} s from the change to answers of {ended.version} in place of {first}",
        {
            "answers": [[reply.answered - onset, reply.version] for reply in people.replies],
            "moves": [[0.0, f"the {change} changes"], [healed, f"{ended.version} answers"]],
        },
    )


def _first(people: Crowd, version: str) -> float:
    """When the first answer of a version came."""

    def seen() -> list[float]:
        return [reply.answered for reply in people.replies if reply.version == version]

    return min(live.until(seen, f"an answer of {version}"))


CLAIM = Claim("mill_turned", "Drift and feedback lead to a better champion, by themselves", judge)
