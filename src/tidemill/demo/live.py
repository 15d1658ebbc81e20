"""The field of the story: examples as of old and as changed, clients, and people who know.

What is asked of the product is asked as anybody would, over HTTP and by its commands; what it has
decided is read from its ledger.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TypeVar

import httpx

from tidemill.adapters.child_process import EngineProcess, ServerProcess
from tidemill.demo.claim import Broken, expect
from tidemill.demo.clients import Reply, crowd
from tidemill.demo.demo_run import Stage, readiness
from tidemill.domain.cycle import Cycle
from tidemill.domain.drift import DriftVerdict
from tidemill.domain.types import Example, Labels
from tidemill.workspace.root import Workspace

TAUGHT_SEED, UNSEEN_SEED = 21, 22
PACE = {"tick_ms": "100", "lease_ms": "2000"}
AT_ONCE = 50
"""Labels that one request gives."""
LOOK_S = 0.02

T = TypeVar("T")


def taught(stage: Stage) -> list[Example]:
    """Examples after the change that people label."""
    return stage.world.changed(TAUGHT_SEED, stage.world.taught)


def unseen(stage: Stage) -> list[Example]:
    """Examples after the change that nobody ever labels."""
    return stage.world.changed(UNSEEN_SEED, stage.world.unseen)


def usual(stage: Stage, count: int) -> list[Example]:
    """Examples of the training distribution that no model learnt from: of the test set, mixed."""
    test = [row for row in stage.examples() if row.split == "test"]
    # A folder gives one class after the other, which would be drift; an id is as good as chance.
    return sorted(test, key=lambda row: row.id)[:count]


def truth(rows: Sequence[Example]) -> list[str]:
    """The right label of each, of the target that a reply's `label` is about: the first by name."""
    return [row.labels[min(row.labels)] for row in rows]


def labels(rows: Sequence[Example]) -> list[Labels]:
    """The right label of each for every target."""
    return [row.labels for row in rows]


def until(found: Callable[[], T | None], what: str, seconds: float = 90.0) -> T:
    """Look again and again until something is there. Raises Broken when it does not come."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if seen := found():
            return seen
        time.sleep(LOOK_S)
    raise Broken(f"{what} did not come within {seconds:.0f} s")


@contextmanager
def serving(stage: Stage, home: Path) -> Iterator[ServerProcess]:
    """A server that is ready."""
    with stage.server(home) as server:
        ready, fault = readiness(server)
        expect(ready, f"the server is not ready: {fault}")
        yield server


@contextmanager
def turning(stage: Stage, home: Path, *policies: str) -> Iterator[EngineProcess]:
    """An engine that turns the mill: nobody approves, and a cycle needs all that people said.

    A recipe's weekly round may not fall into the story.
    """
    [one] = stage.world.changed(TAUGHT_SEED, 1)
    needed = stage.world.taught * len(one.labels)
    policy = (
        "trigger.autonomy=automatic",
        f"trigger.minimum_new={needed}",
        f"trigger.feedback={needed}",
        "trigger.cooldown_s=0",
        "trigger.schedule=never",
        "drift.every_s=1",
    )
    with stage.engine(home, *policy, *policies, **PACE) as engine:
        yield engine


def asked(stage: Stage, server: ServerProcess, rows: Sequence[Example]) -> list[Reply]:
    """Every example asked about once, by several clients; in the order of the examples."""
    payloads = [row.payload for row in rows]
    with crowd(server.url, payloads, stage.world.form, most=len(rows)) as people:
        pass
    failed = [reply for reply in people.replies if not reply.ok]
    expect(not failed and not people.lost, f"{len(failed)} requests failed: {failed[:1]}")
    given = {reply.payload: reply for reply in people.replies}
    return [given[row.id] for row in rows]


def accuracy(stage: Stage, server: ServerProcess, rows: Sequence[Example]) -> float:
    """The share of the examples that the server names rightly."""
    said = [reply.label for reply in asked(stage, server, rows)]
    right = [name == true for name, true in zip(said, truth(rows), strict=True)]
    return sum(right) / len(right)


def say_by_answer(server: ServerProcess, replies: Sequence[Reply], said: Sequence[Labels]) -> None:
    """Tell the server what the right answers were, by the ids of those it gave."""
    stream = iter(
        {
            "prediction": reply.id,
            "target": heard.target,
            "item": heard.item,
            "label": labels[heard.target],
            "actor": "field",
        }
        for reply, labels in zip(replies, said, strict=True)
        for heard in reply.heard
    )
    with httpx.Client(base_url=server.url, timeout=60) as client:
        while batch := list(islice(stream, AT_ONCE)):
            response = client.post("/v1/feedback", json={"feedback": batch})
            expect(response.is_success, f"feedback was answered with {response.text:.300}")
            receipts = response.json()["feedback"]
            expect(len(receipts) == len(batch), f"{len(receipts)} of {len(batch)} were received")


def honest(stage: Stage) -> tuple[Workspace, Cycle]:
    """The workspace in which people told the truth about what has changed, and its cycle."""
    if (workspace := stage.turned()) is None:
        workspace = stage.workspace("honest")
        rows = taught(stage)
        with serving(stage, workspace.home) as server, turning(stage, workspace.home):
            say_by_answer(server, asked(stage, server, rows), labels(rows))
            until(lambda: ended_cycle(workspace), "the end of the honest cycle")
        stage.turn(workspace.home)
    cycle = ended_cycle(workspace)
    made = cycle is not None and cycle.version == workspace.champion().id
    if cycle is None or not made:
        raise Broken(f"the honest cycle promoted nothing: {cycle}")
    return workspace, cycle


def half_flipped(true: Sequence[Labels]) -> list[Labels]:
    """The labels, every other one of each class exchanged for the next class's.

    A class is what all targets say together.
    """
    classes = [tuple(sorted(row.items())) for row in true]
    names = sorted(set(classes))
    turned = {name: names[(at + 1) % len(names)] for at, name in enumerate(names)}
    # Samples give the classes in turn: of two classes, every other label would be one of them.
    seen = Counter({name: at for at, name in enumerate(dict.fromkeys(classes))})
    said: list[Labels] = []
    for name in classes:
        said.append(dict(turned[name] if seen[name] % 2 else name))
        seen[name] += 1
    return said


def ended_cycle(workspace: Workspace) -> Cycle | None:
    """The latest cycle, once it has come to its end or to being watched."""
    cycle = latest_cycle(workspace)
    done = cycle and (not cycle.open or cycle.state in ("watched", "awaiting_approval"))
    return cycle if done else None


def closed_cycle(workspace: Workspace) -> Cycle | None:
    """The latest cycle, once nothing of it is left to do."""
    cycle = latest_cycle(workspace)
    return None if cycle is None or cycle.open else cycle


def latest_cycle(workspace: Workspace) -> Cycle | None:
    """The latest cycle; None before the first."""
    with workspace.ledger.begin(write=False) as unit:
        return next(iter(unit.latest(Cycle, limit=1)), None)


def drift_verdicts(workspace: Workspace) -> list[DriftVerdict]:
    """The verdicts on the champion's traffic, the oldest first."""
    champion = workspace.champion().id
    with workspace.ledger.begin(write=False) as unit:
        return unit.drift_verdicts(champion)[::-1]


def promotions(workspace: Workspace, version: str) -> int:
    """How often a version was made champion."""
    with workspace.ledger.begin(write=False) as unit:
        moves = unit.events(subject="champion", limit=1_000)
    return sum(move.detail["version"] == version for move in moves)


def lives(pid: int) -> bool:
    """True while a process runs. One that has ended and waits to be reaped does not."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.parent.parent.joinpath("self").exists():
        return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
