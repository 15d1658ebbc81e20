"""Every prediction that a client received can be looked up, with its lineage."""

from __future__ import annotations

import sqlite3
import statistics
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from tidemill.adapters.child_process import ServerProcess
from tidemill.demo.claim import Claim, ClaimFailed, Outcome, expect
from tidemill.demo.demo_run import PAYLOADS, DemoRun
from tidemill.demo.expected_lineage import build_expected_lineage, check_look_up
from tidemill.testing import wait_until_ready
from tidemill.testing.clients import ClientPool, Reply, run_clients
from tidemill.workspace.workspace import Workspace

BEFORE_KILL = 100
"""Replies after which the server is killed, with other requests in flight."""
KILLS = 3
"""Attempts, for when by chance every client was between two requests."""
FULL_MB = "2"
"""A log that holds only some of the enlarged payloads."""

RecordedLineage = Mapping[str, Any]


def judge(demo: DemoRun) -> Outcome:
    workspace, payloads = demo.copy_base("durable"), demo.test_payloads()
    lineage = build_expected_lineage(workspace, demo.scenario.recipe, demo.base_code())
    survivors, cut_off = _kill_server(demo, workspace.home, payloads)
    with demo.start_server(workspace.home) as server:
        _expect_ready(server)
        _look_up_all(server, survivors, lineage)
        replies = _send_all(demo, server, payloads)
        _look_up_all(server, replies, lineage)
        server.kill()
    received = [*survivors, *replies]
    refused = _fill_log(demo, workspace, payloads, lineage, received)
    milliseconds = [1000 * (reply.received_at - reply.sent_at) for reply in replies]
    return Outcome(
        True,
        f"All {len(received)} predictions are found again after kill -9, which cut off {cut_off} "
        f"other requests. A full log keeps {PAYLOADS - refused} predictions and refuses {refused} "
        f"with an error. The median reply takes {statistics.median(milliseconds):.1f} ms.",
        {"milliseconds": milliseconds},
    )


def _kill_server(demo: DemoRun, home: Path, payloads: Sequence[bytes]) -> tuple[list[Reply], int]:
    """Kill a server under load: the replies that clients have, and how many were cut off."""
    survivors: list[Reply] = []
    for _ in range(KILLS):
        with demo.start_server(home) as server:
            _expect_ready(server)
            with run_clients(server.url, payloads, demo.scenario.request_format) as clients:
                clients.wait(BEFORE_KILL)
                server.kill()
        _expect_complete(clients)
        failed = [reply for reply in clients.replies if reply.status and not reply.ok]
        expect(not failed, f"{len(failed)} requests before the kill failed: {failed[:1]}")
        survivors += [reply for reply in clients.replies if reply.ok]
        if cut_off := sum(reply.cut_off for reply in clients.replies):
            return survivors, cut_off
    raise ClaimFailed(f"no request was in flight at any of {KILLS} kills, so they show nothing")


def _send_all(demo: DemoRun, server: ServerProcess, payloads: Sequence[bytes]) -> list[Reply]:
    request_format = demo.scenario.request_format
    with run_clients(server.url, payloads, request_format, limit=PAYLOADS) as clients:
        pass
    _expect_complete(clients)
    failed = [reply for reply in clients.replies if not reply.ok]
    expect(not failed, f"{len(failed)} of {PAYLOADS} requests failed: {failed[:1]}")
    expect(len({reply.id for reply in clients.replies}) == PAYLOADS, "ids repeat")
    return clients.replies


def _fill_log(
    demo: DemoRun,
    workspace: Workspace,
    payloads: Sequence[bytes],
    lineage: RecordedLineage,
    received: list[Reply],
) -> int:
    """Serve until the log is full: a prediction that cannot be stored must not be returned."""
    with demo.start_server(workspace.home, traffic_max_mb=FULL_MB) as server:
        _expect_ready(server)
        _look_up_all(server, received, lineage)
        large, request_format = demo.scenario.enlarge(payloads), demo.scenario.request_format
        with run_clients(server.url, large, request_format, limit=PAYLOADS) as clients:
            pass
        _expect_complete(clients)
        stored = [reply for reply in clients.replies if reply.ok]
        refused = [reply for reply in clients.replies if not reply.ok]
        expect(refused, "a log that cannot be written went unnoticed")
        expect(stored, "a log with room for some refused them all")
        other = {(reply.status, reply.fault) for reply in refused} - {(503, "storage_failed")}
        expect(not other, f"a full log caused {other}")
        _look_up_all(server, stored, lineage)
    logged = _read_logged_ids(workspace.home)
    expect(
        logged == {reply.id for reply in stored},
        f"{len(stored)} predictions were returned and {len(refused)} refused, "
        f"but {len(logged)} are in the log",
    )
    return len(refused)


def _expect_complete(clients: ClientPool) -> None:
    expect(not clients.missing, f"{clients.missing} of {clients.sent} requests have no reply")


def _read_logged_ids(home: Path) -> set[str]:
    """Return the predictions in the newest log. Its name is a UUIDv7, which sorts by time."""
    newest = max((home / "traffic").glob("*.sqlite"))
    with closing(sqlite3.connect(newest)) as log:
        return {id for (id,) in log.execute("SELECT id FROM predictions WHERE kind = 'live'")}


def _look_up_all(server: ServerProcess, replies: Sequence[Reply], lineage: RecordedLineage) -> None:
    with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client:
        for reply in replies:
            response = client.get(f"/v1/predictions/{reply.id}")
            why = f"({response.status_code}): {response.text:.300}"
            expect(response.is_success, f"prediction {reply.id} is lost {why}")
            check_look_up(reply, response.json(), lineage)


def _expect_ready(server: ServerProcess) -> None:
    fault = wait_until_ready(server.url)
    expect(not fault, f"the server is not ready: {fault}")


CLAIM = Claim(
    "predictions_durable",
    "Every prediction is stored, also when kill -9 hits",
    "Clients keep every reply while the server is killed, while it serves, and while its log "
    "fills up. Each reply is then looked up and compared with a lineage that the judge works "
    "out from git, the files and the configuration.",
    judge,
)
