"""A running loop from outside: requests and feedback over HTTP, its decisions from its ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import TypeVar

import httpx

from tidemill import testing
from tidemill.domain.cycle import Cycle
from tidemill.domain.drift import DriftVerdict
from tidemill.domain.errors import TidemillError
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import Example
from tidemill.recipes.coffee.recipe import TARGET
from tidemill.testing.clients import Reply, send_payload
from tidemill.web.feedback import MAX_LABELS
from tidemill.workspace.workspace import Workspace

PAUSE = 0.1
"""Seconds between two looks, so that looking costs a training beside it nothing."""

T = TypeVar("T")


def wait_for(condition: Callable[[], T | None], what: str, *, seconds: float) -> T:
    """Poll until the condition gives something true. Raises TidemillError after the deadline."""
    try:
        return testing.wait_for(condition, what, seconds, pause=PAUSE)
    except TimeoutError as error:
        raise TidemillError(f"{error}.") from error


def predict_all(url: str, images: Sequence[Example]) -> list[Reply]:
    """Send one image after the other. Raises TidemillError when a request fails."""
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        replies = [send_payload(client, row.payload) for row in images]
    failed = [reply for reply in replies if not reply.ok]
    if failed:
        raise TidemillError(f"{len(failed)} requests failed, the first with {failed[0].fault}.")
    return replies


def give_feedback(url: str, predicted: Sequence[tuple[Reply, Example]]) -> None:
    """Give the true labels of predictions. Raises TidemillError when the server refuses them."""
    rows = iter(
        {"prediction": reply.id, "label": row.labels[TARGET], "actor": "bench"}
        for reply, row in predicted
    )
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        while batch := list(islice(rows, MAX_LABELS)):
            response = client.post("/v1/feedback", json={"feedback": batch})
            if not response.is_success:
                raise TidemillError(f"Feedback got the response {response.text:.300}")


def predict_in_windows(
    workspace: Workspace, url: str, images: Sequence[Example], *, window: int, seconds: float
) -> tuple[list[Reply], list[DriftVerdict]]:
    """Send the images a window at a time, and wait until the engine has checked each window.

    The engine must check windows of that size, and none may be half full. Returns the replies and
    the verdicts, both in order. The rest at the end fills no window and is not checked.
    """
    champion = workspace.champion().id
    with workspace.ledger.begin(write=False) as unit:
        before = unit.drift_verdicts(champion)
    replies: list[Reply] = []
    verdicts: list[DriftVerdict] = []
    for start in range(0, len(images), window):
        replies += predict_all(url, images[start : start + window])
        full = len(replies) // window
        if not full:
            continue

        def new_verdicts(sent: int = len(replies), full: int = full) -> list[DriftVerdict] | None:
            with workspace.ledger.begin(write=False) as unit:
                new = [row for row in unit.drift_verdicts(champion)[::-1] if row not in before]
                counted = sum(row.n for row in new)
                counted += sum(row.n for row in unit.profiles(champion))
            return new if counted == sent and len(new) == full else None

        what = f"A verdict on {len(replies)} predictions"
        verdicts = wait_for(new_verdicts, what, seconds=seconds)
    return replies, verdicts


def wait_for_cycle(workspace: Workspace, url: str, image: Example, *, seconds: float) -> Cycle:
    """Wait for the end of the latest cycle. Raises TidemillError when it does not end.

    A cycle settles when its version has served a request, so a promoted version gets the image.
    """

    def find_cycle(*states: str) -> Cycle | None:
        with workspace.ledger.begin(write=False) as unit:
            cycles = unit.latest(Cycle, limit=1)
        return next((row for row in cycles if row.state in states or not row.open), None)

    cycle = wait_for(lambda: find_cycle("watched"), "The end of a cycle", seconds=seconds)
    if not cycle.open:
        return cycle

    def version_serves() -> bool:
        (reply,) = predict_all(url, [image])
        return reply.version == cycle.version

    wait_for(version_serves, f"A reply of {cycle.version}", seconds=seconds)
    return wait_for(find_cycle, "The settling of a cycle", seconds=seconds)


def training_seconds(unit: UnitOfWork, run: str) -> float:
    """From the start of a run to its end, by its events."""
    events = unit.events(subject=run)
    return (events[0].at - events[-1].at).total_seconds()
