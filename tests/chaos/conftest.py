"""One trained workspace for all trials, the outcome of an undisturbed cycle, and the summary."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.chaos.client import Client
from tests.chaos.invariants import Outcome, check
from tests.chaos.loop_processes import LoopProcesses
from tidemill.domain.types import Example
from tidemill.testing.in_process import train_champion

SUMMARY = Path(__file__).parents[2] / "bench" / "out" / "chaos.json"
FULL = 100
"""Trials from which on a session was a full one."""


@dataclass
class Tally:
    """What the trials of one session were."""

    trials: int = 0
    kills: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    failures: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @contextmanager
    def trial(self, name: str) -> Iterator[None]:
        self.trials += 1
        began = time.monotonic()
        try:
            yield
        except BaseException:
            self.failures.append(name)
            raise
        finally:
            self.seconds.append(round(time.monotonic() - began, 2))

    def to_json(self) -> str:
        ordered = sorted(self.seconds)
        body = {
            "trials": self.trials,
            "kills": {victim: dict(states) for victim, states in sorted(self.kills.items())},
            "failures": self.failures,
            "seconds": {
                "all": round(sum(ordered), 1),
                "median": ordered[len(ordered) // 2],
                "longest": ordered[-1],
            },
        }
        return json.dumps(body, indent=2) + "\n"


@dataclass(frozen=True)
class Undisturbed:
    """A cycle without a kill: its workspace, and how long it and its training took."""

    home: Path
    client: Client
    labelled: Sequence[Example]
    opened: str
    seconds: float
    training: float
    outcome: Outcome


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("trained") / "home"
    train_champion(home).ledger.close()
    return home


@pytest.fixture(scope="session")
def undisturbed(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    shutil.copytree(trained, home)
    with LoopProcesses(home) as loop:
        loop.wait_until(lambda: loop.has_reached("training"), "a training")
        begun = loop.seconds
        loop.wait_until(lambda: loop.has_reached("judged"), "a judgement")
        training = loop.seconds - begun
        loop.wait_until(lambda: loop.has_reached("watched"), "a promotion")
        seconds = loop.seconds
        opened = loop.records.cycle()
        loop.finish()
    outcome = check(home, loop.client, loop.labelled, opened)
    return Undisturbed(home, loop.client, loop.labelled, opened, seconds, training, outcome)


@pytest.fixture
def home(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained workspace."""
    shutil.copytree(trained, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture(scope="session")
def tally() -> Iterator[Tally]:
    """The summary; a full set of trials leaves it in a file."""
    counted = Tally()
    yield counted
    if counted.trials >= FULL:
        SUMMARY.parent.mkdir(parents=True, exist_ok=True)
        SUMMARY.write_text(counted.to_json(), "utf-8")
