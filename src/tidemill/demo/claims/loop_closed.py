"""Drift and feedback start a cycle that promotes a better champion, and no request fails."""

from __future__ import annotations

import time

from tidemill.demo import live
from tidemill.demo.claim import Claim, Outcome, expect
from tidemill.demo.demo_run import DemoRun
from tidemill.testing.clients import ClientPool, run_clients

GAIN, LOSS = 0.10, 0.03
"""The accuracy that must be gained after the change, and may be lost before it."""
PAUSE = 0.1
"""Seconds between two requests of a client: the training shares the machine with them."""


def judge(demo: DemoRun) -> Outcome:
    with demo.retrained_lock:  # whoever needs the workspace after a cycle waits for this one
        return _close_loop(demo)


def _close_loop(demo: DemoRun) -> Outcome:
    workspace = demo.copy_base("closed")
    change, request_format = demo.scenario.change, demo.scenario.request_format
    labelled, unlabelled = live.labelled_examples(demo), live.unlabelled_examples(demo)
    unchanged = live.unchanged_examples(demo, 500)
    common = {row.id for row in labelled} & {row.id for row in unlabelled}
    expect(not common, f"{len(common)} examples are in both sets")
    first = workspace.champion().id
    payloads = [row.payload for row in labelled]
    with (
        live.start_server(demo, workspace.home) as server,
        live.start_engine(demo, workspace.home),
    ):
        old_before = live.measure_accuracy(demo, server, unchanged)
        onset = time.monotonic()
        before = live.measure_accuracy(demo, server, unlabelled)
        with run_clients(server.url, payloads, request_format, pause=PAUSE) as clients:
            replies = live.predict_all(demo, server, labelled)
            live.wait_for_result(
                lambda: any(row.drifted for row in live.list_drift_verdicts(workspace)), "drift"
            )
            live.send_feedback(server, replies, [row.labels for row in labelled])
            cycle = live.wait_for_result(
                lambda: live.find_ended_cycle(workspace), "the end of a cycle"
            )
            expect(cycle.version == workspace.champion().id, f"{cycle.state}: {cycle.reason}")
            seconds = _first_reply_at(clients, cycle.version) - onset
        after = live.measure_accuracy(demo, server, unlabelled)
        old_after = live.measure_accuracy(demo, server, unchanged)
        ended = live.wait_for_result(
            lambda: live.find_closed_cycle(workspace), "the end of the cycle"
        )
    demo.save_retrained(workspace.home)
    failed = [reply for reply in clients.replies if not reply.ok]
    expect(not failed and not clients.missing, f"{len(failed)} requests failed: {failed[:1]}")
    expect(ended.state == "settled", f"the cycle is {ended.state}: {ended.reason}")
    expect(ended.trigger == "drift", f"the cycle's trigger is {ended.trigger}: {ended.cause}")
    expect(after - before >= GAIN, f"accuracy on the new {change} went {before:.3f} to {after:.3f}")
    expect(old_after >= old_before - LOSS, f"the old {change}: {old_before:.3f} to {old_after:.3f}")
    return Outcome(
        True,
        f"Accuracy on the new {change} rises from {before:.3f} to {after:.3f}, measured on "
        f"{len(unlabelled)} examples that got no label; on the old {change} it goes from "
        f"{old_before:.3f} to {old_after:.3f}. {ended.version} replaces {first} {seconds:.0f} s "
        f"after the change, and none of {len(clients.replies)} requests fails.",
        {
            "accuracy": [
                [f"new {change}", before, after],
                [f"old {change}", old_before, old_after],
            ],
            "replies": [[reply.received_at - onset, reply.version] for reply in clients.replies],
            "changes": [[0.0, f"the {change} changes"], [seconds, f"{ended.version} serves"]],
        },
    )


def _first_reply_at(clients: ClientPool, version: str) -> float:
    """Return the time of the first reply of a version."""

    def reply_times() -> list[float]:
        return [reply.received_at for reply in clients.replies if reply.version == version]

    return min(live.wait_for_result(reply_times, f"a reply of {version}"))


CLAIM = Claim(
    "loop_closed",
    "Drift and feedback lead to a better champion, unattended",
    "Shifted examples arrive and get true labels as feedback. The engine must detect drift, "
    "retrain, promote the new version and settle the cycle by itself, while clients send "
    "requests. Accuracy is measured on examples that got no label.",
    judge,
)
