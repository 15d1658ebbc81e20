"""Every answer that a client received is found again, with what it came from."""

from __future__ import annotations

import sqlite3
import statistics
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from tidemill.adapters.child_process import ServerProcess
from tidemill.demo import expected_lineage
from tidemill.demo.claim import Broken, Claim, Outcome, expect
from tidemill.demo.clients import Crowd, Reply, crowd
from tidemill.demo.demo_run import ASKED, Stage, readiness
from tidemill.workspace.root import Workspace

BEFORE_KILL = 100
"""Answers after which the server is killed, with others in flight."""
KILLS = 3
"""How often to try, when by chance every client was between two requests."""
FULL_MB = "2"
"""A log that holds some of the bulky payloads and not all."""

Truth = Mapping[str, Any]


def judge(stage: Stage) -> Outcome:
    workspace, payloads = stage.workspace("kept"), stage.payloads()
    truth = expected_lineage.lineage(workspace, stage.world.recipe, stage.trained_by())
    survivors, cut_off = _killed(stage, workspace.home, payloads)
    with stage.server(workspace.home) as server:
        _ready(server)
        _found(server, survivors, truth)
        answered = _all_answered(stage, server, payloads)
        _found(server, answered, truth)
        server.kill()
    given = [*survivors, *answered]
    refused = _full_log(stage, workspace, payloads, truth, given)
    milliseconds = [1000 * (reply.answered - reply.asked) for reply in answered]
    return Outcome(
        True,
        f"{len(given)} answers found again after kill -9, {cut_off} others cut off by it; "
        f"full log: {ASKED - refused} kept, {refused} refused; "
        f"p50 {statistics.median(milliseconds):.1f} ms at 4 clients",
        {"milliseconds": milliseconds},
    )


def _killed(stage: Stage, home: Path, payloads: Sequence[bytes]) -> tuple[list[Reply], int]:
    """Kill a server that is answering: what clients have got by then, and how many were cut off."""
    survivors: list[Reply] = []
    for _ in range(KILLS):
        with stage.server(home) as server:
            _ready(server)
            with crowd(server.url, payloads, stage.world.form) as people:
                people.wait(BEFORE_KILL)
                server.kill()
        _counted(people)
        failed = [reply for reply in people.replies if reply.status and not reply.ok]
        expect(not failed, f"{len(failed)} requests before the kill failed: {failed[:1]}")
        survivors += [reply for reply in people.replies if reply.ok]
        if cut_off := sum(reply.cut_off for reply in people.replies):
            return survivors, cut_off
    raise Broken(f"in {KILLS} kills no request was in flight, so they proved nothing")


def _all_answered(stage: Stage, server: ServerProcess, payloads: Sequence[bytes]) -> list[Reply]:
    with crowd(server.url, payloads, stage.world.form, most=ASKED) as people:
        pass
    _counted(people)
    failed = [reply for reply in people.replies if not reply.ok]
    expect(not failed, f"{len(failed)} of {ASKED} requests failed: {failed[:1]}")
    expect(len({reply.id for reply in people.replies}) == ASKED, "ids repeat")
    return people.replies


def _full_log(
    stage: Stage, workspace: Workspace, payloads: Sequence[bytes], truth: Truth, given: list[Reply]
) -> int:
    """Serve with a log that fills up: what cannot be kept must not be answered."""
    with stage.server(workspace.home, traffic_max_mb=FULL_MB) as server:
        _ready(server)
        _found(server, given, truth)
        bulky = stage.world.bulky(payloads)
        with crowd(server.url, bulky, stage.world.form, most=ASKED) as people:
            pass
        _counted(people)
        kept = [reply for reply in people.replies if reply.ok]
        refused = [reply for reply in people.replies if not reply.ok]
        expect(refused, "a log that cannot be written went unnoticed")
        expect(kept, "a log with room for some refused them all")
        other = {(reply.status, reply.fault) for reply in refused} - {(503, "storage_failed")}
        expect(not other, f"a full log was answered with {other}")
        _found(server, kept, truth)
    logged = _logged(workspace.home)
    expect(
        logged == {reply.id for reply in kept},
        f"{len(kept)} answers were given and {len(refused)} refused, "
        f"but {len(logged)} are in the log",
    )
    return len(refused)


def _counted(people: Crowd) -> None:
    expect(not people.lost, f"{people.lost} of {people.begun} requests are unaccounted for")


def _logged(home: Path) -> set[str]:
    """The answers in the newest log. Its name is a UUIDv7, which sorts by time."""
    newest = max((home / "traffic").glob("*.sqlite"))
    with closing(sqlite3.connect(newest)) as log:
        return {id for (id,) in log.execute("SELECT id FROM predictions WHERE kind = 'live'")}


def _found(server: ServerProcess, replies: Sequence[Reply], truth: Truth) -> None:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        for reply in replies:
            response = client.get(f"/v1/predictions/{reply.id}")
            why = f"({response.status_code}): {response.text:.300}"
            expect(response.is_success, f"answer {reply.id} is lost {why}")
            expected_lineage.compare(reply, response.json(), truth)


def _ready(server: ServerProcess) -> None:
    ready, fault = readiness(server)
    expect(ready, f"the server is not ready: {fault}")


CLAIM = Claim("answers_kept", "Every answer given is found again, also after kill -9", judge)
