"""Drift, feedback, a cycle by itself, a better champion, and nobody's request fails."""

from __future__ import annotations

import time

from tidemill.cli.story import field
from tidemill.cli.story.claim import Claim, Outcome, expect
from tidemill.cli.story.clients import Crowd, crowd
from tidemill.cli.story.stage import Stage

GAIN, LOSS = 0.10, 0.03
"""What accuracy must gain on the new camera, and may lose on the old one."""
HEALED_S = 60.0
PAUSE = 0.025
"""Seconds that a client thinks: the training shares the machine with server and clients."""


def judge(stage: Stage) -> Outcome:
    workshop = stage.workspace("turned")
    taught = field.new_camera(stage, field.TAUGHT_SEED, field.TAUGHT)
    unseen = field.new_camera(stage, field.UNSEEN_SEED, field.UNSEEN)
    old = field.old_camera(stage, 500)
    labels = [next(iter(row.labels.values())) for row in taught]
    first = workshop.champion().id
    with field.serving(stage, workshop.home) as server, field.turning(stage, workshop.home):
        old_before = field.accuracy(server, old)
        onset = time.monotonic()
        before = field.accuracy(server, unseen)
        with crowd(server.url, [row.payload for row in taught], pause=PAUSE) as people:
            replies = field.asked(server, taught)
            field.until(lambda: any(row.drifted for row in field.drift_verdicts(workshop)), "drift")
            field.say_by_answer(server, replies, labels)
            cycle = field.until(lambda: field.ended_cycle(workshop), "the end of a cycle")
            expect(cycle.version == workshop.champion().id, f"{cycle.state}: {cycle.reason}")
            healed = _first(people, cycle.version) - onset
        after, old_after = field.accuracy(server, unseen), field.accuracy(server, old)
        ended = field.until(lambda: field.closed_cycle(workshop), "the end of the cycle")
    stage.turn(workshop.home)
    failed = [reply for reply in people.replies if not reply.ok]
    expect(not failed and not people.lost, f"{len(failed)} requests failed: {failed[:1]}")
    expect(ended.state == "settled", f"the cycle is {ended.state}: {ended.reason}")
    expect(ended.trigger == "drift", f"the cycle began by {ended.trigger}: {ended.cause}")
    expect(after - before >= GAIN, f"accuracy on the new camera went {before:.3f} to {after:.3f}")
    expect(old_after >= old_before - LOSS, f"the old camera: {old_before:.3f} to {old_after:.3f}")
    expect(healed <= HEALED_S, f"it took {healed:.0f} s")
    return Outcome(
        True,
        f"new camera {before:.3f} -> {after:.3f} on {len(unseen)} pictures nobody labelled, old "
        f"camera {old_before:.3f} -> {old_after:.3f}; {len(people.replies)} requests, 0 failed; "
        f"{healed:.0f} s from the change to answers of {ended.version} in place of {first}",
        {
            "answers": [[reply.answered - onset, reply.version] for reply in people.replies],
            "moves": [[0.0, "the camera changes"], [healed, f"{ended.version} answers"]],
        },
    )


def _first(people: Crowd, version: str) -> float:
    """When the first answer of a version came."""

    def seen() -> list[float]:
        return [reply.answered for reply in people.replies if reply.version == version]

    return min(field.until(seen, f"an answer of {version}"))


CLAIM = Claim("mill_turned", "Drift and feedback lead to a better champion, by themselves", judge)
