"""A promotion and a rollback under load: both versions serve, and no request fails."""

from __future__ import annotations

import time

from tidemill.demo.claim import Claim, ClaimFailed, Outcome, expect
from tidemill.demo.demo_run import SECOND, DemoRun
from tidemill.testing import wait_until_ready
from tidemill.testing.clients import ClientPool, run_clients

BETWEEN = 100
"""Replies to wait for before, between and after the two changes."""
PATIENCE = 10.0


def judge(demo: DemoRun) -> Outcome:
    workspace, payloads = demo.copy_second("swap"), demo.test_payloads()
    first, second = workspace.champion().id, SECOND
    with demo.start_server(workspace.home) as server:
        fault = wait_until_ready(server.url)
        expect(not fault, f"the server is not ready: {fault}")
        began = time.monotonic()
        with run_clients(server.url, payloads, demo.scenario.request_format) as clients:
            clients.wait(BETWEEN)
            workspace.promote(second)
            promoted_at = time.monotonic()
            promotion_s = _wait_for_version(clients, second, promoted_at)
            clients.wait(len(clients.replies) + BETWEEN)
            rolled_back_at = time.monotonic()
            workspace.rollback(reason="the demo rolls back")
            rollback_s = _wait_for_version(clients, first, rolled_back_at)
            clients.wait(len(clients.replies) + BETWEEN)
    expect(not clients.missing, f"{clients.missing} of {clients.sent} requests have no reply")
    failed = [reply for reply in clients.replies if not reply.ok]
    expect(not failed, f"{len(failed)} of {len(clients.replies)} requests failed: {failed[:1]}")
    late = [
        reply
        for reply in clients.replies
        if reply.version == second and reply.sent_at > rolled_back_at + rollback_s
    ]
    expect(not late, f"{len(late)} replies of {second} after {first} was served again")
    expect(promotion_s < 1, f"the promotion was served only after {promotion_s:.2f} s")
    expect(rollback_s < 1, f"the rollback was served only after {rollback_s:.2f} s")
    return Outcome(
        True,
        f"No request of {len(clients.replies)} fails. Clients get {second} {promotion_s:.2f} s "
        f"after its promotion, and {first} {rollback_s:.2f} s after the rollback.",
        {
            "replies": [[reply.received_at - began, reply.version] for reply in clients.replies],
            "changes": [
                [promoted_at - began, f"{second} promoted"],
                [rolled_back_at - began, "rolled back"],
            ],
        },
    )


def _wait_for_version(clients: ClientPool, version: str, since: float) -> float:
    """Seconds from `since` to the first reply of `version` to a request sent after it."""
    deadline = since + PATIENCE
    while time.monotonic() < deadline:
        clients.wait(len(clients.replies) + 1)
        recent = clients.replies[-50:]
        new = [reply for reply in recent if reply.sent_at > since and reply.version == version]
        if new:
            return min(reply.received_at for reply in new) - since
    raise ClaimFailed(f"{version} was not served within {PATIENCE:.0f} s")


CLAIM = Claim(
    "hot_swap_lossless",
    "Promotion and rollback under load fail no request",
    "Four clients send requests without pause while a second version is promoted and rolled "
    "back. Every request must succeed, and each change must be served within a second.",
    judge,
    alone=True,
)
