"""The whole loop in one process: the tiny recipe, a ledger on disk, a clock that a test moves.

Everything is the product's own but the server. `InProcessLoop.predict` does its work without a
network: it predicts and appends to a traffic log.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from uuid_utils import uuid7

from tidemill.adapters.clock import SystemClock
from tidemill.adapters.memory import FixedClock
from tidemill.adapters.memory_jobs import MemoryJobs
from tidemill.adapters.traffic import SqliteTraffic
from tidemill.domain.cycle import Cycle
from tidemill.domain.drift import RequestKind
from tidemill.domain.errors import UsageError
from tidemill.domain.feedback import Feedback
from tidemill.domain.ports import Jobs
from tidemill.domain.types import Example, Prediction
from tidemill.engine.engine import Engine, Tick
from tidemill.loop.feedback import give
from tidemill.loop.prediction_log import LoadedVersion, PredictionLog, PredictionRequest, observe
from tidemill.testing.tiny_recipe.entry_points import use_tiny_recipe
from tidemill.workspace.workspace import Workspace

TTL = timedelta(seconds=5)
"""How long an engine's lease lasts."""
POLICIES = ("trigger.autonomy=automatic", "trigger.cooldown_s=0", "drift.every_s=0")
MAX_TICKS = 60


def train_champion(home: Path, *overrides: str, recipe: str = "pebble") -> Workspace:
    """Train a recipe in an empty workspace and promote the version; its clock stands still."""
    use_tiny_recipe()
    clock = FixedClock(SystemClock().now())
    workspace = Workspace(home, recipe, actor="ada", clock=clock)
    workspace.train(*overrides, promote=True)
    return workspace


class InProcessLoop:
    """A workspace, an engine, and a stand-in for the server. Nothing waits for real time."""

    def __init__(
        self, workspace: Workspace, *policies: str, jobs: Jobs | None = None, holder: str = "one"
    ) -> None:
        """The engine follows `POLICIES` and then `policies`. Raises UsageError for a real clock."""
        if not isinstance(workspace.clock, FixedClock):
            raise UsageError("The loop in a process needs a workspace with a FixedClock.")
        self.clock = workspace.clock
        self.workspace = workspace
        self.jobs = jobs or MemoryJobs(self._train)
        self.engine = Engine(
            workspace, *POLICIES, *policies, jobs=self.jobs, holder=holder, ttl=TTL
        )
        server = str(uuid7())
        self._traffic = SqliteTraffic(workspace.home / "traffic", server)
        self._log = PredictionLog(server=server, clock=self.clock, traffic=self._traffic)

    def close(self) -> None:
        """Close the engine, the traffic log and the ledger."""
        self.engine.close(self.clock.now())
        self._traffic.close()
        self.workspace.close()

    def tick(self, seconds: float = 1) -> Tick:
        """Move the clock and let the engine do one step."""
        self.clock.advance(timedelta(seconds=seconds))
        return self.engine.tick(self.clock.now())

    def settle(self, limit: int = MAX_TICKS) -> list[Tick]:
        """Tick until the engine has nothing to do. Raises TimeoutError after `limit` ticks."""
        ticks = [self.tick()]
        while ticks[-1].busy:
            if len(ticks) == limit:
                raise TimeoutError(f"The engine is busy after {limit} ticks: {ticks[-1]}")
            ticks.append(self.tick())
        return ticks

    def predict(self, examples: Sequence[Example], kind: RequestKind = "live") -> list[Prediction]:
        """Predict these with the champion, as a server would, and log the predictions."""
        version = self.workspace.champion()
        loaded = LoadedVersion(version, self.workspace.predictor(version))
        requests = [
            PredictionRequest(row.payload, loaded.predictor.preprocess(row.payload), kind)
            for row in examples
        ]
        return self._log.record(observe(loaded, requests))

    def give_feedback(self, examples: Sequence[Example], actor: str = "bob") -> list[Feedback]:
        """Give the labels of these examples as feedback, each with its payload."""
        now = self.clock.now()
        recorded = []
        with self.workspace.ledger.begin() as unit:
            for example in examples:
                id = self.workspace.blobs.put(example.payload)
                for target, label in example.labels.items():
                    row = Feedback(str(uuid7()), "", id, target, "", label, "", actor, now)
                    recorded.append(give(unit, row)[0])
        return recorded

    def measure_accuracy(self, examples: Sequence[Example]) -> float:
        """Return the share of the labels of these examples that the champion predicts."""
        predictor = self.workspace.predictor(self.workspace.champion())
        predicted = predictor.predict([predictor.decode(example.payload) for example in examples])
        correct = [
            answer.label == example.labels[answer.target]
            for answers, example in zip(predicted, examples, strict=True)
            for answer in answers
        ]
        return sum(correct) / len(correct)

    def list_cycles(self) -> list[Cycle]:
        """Return every cycle, newest first."""
        with self.workspace.ledger.begin(write=False) as unit:
            return unit.latest(Cycle)

    def count_events(self, kind: str) -> int:
        """Return how many events of a kind there are."""
        with self.workspace.ledger.begin(write=False) as unit:
            return sum(event.kind == kind for event in unit.events(limit=100_000))

    def _train(self, words: Sequence[str]) -> None:
        command, flag, run, *_ = words
        if (command, flag) != ("train", "--run"):
            raise UsageError(f"The loop in a process runs trainings only, not {command!r}.")
        self.workspace.resume(run)


OpenLoop = Callable[..., InProcessLoop]


@contextmanager
def open_loops(trained: Path, home: Path) -> Iterator[OpenLoop]:
    """Copy a trained workspace to `home` and yield `open_loop(*policies)`.

    Each call opens one more engine over the same copy, with the same clock.
    """
    shutil.copytree(trained, home)
    loops: list[InProcessLoop] = []

    def open_loop(*policies: str, jobs: Jobs | None = None, holder: str = "one") -> InProcessLoop:
        clock = loops[0].clock if loops else FixedClock(SystemClock().now())
        workspace = Workspace(home, actor="ada", clock=clock)
        loops.append(InProcessLoop(workspace, *policies, jobs=jobs, holder=holder))
        return loops[-1]

    try:
        yield open_loop
    finally:
        for loop in loops:
            loop.close()
