"""One cycle of the loop on real leaves, and its results.

A champion serves images of its own camera; then close-ups of another camera arrive. Server, engine
and training are processes, as in production.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from bench import live_loop
from bench.real import Crops
from tidemill.adapters.child_process import EngineProcess, ServerProcess
from tidemill.domain.cycle import Cycle
from tidemill.domain.drift import DriftVerdict
from tidemill.domain.types import Check, Example, ModelVersion, Run, Split, Verdict
from tidemill.loop.bootstrap import paired_lower_bound
from tidemill.loop.gate import GatePolicy
from tidemill.predictor import Predictor
from tidemill.testing.processes import require_ready
from tidemill.workspace.workspace import Workspace

WINDOW = 100
"""Predictions of a drift check. There are 280 close-ups: the default of 200 would make one window,
and nothing would show whether a verdict repeats. A smaller window costs power; `alpha` bounds false
alarms at any size."""
OWN = 200
"""Held-out images of the champion's own camera that are sent first: whole windows."""
BATCH = 64
SOON_S, PATIENCE_S = 60.0, 1800.0

Correct = npt.NDArray[np.bool_]
"""Which images a model labels correctly."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the same images."""

    champion: Correct
    challenger: Correct

    @property
    def gain(self) -> float:
        """The challenger's accuracy minus the champion's."""
        return float(self.challenger.mean() - self.champion.mean())

    def bound(self, confidence: float) -> float:
        """The lower confidence bound of the gain."""
        return paired_lower_bound(self.challenger, self.champion, confidence=confidence)


@dataclass(frozen=True, slots=True)
class LoopTrial:
    """The results of the trial.

    `same_camera` are the verdicts on the champion's own camera, `other_camera` those on the
    close-ups. `sets` compares both models on the close-ups `held out`, on `test`, and on what the
    cycle held out as `fresh`; it is empty when the cycle has no version. `seconds` says how long
    each part took.
    """

    same_camera: Sequence[DriftVerdict]
    other_camera: Sequence[DriftVerdict]
    close_ups: int
    labelled: int
    cycle: Cycle
    promoted: bool
    checks: tuple[Check, ...]
    policy: GatePolicy
    sets: Mapping[str, Comparison]
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def alarm(self) -> DriftVerdict | None:
        """The first verdict on the close-ups that says drift; None without one."""
        return next((verdict for verdict in self.other_camera if verdict.drifted), None)

    @property
    def delay(self) -> int | None:
        """How many close-ups were sent until that verdict."""
        sent = accumulate(verdict.n for verdict in self.other_camera)
        pairs = zip(self.other_camera, sent, strict=True)
        return next((n for verdict, n in pairs if verdict.drifted), None)


def run_trial(workspace: Workspace, crops: Crops) -> LoopTrial:
    """Serve the champion, change the camera, label what is not held out, and wait for the cycle.

    Raises TidemillError when a request fails or the engine does not come to an end.
    """
    first = workspace.champion()
    test = _rows(workspace, first, "test")
    labelled = [row for row in crops.images if row.id not in crops.held_out]
    policies = (
        f"drift.minimum={WINDOW}",
        "drift.every_s=0",
        "trigger.autonomy=automatic",
        "trigger.cooldown_s=0",
        # So that the cycle learns from all labels, and not from the first half of them.
        f"trigger.minimum_new={len(labelled)}",
        f"trigger.feedback={len(labelled)}",
    )
    with (
        ServerProcess(workspace.home, settings={}) as server,
        EngineProcess(workspace.home, *policies, settings={}),
    ):
        url = server.url
        require_ready(url)
        # By id, because a snapshot holds one class after the other, which would be drift.
        mixed = sorted(test, key=lambda row: row.id)[:OWN]
        predict = partial(
            live_loop.predict_in_windows, workspace, url, window=WINDOW, seconds=SOON_S
        )
        _, same = predict(mixed)
        replies, other = predict(crops.images)
        predicted = zip(replies, crops.images, strict=True)
        open_to_labels = [pair for pair in predicted if pair[1].id not in crops.held_out]
        live_loop.give_feedback(url, open_to_labels)
        cycle = live_loop.wait_for_cycle(workspace, url, test[0], seconds=PATIENCE_S)
    held_out = [row for row in crops.images if row.id in crops.held_out]
    with workspace.ledger.begin(write=False) as unit:
        second = unit.get(ModelVersion, cycle.version) if cycle.version else None
        checks = unit.get(Verdict, cycle.verdict).checks if cycle.verdict else ()
        policy = GatePolicy(**unit.get(Run, first.run).config["gate"])
        seconds = (
            {"cycle": (cycle.changed_at - cycle.at).total_seconds()} if cycle.changed_at else {}
        )
        if cycle.run:
            seconds["training in the cycle"] = live_loop.training_seconds(unit, cycle.run)
    return LoopTrial(
        same_camera=same,
        other_camera=other,
        close_ups=len(crops.images),
        labelled=len(labelled),
        cycle=cycle,
        promoted=workspace.champion().id != first.id,
        checks=checks,
        policy=policy,
        sets=_compare(workspace, first, second, held_out) if second else {},
        seconds=seconds,
    )


def _compare(
    workspace: Workspace, first: ModelVersion, second: ModelVersion, held_out: Sequence[Example]
) -> dict[str, Comparison]:
    sets = {
        "held out": held_out,
        "test": _rows(workspace, first, "test"),
        "fresh": _rows(workspace, second, "fresh"),
    }
    champion, challenger = workspace.predictor(first), workspace.predictor(second)
    return {
        name: Comparison(_correct(champion, images), _correct(challenger, images))
        for name, images in sets.items()
        if images
    }


def _rows(workspace: Workspace, version: ModelVersion, split: Split) -> list[Example]:
    return list(workspace.snapshots.open(version.snapshot).rows(split))


def _correct(predictor: Predictor, images: Sequence[Example]) -> Correct:
    correct: list[bool] = []
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH]
        answers = predictor.predict([predictor.decode(row.payload) for row in batch])
        correct += [
            answer.label == row.labels[answer.target]
            for (answer,), row in zip(answers, batch, strict=True)
        ]
    return np.array(correct, bool)
