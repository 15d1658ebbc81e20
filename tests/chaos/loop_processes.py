"""The loop as real processes over one workspace, which a test kills.

A killed server or engine is started again at once, as a supervisor would do. The engine itself
starts a killed trainer again.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Literal, Self

from tests.chaos import processes
from tests.chaos.client import Client
from tests.chaos.records import Records
from tidemill.adapters.child_process import EngineProcess, ServerProcess
from tidemill.domain.cycle import FINAL, CycleState
from tidemill.testing.tiny_recipe.entry_points import PLUGINS
from tidemill.testing.tiny_recipe.pebbles import pebbles

Victim = Literal["engine", "trainer", "server"]

LABELS = 300
EDGES: tuple[CycleState, ...] = (
    "triggered",
    "snapshotted",
    "training",
    "judged",
    "shadowing",
    "canary",
    "promoted",
    "watched",
)
"""The states that an undisturbed cycle passes, in order."""
POLICIES = (
    "trigger.autonomy=automatic",
    "trigger.cooldown_s=0",
    f"trigger.feedback={LABELS}",
    f"trigger.minimum_new={LABELS}",
    "trigger.watch_s=1",
    "drift.minimum=150",
)
PACE = {"TIDEMILL_TICK_MS": "20", "TIDEMILL_LEASE_MS": "500", "TIDEMILL_POLL_MS": "50"}
NO_TRAINER = "gone"
"""There was no trainer to kill: it had ended, or the cycle had not begun one."""
SECONDS = 180.0
POLL_S = 0.001


class LoopProcesses:
    """A server, engines and a client. Leaving the block ends whatever still runs."""

    def __init__(self, home: Path, **pace: str) -> None:
        self.home = home
        self.log = home.with_name(f"{home.name}.log")
        self._variables = {**PACE, **pace, "PYTHONPATH": _path()}
        self._stack = ExitStack()
        self.records = self._stack.enter_context(closing(Records(home)))
        self.labelled = pebbles(LABELS, 61, 1.0)
        self.client = Client(lambda: self.server.url, self.labelled)
        try:
            # Both at once: each spends its start on imports.
            with ThreadPoolExecutor(1) as pool:
                serving = pool.submit(self.start_server)
                self.engine = self.start_engine()
                serving.result()
        except BaseException:
            self._stack.close()
            raise
        self.client.start()
        self.began = time.monotonic()

    def start_server(self) -> None:
        with self.log.open("ab") as log:
            self.server = ServerProcess(self.home, settings=self._variables, log=log)
        self._stack.callback(self.server.stop)

    def start_engine(self, name: str = "") -> EngineProcess:
        """Another engine; its messages go to the common log, or to one of its own name."""
        with (self.home.with_name(f"{name}.log") if name else self.log).open("ab") as log:
            engine = EngineProcess(self.home, *POLICIES, settings=self._variables, log=log)
        self._stack.callback(engine.stop)
        return engine

    @property
    def seconds(self) -> float:
        """Since everything was up."""
        return time.monotonic() - self.began

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for a condition, with a deadline far beyond what it should take."""
        deadline, looking = time.monotonic() + SECONDS, Event()
        while not holds():
            if time.monotonic() > deadline:
                state, log = self.records.state(), self.log.read_text("utf-8")[-4_000:]
                raise TimeoutError(f"{what}: not within {SECONDS} s; it is {state!r}\n{log}")
            looking.wait(POLL_S)

    def has_reached(self, state: CycleState) -> bool:
        """True once the cycle is in this state or beyond it."""
        now = self.records.state()
        return now in FINAL or (now in EDGES and EDGES.index(now) >= EDGES.index(state))

    def find_trainer(self) -> int | None:
        """The process that trains, when there is one."""
        trainers = processes.children(self.engine.pid, "train")
        return trainers[0] if trainers else None

    def is_training(self) -> bool:
        """True when a trainer is so far that it reads the ledger."""
        trainer = self.find_trainer()
        return trainer is not None and processes.has_open(trainer, self.home / "ledger.sqlite")

    def kill(self, victim: Victim) -> str:
        """End one hard and start it again. Returns the cycle's state at that moment."""
        if victim == "trainer":
            return self._kill_trainer()
        (self.engine if victim == "engine" else self.server).kill()
        state = self.records.state() or "none"
        if victim == "engine":
            self.engine = self.start_engine()
        else:
            self.start_server()
        return state

    def _kill_trainer(self) -> str:
        trainer = self.find_trainer()
        if trainer is None:
            return NO_TRAINER
        try:
            os.kill(trainer, signal.SIGKILL)
        except ProcessLookupError:
            return NO_TRAINER
        return self.records.state()

    def settle(self) -> None:
        """Let the cycle end, then the client and the server, until every answer is drained."""
        self.wait_until(lambda: self.records.state() in FINAL, "the end of the cycle")
        self.wait_until(self.client.done.is_set, "every label acknowledged")
        self.client.stop()
        self.server.stop()
        logged = self.records.logged()
        self.wait_until(lambda: self.records.drained() == logged, "every answer drained")

    def finish(self) -> None:
        """Let the loop settle, and stop it."""
        self.settle()
        self.engine.stop()
        # The trainer of an engine that was killed ends by itself, a moment later.
        self.wait_until(lambda: processes.naming(self.home) == [], "the end of every process")
        assert "Traceback" not in self.log.read_text("utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.client.stop()
        finally:
            self._stack.close()


def _path() -> str:
    """Where children find the recipe from outside."""
    return os.pathsep.join(filter(None, [str(PLUGINS), os.environ.get("PYTHONPATH")]))
