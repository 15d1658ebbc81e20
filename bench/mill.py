"""A mill seen from outside: asked and taught over HTTP, its decisions read in its ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TypeVar

import httpx

from tidemill.domain.cycle import Cycle
from tidemill.domain.drift import DriftVerdict
from tidemill.domain.errors import TidemillError
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import Example
from tidemill.recipes.coffee.recipe import TARGET
from tidemill.testing.clients import Reply, send_payload
from tidemill.web.feedback import MAX_LABELS
from tidemill.workspace.root import Workspace

PAUSE = 0.1
"""Seconds between two looks, so that the looking costs a training beside it nothing."""

T = TypeVar("T")


def until(found: Callable[[], T | None], what: str, *, seconds: float) -> T:
    """Look again and again until something is there. Raises TidemillError when it does not come."""
    deadline = time.monotonic() + seconds
    while (seen := found()) is None:
        if time.monotonic() >= deadline:
            raise TidemillError(f"{what} did not come within {seconds:g} s.")
        time.sleep(PAUSE)
    return seen


def ask_all(url: str, images: Sequence[Example]) -> list[Reply]:
    """Ask about one image after the other. Raises TidemillError when one is not answered."""
    with httpx.Client(base_url=url, timeout=60) as client:
        replies = [send_payload(client, row.payload) for row in images]
    failed = [reply for reply in replies if not reply.ok]
    if failed:
        raise TidemillError(f"{len(failed)} requests failed, the first with {failed[0].fault}.")
    return replies


def teach(url: str, said: Sequence[tuple[Reply, Example]]) -> None:
    """Give the true labels, by the ids of the answers. Raises TidemillError when they are not
    kept."""
    rows = iter(
        {"prediction": reply.id, "label": row.labels[TARGET], "actor": "bench"}
        for reply, row in said
    )
    with httpx.Client(base_url=url, timeout=60) as client:
        while batch := list(islice(rows, MAX_LABELS)):
            response = client.post("/v1/feedback", json={"feedback": batch})
            if not response.is_success:
                raise TidemillError(f"Feedback was answered with {response.text:.300}")


def watch(
    workspace: Workspace, url: str, images: Sequence[Example], *, window: int, seconds: float
) -> tuple[list[Reply], list[DriftVerdict]]:
    """Ask about the images a window at a time, and wait until the engine has judged each.

    The engine must judge windows of that size, and none may be half full. Returns the answers and
    the verdicts, both in order. What is left at the end fills no window and is not judged.
    """
    champion = workspace.champion().id
    with workspace.ledger.begin(write=False) as unit:
        before = unit.drift_verdicts(champion)
    replies: list[Reply] = []
    verdicts: list[DriftVerdict] = []
    for start in range(0, len(images), window):
        replies += ask_all(url, images[start : start + window])
        full = len(replies) // window

        def judged(asked: int = len(replies), full: int = full) -> list[DriftVerdict] | None:
            with workspace.ledger.begin(write=False) as unit:
                found = [row for row in unit.drift_verdicts(champion)[::-1] if row not in before]
                seen = sum(row.n for row in found)
                seen += sum(row.n for row in unit.profiles(champion))
            return found if seen == asked and len(found) == full else None

        verdicts = until(judged, f"A verdict on {len(replies)} answers", seconds=seconds)
    return replies, verdicts


def ended_cycle(workspace: Workspace, url: str, image: Example, *, seconds: float) -> Cycle:
    """The latest cycle, once it has ended. What it promoted is asked about the image, because a
    cycle settles once its version has answered somebody. Raises TidemillError when it does not end.
    """

    def come(*states: str) -> Cycle | None:
        with workspace.ledger.begin(write=False) as unit:
            found = unit.latest(Cycle, limit=1)
        return next((row for row in found if row.state in states or not row.open), None)

    cycle = until(lambda: come("watched"), "The end of a cycle", seconds=seconds)
    if not cycle.open:
        return cycle

    def answered() -> bool | None:
        (reply,) = ask_all(url, [image])
        return reply.version == cycle.version or None

    until(answered, f"An answer of {cycle.version}", seconds=seconds)
    return until(come, "The settling of a cycle", seconds=seconds)


def training_seconds(unit: UnitOfWork, run: str) -> float:
    """From the start of a run to its end, as its events tell."""
    events = unit.events(subject=run)
    return (events[0].at - events[-1].at).total_seconds()
