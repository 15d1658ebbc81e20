"""The traffic of the demo: examples before and after the change, clients, and true labels.

Clients reach the product over HTTP and by its commands; its decisions are read from the ledger.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TypeVar

import httpx

from tidemill import testing
from tidemill.adapters.child_process import EngineProcess, ServerProcess
from tidemill.demo.claim import ClaimFailed, expect
from tidemill.demo.demo_run import DemoRun
from tidemill.domain.cycle import Cycle
from tidemill.domain.drift import DriftVerdict
from tidemill.domain.types import Example, Labels
from tidemill.testing.clients import Reply, run_clients
from tidemill.workspace.workspace import Workspace

LABELLED_SEED, UNLABELLED_SEED = 21, 22
PACE = {"tick_ms": "200", "lease_ms": "2000"}
POLL_S = 0.05
"""Seconds between two looks. Looks and ticks take processor time from the other lane."""
FEEDBACK_BATCH = 50
"""Labels of one feedback request."""

T = TypeVar("T")


def labelled_examples(demo: DemoRun) -> list[Example]:
    """Examples after the change that get a label."""
    return demo.shifted_examples(LABELLED_SEED, demo.scenario.labelled)


def unlabelled_examples(demo: DemoRun) -> list[Example]:
    """Examples after the change that never get a label."""
    return demo.shifted_examples(UNLABELLED_SEED, demo.scenario.unlabelled)


def unchanged_examples(demo: DemoRun, count: int) -> list[Example]:
    """Examples of the training distribution that no model learnt from: the test split, mixed."""
    test = [row for row in demo.examples() if row.split == "test"]
    # A folder gives one class after the other, which would be drift; ids mix the classes.
    return sorted(test, key=lambda row: row.id)[:count]


def first_labels(rows: Sequence[Example]) -> list[str]:
    """Return the true label of each example for the target that `Reply.label` is about."""
    return [row.labels[min(row.labels)] for row in rows]


def wait_for_result(condition: Callable[[], T | None], what: str, seconds: float = 240.0) -> T:
    """Poll until the condition gives something true. Raises ClaimFailed after the deadline."""
    try:
        return testing.wait_for(condition, what, seconds, pause=POLL_S)
    except TimeoutError as error:
        raise ClaimFailed(str(error)) from error


@contextmanager
def start_server(demo: DemoRun, home: Path) -> Iterator[ServerProcess]:
    """Start a server and wait until it is ready."""
    with demo.start_server(home) as server:
        fault = testing.wait_until_ready(server.url)
        expect(not fault, f"the server is not ready: {fault}")
        yield server


@contextmanager
def start_engine(demo: DemoRun, home: Path, *policies: str) -> Iterator[EngineProcess]:
    """Start an engine that needs no approval, and whose cycle waits for all labels.

    A recipe's own schedule would start cycles of its own, so it is switched off.
    """
    [example] = demo.shifted_examples(LABELLED_SEED, 1)
    labels = demo.scenario.labelled * len(example.labels)
    policy = (
        "trigger.autonomy=automatic",
        f"trigger.minimum_new={labels}",
        f"trigger.feedback={labels}",
        "trigger.cooldown_s=0",
        "trigger.schedule=never",
        "drift.every_s=1",
    )
    with demo.start_engine(home, *policy, *policies, **PACE) as engine:
        yield engine


def predict_all(demo: DemoRun, server: ServerProcess, rows: Sequence[Example]) -> list[Reply]:
    """Send every example once, from several clients; replies in the order of the examples."""
    payloads = [row.payload for row in rows]
    request_format = demo.scenario.request_format
    with run_clients(server.url, payloads, request_format, limit=len(rows)) as clients:
        pass
    failed = [reply for reply in clients.replies if not reply.ok]
    expect(not failed and not clients.missing, f"{len(failed)} requests failed: {failed[:1]}")
    replies = {reply.payload: reply for reply in clients.replies}
    return [replies[row.id] for row in rows]


def measure_accuracy(demo: DemoRun, server: ServerProcess, rows: Sequence[Example]) -> float:
    """Return the share of the examples that the server labels correctly."""
    replies = predict_all(demo, server, rows)
    correct = [
        reply.label == label for reply, label in zip(replies, first_labels(rows), strict=True)
    ]
    return sum(correct) / len(correct)


def send_feedback(
    server: ServerProcess, replies: Sequence[Reply], labels: Sequence[Labels]
) -> None:
    """Send labels as feedback to the predictions of these replies."""
    stream = iter(
        {
            "prediction": reply.id,
            "target": answer.target,
            "item": answer.item,
            "label": row[answer.target],
            "actor": "field",
        }
        for reply, row in zip(replies, labels, strict=True)
        for answer in reply.answers
    )
    with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client:
        while batch := list(islice(stream, FEEDBACK_BATCH)):
            response = client.post("/v1/feedback", json={"feedback": batch})
            expect(response.is_success, f"feedback got the response {response.text:.300}")
            receipts = response.json()["feedback"]
            expect(len(receipts) == len(batch), f"{len(receipts)} of {len(batch)} were received")


def run_honest_cycle(demo: DemoRun) -> tuple[Workspace, Cycle]:
    """Run one cycle on true labels after the change, unless it ran; its workspace and record."""
    with demo.retrained_lock:
        workspace = demo.open_retrained() or _retrain(demo)
    cycle = find_ended_cycle(workspace)
    if cycle is None or cycle.version != workspace.champion().id:
        raise ClaimFailed(f"the honest cycle promoted nothing: {cycle}")
    return workspace, cycle


def _retrain(demo: DemoRun) -> Workspace:
    workspace = demo.copy_base("honest")
    rows = labelled_examples(demo)
    with (
        start_server(demo, workspace.home) as server,
        start_engine(demo, workspace.home),
    ):
        send_feedback(server, predict_all(demo, server, rows), [row.labels for row in rows])
        wait_for_result(lambda: find_ended_cycle(workspace), "the end of the honest cycle")
    demo.save_retrained(workspace.home)
    return workspace


def flip_half_of(rows: Sequence[Labels]) -> list[Labels]:
    """Replace every second example of each class by the labels of the next class.

    A class is the combination of the labels of all targets.
    """
    classes = [tuple(sorted(row.items())) for row in rows]
    names = sorted(set(classes))
    following = {name: names[(at + 1) % len(names)] for at, name in enumerate(names)}
    # Samples alternate between classes: of two classes, every second label would be one of them.
    counts = Counter({name: at for at, name in enumerate(dict.fromkeys(classes))})
    flipped: list[Labels] = []
    for name in classes:
        flipped.append(dict(following[name] if counts[name] % 2 else name))
        counts[name] += 1
    return flipped


def find_ended_cycle(workspace: Workspace) -> Cycle | None:
    """Return the latest cycle when it has ended, is watched, or awaits approval; else None."""
    cycle = find_latest_cycle(workspace)
    ended = cycle and (not cycle.open or cycle.state in ("watched", "awaiting_approval"))
    return cycle if ended else None


def find_closed_cycle(workspace: Workspace) -> Cycle | None:
    """Return the latest cycle when no step of it is left; else None."""
    cycle = find_latest_cycle(workspace)
    return None if cycle is None or cycle.open else cycle


def find_latest_cycle(workspace: Workspace) -> Cycle | None:
    """Return the latest cycle; None before the first."""
    with workspace.ledger.begin(write=False) as unit:
        return next(iter(unit.latest(Cycle, limit=1)), None)


def list_drift_verdicts(workspace: Workspace) -> list[DriftVerdict]:
    """Return the verdicts on the champion's traffic, oldest first."""
    champion = workspace.champion().id
    with workspace.ledger.begin(write=False) as unit:
        return unit.drift_verdicts(champion)[::-1]


def list_psi(
    unchanged: Sequence[DriftVerdict], changed: Sequence[DriftVerdict] = ()
) -> list[tuple[int, float, bool]]:
    """Per window: predictions up to its end, its largest PSI, and whether it follows the change."""
    series, total = [], 0
    for verdicts, after in ((unchanged, False), (changed, True)):
        for verdict in verdicts:
            total += verdict.n
            series.append((total, max(row.psi for row in verdict.features), after))
    return series


def count_promotions(workspace: Workspace, version: str) -> int:
    """Return how often a version became champion."""
    with workspace.ledger.begin(write=False) as unit:
        moves = unit.events(subject="champion", limit=1_000)
    return sum(move.detail["version"] == version for move in moves)


def is_alive(pid: int) -> bool:
    """Return True while a process runs. A zombie does not run."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.parent.parent.joinpath("self").exists():
        return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
