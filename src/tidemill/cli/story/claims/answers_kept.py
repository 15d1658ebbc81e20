"""Every answer that a client received is found again, with what it came from."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import httpx

from tidemill.cli.process import ServerProcess
from tidemill.cli.story.claim import Claim, Outcome, expect
from tidemill.cli.story.clients import Reply, crowd
from tidemill.cli.story.stage import PICTURES, Stage, readiness
from tidemill.domain.types import Run
from tidemill.workshop.root import Workshop

BEFORE_KILL = 100
"""Answers after which the server is killed, with others in flight."""


def judge(stage: Stage) -> Outcome:
    workshop, pictures = stage.workspace("kept"), stage.pictures()
    with stage.server(workshop.home) as server:
        _ready(server)
        with crowd(server.url, pictures, most=PICTURES) as people:
            pass
        answered = people.replies
        failed = [reply for reply in answered if not reply.ok]
        expect(not failed, f"{len(failed)} of {PICTURES} requests failed: {failed[:1]}")
        expect(len({reply.id for reply in answered}) == PICTURES, "ids repeat")
        _found(server, answered, _lineage(workshop))
        with crowd(server.url, pictures) as people:
            people.wait(BEFORE_KILL)
            server.kill()
        survivors = [reply for reply in people.replies if reply.ok]
    with stage.server(workshop.home) as server:
        _ready(server)
        _found(server, [*answered, *survivors], _lineage(workshop))
    refused = _full_log(stage, workshop, pictures)
    p50 = 1000 * statistics.median(reply.answered - reply.asked for reply in answered)
    return Outcome(
        True,
        f"{PICTURES + len(survivors)} answers found again, {len(survivors)} of them across "
        f"kill -9; full log: {refused} refused; p50 {p50:.1f} ms at 4 clients",
        {"milliseconds": [1000 * (reply.answered - reply.asked) for reply in answered]},
    )


def _full_log(stage: Stage, workshop: Workshop, pictures: Sequence[bytes]) -> int:
    """Serve with a log that fills up: what cannot be kept must not be answered."""
    with stage.server(workshop.home, traffic_max_mb="2") as server:
        _ready(server)
        with crowd(server.url, pictures, most=PICTURES) as people:
            pass
        refused = [reply for reply in people.replies if not reply.ok]
        expect(refused, "a log that cannot be written went unnoticed")
        other = {(reply.status, reply.said) for reply in refused} - {(503, "storage_failed")}
        expect(not other, f"a full log was answered with {other}")
        kept = [reply for reply in people.replies if reply.ok]
        _found(server, kept, _lineage(workshop))
    return len(refused)


def _lineage(workshop: Workshop) -> dict[str, Any]:
    """What every look-up must tell, taken from the ledger itself."""
    champion = workshop.champion()
    with workshop.ledger.begin(write=False) as unit:
        run = unit.get(Run, champion.run)
    return {
        "snapshot": champion.snapshot,
        "run": run.id,
        "config": run.config,
        "code": run.code,
    }


def _found(server: ServerProcess, replies: Sequence[Reply], lineage: dict[str, Any]) -> None:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        for reply in replies:
            response = client.get(f"/v1/predictions/{reply.id}")
            expect(response.is_success, f"answer {reply.id} is lost ({response.status_code})")
            body = response.json()
            labels = [answer["label"] for answer in body["answers"]]
            expect(labels == [reply.said], f"{reply.id}: {labels} is kept, {reply.said} was said")
            told = {name: body["lineage"].get(name) for name in lineage}
            expect(told == lineage, f"{reply.id} has another lineage than the ledger")


def _ready(server: ServerProcess) -> None:
    ready, fault = readiness(server)
    expect(ready, f"the server is not ready: {fault}")


CLAIM = Claim("answers_kept", "Every answer given is found again, also after kill -9", judge)
