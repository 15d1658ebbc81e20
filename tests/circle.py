"""The full circle in one process: pebbles, a ledger on disk, a clock that a test moves.

Everything is the product's own but for the server, whose work is done here without a network: look,
answer, append to a traffic log.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from uuid_utils import uuid7

from pebble.stones import TARGET, pebbles
from tidemill.adapters.memory import FixedClock
from tidemill.adapters.memory_jobs import MemoryJobs
from tidemill.adapters.traffic import SqliteTraffic
from tidemill.domain.cycle import Cycle
from tidemill.domain.drift import RequestKind
from tidemill.domain.feedback import Feedback
from tidemill.domain.ports import Jobs
from tidemill.domain.types import Example, Prediction
from tidemill.engine.engine import Engine, Tick
from tidemill.engine.leadership import Leadership
from tidemill.learn.progress import Progress
from tidemill.loop.feedback import give
from tidemill.settings import read_settings
from tidemill.workspace.planning import plan
from tidemill.workspace.promotion import promote
from tidemill.workspace.root import Workspace, open_trainer, open_workspace
from tidemill.workspace.training import resume, take_snapshot, train_version

TTL = timedelta(seconds=5)
POLICY = ("trigger.autonomy=automatic", "trigger.cooldown_s=0", "drift.every_s=0")


def champion(home: Path, *overrides: str) -> Workspace:
    """A workspace whose champion knows pebbles on the old instruments."""
    workspace = open_workspace(read_settings(home=home, actor="ada"), create=True)
    workspace = replace(workspace, clock=FixedClock(workspace.clock.now()))
    recipe, experiment = plan("pebble", overrides)
    intake = take_snapshot(workspace, recipe, experiment, Progress())
    train = open_trainer("pebble")
    finished = train_version(workspace, recipe, experiment, intake.snapshot, train, Progress())
    promote(workspace, finished.version.id)
    return workspace


class Circle:
    """A workspace with an engine and what stands for a server."""

    def __init__(
        self, workspace: Workspace, *policies: str, jobs: Jobs | None = None, holder: str = "one"
    ) -> None:
        assert isinstance(workspace.clock, FixedClock)
        self.clock = workspace.clock
        self.workspace = workspace
        self.jobs = jobs or MemoryJobs(self._train)
        self.engine = Engine(
            workspace,
            self.jobs,
            Leadership(workspace.ledger, workspace.clock, holder=holder, ttl=TTL),
            overrides=[*POLICY, *policies],
        )
        self._server = str(uuid7())
        self._sequence = 0
        self._log = SqliteTraffic(workspace.home / "traffic", self._server)

    def close(self) -> None:
        self.engine.close(self.clock.now())
        self._log.close()
        self.workspace.ledger.close()

    def tick(self, seconds: float = 1) -> Tick:
        """One turn, a moment later."""
        self.clock.advance(timedelta(seconds=seconds))
        return self.engine.tick(self.clock.now())

    def settle(self, most: int = 60) -> list[Tick]:
        """Turns until there is nothing to do."""
        turned = [self.tick()]
        while turned[-1].busy:
            assert len(turned) < most, turned[-1]
            turned.append(self.tick())
        return turned

    def serve(self, examples: Sequence[Example], kind: RequestKind = "live") -> list[Prediction]:
        """Answer these as the champion, and log the answers."""
        version = self.workspace.champion()
        predictor = self.workspace.predictor(version)
        given = predictor.predict_with_bins(
            [predictor.preprocess(example.payload) for example in examples]
        )
        predictions = []
        for example, (answers, seen) in zip(examples, given, strict=True):
            self._sequence += 1
            predictions.append(
                Prediction(
                    id=str(uuid7()),
                    server=self._server,
                    sequence=self._sequence,
                    version=version.id,
                    at=self.clock.now(),
                    kind=kind,
                    payload=example.payload,
                    answers=answers,
                    bins=seen,
                )
            )
        self._log.append(predictions)
        return predictions

    def teach(self, examples: Sequence[Example], actor: str = "bob") -> list[Feedback]:
        """Give the labels of these as feedback, each with its payload."""
        now = self.clock.now()
        said = []
        with self.workspace.ledger.begin() as unit:
            for example in examples:
                id, label = self.workspace.blobs.put(example.payload), example.labels[TARGET]
                item = Feedback(str(uuid7()), "", id, TARGET, "", label, "", actor, now)
                said.append(give(unit, item)[0])
        return said

    def accuracy(self, examples: Sequence[Example]) -> float:
        """The share of these that the champion names rightly."""
        predictor = self.workspace.predictor(self.workspace.champion())
        answers = predictor.predict([predictor.decode(example.payload) for example in examples])
        right = [
            answer.label == example.labels[TARGET]
            for (answer,), example in zip(answers, examples, strict=True)
        ]
        return sum(right) / len(right)

    def cycles(self) -> list[Cycle]:
        with self.workspace.ledger.begin(write=False) as unit:
            return unit.latest(Cycle)

    def kinds(self, kind: str) -> int:
        """How many events of a kind there are."""
        with self.workspace.ledger.begin(write=False) as unit:
            return sum(event.kind == kind for event in unit.events(limit=100_000))

    def _train(self, words: Sequence[str]) -> None:
        assert list(words[:2]) == ["train", "--run"]
        resume(self.workspace, words[2], Progress())


Begin = Callable[..., Circle]


@contextmanager
def circles(trained: Path, home: Path) -> Iterator[Begin]:
    """`begin(*policies)`: a circle over a copy of the trained workspace; again, over the same."""
    shutil.copytree(trained, home)
    begun: list[Circle] = []

    def begin(*policies: str, jobs: Jobs | None = None, holder: str = "one") -> Circle:
        workspace = open_workspace(read_settings(home=home, actor="ada"))
        clock = begun[0].clock if begun else FixedClock(workspace.clock.now())
        workspace = replace(workspace, clock=clock)
        begun.append(Circle(workspace, *policies, jobs=jobs, holder=holder))
        return begun[-1]

    try:
        yield begin
    finally:
        for circle in begun:
            circle.close()


def flipped(examples: Sequence[Example]) -> list[Example]:
    """Every other one under the next stone's name."""
    names = sorted({example.labels[TARGET] for example in examples})
    turned = {name: names[(at + 1) % len(names)] for at, name in enumerate(names)}
    return [
        replace(example, labels={TARGET: turned[example.labels[TARGET]]}) if at % 2 else example
        for at, example in enumerate(examples)
    ]


__all__ = ["Begin", "Circle", "champion", "circles", "flipped", "pebbles"]
