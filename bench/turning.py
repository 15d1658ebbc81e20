"""One turn of the mill on real leaves, and what came of it.

A champion is served and asked about its own camera; then close-ups come, which are another one.
Server, engine and training are processes, as they would be for anybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from bench import mill
from bench.real import Crops
from tidemill.adapters.child_process import EngineProcess, ServerProcess
from tidemill.domain.cycle import Cycle
from tidemill.domain.drift import DriftVerdict
from tidemill.domain.types import Check, Example, ModelVersion, Run, Split, Verdict
from tidemill.loop.bootstrap import paired_lower_bound
from tidemill.loop.gate import GatePolicy
from tidemill.predictor import Predictor
from tidemill.testing.processes import require_ready
from tidemill.workspace.root import Workspace

WINDOW = 100
"""Predictions of a drift check. There are 280 close-ups: with the default of 200 they were one
window, and nothing would show whether a verdict repeats. A smaller window costs power; for false
alarms `alpha` answers at any size."""
OWN = 200
"""Held-out images of the champion's own camera that are asked first: whole windows."""
BATCH = 64
SOON_S, PATIENCE_S = 60.0, 1800.0

Marks = npt.NDArray[np.bool_]
"""Which images a model names rightly."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Two models on the same images."""

    champion: Marks
    challenger: Marks

    @property
    def gain(self) -> float:
        """By how much the challenger names more of them rightly, as a share."""
        return float(self.challenger.mean() - self.champion.mean())

    def bound(self, confidence: float) -> float:
        """What the challenger gains at least."""
        return paired_lower_bound(self.challenger, self.champion, confidence=confidence)


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of it.

    `own` are the verdicts on the champion's own camera, `other` those on the close-ups. `sets`
    compares both models on the close-ups `held back`, on `test`, and on what the cycle held back
    as `fresh`; it is empty when the cycle made no version. `seconds` says what took how long.
    """

    own: Sequence[DriftVerdict]
    other: Sequence[DriftVerdict]
    close_ups: int
    taught: int
    cycle: Cycle
    promoted: bool
    checks: tuple[Check, ...]
    policy: GatePolicy
    sets: Mapping[str, Compared]
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def alarm(self) -> DriftVerdict | None:
        """The first verdict that found the close-ups to be something else; None without one."""
        return next((verdict for verdict in self.other if verdict.drifted), None)

    @property
    def delay(self) -> int | None:
        """How many close-ups had been asked about when it came."""
        asked = accumulate(verdict.n for verdict in self.other)
        found = zip(self.other, asked, strict=True)
        return next((n for verdict, n in found if verdict.drifted), None)


def turn(workspace: Workspace, crops: Crops) -> Turn:
    """Serve the champion, change the camera, teach what is not held back, and await the cycle.

    Raises TidemillError when a request fails or the engine does not come to an end.
    """
    first = workspace.champion()
    test = _rows(workspace, first, "test")
    taught = [row for row in crops.images if row.id not in crops.held]
    policies = (
        f"drift.minimum={WINDOW}",
        "drift.every_s=0",
        "trigger.autonomy=automatic",
        "trigger.cooldown_s=0",
        # So that the cycle learns from all that was said, and not from the first half of it.
        f"trigger.minimum_new={len(taught)}",
        f"trigger.feedback={len(taught)}",
    )
    with (
        ServerProcess(workspace.home, given={}) as server,
        EngineProcess(workspace.home, *policies, given={}),
    ):
        url = server.url
        require_ready(url)
        # By id, because a snapshot holds one class after the other, which would be drift.
        mixed = sorted(test, key=lambda row: row.id)[:OWN]
        _, own = mill.watch(workspace, url, mixed, window=WINDOW, seconds=SOON_S)
        replies, other = mill.watch(workspace, url, crops.images, window=WINDOW, seconds=SOON_S)
        said = zip(replies, crops.images, strict=True)
        mill.teach(url, [pair for pair in said if pair[1].id not in crops.held])
        cycle = mill.ended_cycle(workspace, url, test[0], seconds=PATIENCE_S)
    held = [row for row in crops.images if row.id in crops.held]
    with workspace.ledger.begin(write=False) as unit:
        second = unit.get(ModelVersion, cycle.version) if cycle.version else None
        checks = unit.get(Verdict, cycle.verdict).checks if cycle.verdict else ()
        policy = GatePolicy(**unit.get(Run, first.run).config["gate"])
        seconds = (
            {"cycle": (cycle.changed_at - cycle.at).total_seconds()} if cycle.changed_at else {}
        )
        if cycle.run:
            seconds["training in the cycle"] = mill.training_seconds(unit, cycle.run)
    return Turn(
        own=own,
        other=other,
        close_ups=len(crops.images),
        taught=len(taught),
        cycle=cycle,
        promoted=workspace.champion().id != first.id,
        checks=checks,
        policy=policy,
        sets=_compared(workspace, first, second, held) if second else {},
        seconds=seconds,
    )


def _compared(
    workspace: Workspace, first: ModelVersion, second: ModelVersion, held: Sequence[Example]
) -> dict[str, Compared]:
    sets = {
        "held back": held,
        "test": _rows(workspace, first, "test"),
        "fresh": _rows(workspace, second, "fresh"),
    }
    champion, challenger = workspace.predictor(first), workspace.predictor(second)
    return {
        name: Compared(_marks(champion, images), _marks(challenger, images))
        for name, images in sets.items()
        if images
    }


def _rows(workspace: Workspace, version: ModelVersion, split: Split) -> list[Example]:
    return list(workspace.snapshots.open(version.snapshot).rows(split))


def _marks(predictor: Predictor, images: Sequence[Example]) -> Marks:
    marks: list[bool] = []
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH]
        answers = predictor.predict([predictor.decode(row.payload) for row in batch])
        marks += [
            answer.label == row.labels[answer.target]
            for (answer,), row in zip(answers, batch, strict=True)
        ]
    return np.array(marks, bool)
