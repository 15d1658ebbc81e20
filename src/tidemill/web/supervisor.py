"""Starts the worker processes behind a port, starts one that dies again, and ends them together.

Each worker has a socket of its own on the port, and the kernel shares the connections among them.
The socket of a worker that dies is closed with it, so the others get all connections from then on.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import IO

from tidemill.adapters.child_process import argv, child_environment
from tidemill.domain.errors import TidemillError, Unavailable, read_error
from tidemill.settings import Settings
from tidemill.web.address import bind_shared, open_shared, url_of
from tidemill.web.shared_metrics import end_metrics
from tidemill.web.stop import Stop, handle_signals
from tidemill.web.worker import Worker

log = logging.getLogger(__name__)

STEADY_S = 5.0
"""A worker that has answered for so long has started well."""
MAX_FAILED_STARTS = 5
"""Failed starts of one worker, in a row, after which the server ends."""
FIRST_PAUSE_S = 0.25
"""The pause after a failed start; each further one is twice as long."""
STOP_S = 12.0
"""How long workers may take to end; each ends itself after nine seconds."""


@dataclass(slots=True)
class _Process:
    """One process of a worker. `number` is the worker's; `ready_at` is when it began to answer."""

    number: int
    name: str
    child: subprocess.Popen[bytes]
    stdin: IO[bytes]
    ready_at: float | None = None
    error: TidemillError | None = None
    exit_code: int = 0


@dataclass(slots=True)
class _Place:
    """A worker: its running process, or when the next one is due."""

    process: _Process | None = None
    due: float | None = 0.0
    failed_starts: int = 0


_Event = tuple[str, _Process | None]


def run_workers(
    settings: Settings,
    *,
    announce: Callable[[str], None],
    watch: Callable[[Stop], None] = lambda _: None,
    first_pause_s: float = FIRST_PAUSE_S,
    failed_starts: int = MAX_FAILED_STARTS,
) -> None:
    """Serve the workspace with `settings.workers` processes until SIGTERM or SIGINT.

    `announce` gets the address once all of them answer. `watch` is that of `run_server`. Raises
    Unavailable when the address cannot be bound, and the error of a worker that cannot start.
    """
    with (
        bind_shared(settings.host, settings.port) as reserved,
        TemporaryDirectory(prefix="tidemill-") as folder,
    ):
        supervisor = _Supervisor(
            settings, reserved.getsockname()[1], Path(folder), first_pause_s, failed_starts
        )
        watch(supervisor.stop)
        with handle_signals(lambda *_: supervisor.stop()):
            supervisor.run(lambda: announce(url_of(reserved)))


class _Supervisor:
    def __init__(
        self,
        settings: Settings,
        port: int,
        folder: Path,
        first_pause_s: float,
        max_failed_starts: int,
    ) -> None:
        self._settings = settings
        self._port = port
        self._folder = folder
        self._first_pause_s = first_pause_s
        self._max_failed_starts = max_failed_starts
        self._starts = 0
        self._places = [_Place() for _ in range(settings.workers)]
        # Unlike other queues, a signal handler may put into this one.
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()

    def stop(self) -> None:
        """End all workers. Any thread, and a signal handler, may call this."""
        self._events.put(("stop", None))

    def run(self, announce: Callable[[], None]) -> None:
        """Keep the workers running until `stop`."""
        announced = False
        try:
            while True:
                self._start_due()
                try:
                    kind, process = self._events.get(timeout=self._pause())
                except queue.Empty:
                    continue
                if process is None:
                    return
                if kind == "ready":
                    process.ready_at = monotonic()
                    if not announced and all(map(_answers, self._places)):
                        announced = True
                        announce()
                else:
                    self._after_end(process, announced)
        finally:
            self._end_all()

    def _start_due(self) -> None:
        now = monotonic()
        for number, place in enumerate(self._places):
            if place.due is not None and place.due <= now:
                place.process, place.due = self._start(number), None

    def _pause(self) -> float | None:
        due = [place.due for place in self._places if place.due is not None]
        return max(0.0, min(due) - monotonic()) if due else None

    def _start(self, number: int) -> _Process:
        self._starts += 1
        name = f"{number}-{self._starts}"
        reading, writing = os.pipe()
        with open_shared(self._settings.host, self._port) as listening:
            worker = Worker(name, self._folder, listening.fileno(), writing)
            try:
                child = subprocess.Popen(
                    argv("serve", "--worker", str(worker), "--with-parent"),
                    env=child_environment(self._settings.home) | self._settings.variables(),
                    stdin=subprocess.PIPE,
                    pass_fds=(listening.fileno(), writing),
                    # Ctrl-C reaches the supervisor alone, which ends the workers in order.
                    start_new_session=True,
                )
            except BaseException:
                os.close(reading)
                raise
            finally:
                os.close(writing)
        stdin = child.stdin
        assert stdin is not None  # noqa: S101 - a pipe was asked for
        process = _Process(number, name, child, stdin)
        threading.Thread(target=self._follow, args=(process, reading), daemon=True).start()
        return process

    def _follow(self, process: _Process, reading: int) -> None:
        """Wait for the report and the end of a worker, and make events of them."""
        with os.fdopen(reading) as lines:
            line = lines.readline()
        if line:
            process.error = read_error(json.loads(line))
            if process.error is None:
                self._events.put(("ready", process))
        process.exit_code = process.child.wait()
        process.stdin.close()
        self._events.put(("end", process))

    def _after_end(self, process: _Process, announced: bool) -> None:
        place = self._places[process.number]
        place.process = None
        end_metrics(self._folder, process.name)
        steady = process.ready_at is not None and monotonic() - process.ready_at >= STEADY_S
        place.failed_starts = 0 if steady else place.failed_starts + 1
        how = _how(process.exit_code)
        if place.failed_starts > self._max_failed_starts or not announced:
            raise process.error or Unavailable(
                f"Worker {process.number} {how} soon after its start.",
                hint="Its lines above say why; often it is for want of memory.",
            )
        pause = self._first_pause_s * 2 ** (place.failed_starts - 1) if not steady else 0.0
        place.due = monotonic() + pause
        reason = f": {process.error.message}" if process.error else "."
        log.warning(
            "Worker %d (process %d) %s%s It is started again.",
            process.number,
            process.child.pid,
            how,
            reason,
        )

    def _end_all(self) -> None:
        """Ask every worker to end, and kill what is left after STOP_S."""
        processes = [place.process for place in self._places if place.process is not None]
        for process in processes:
            process.stdin.close()
        deadline = monotonic() + STOP_S
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.child.wait(max(0.0, deadline - monotonic()))
                continue
            log.warning("Worker %d does not end, and is killed.", process.number)
            process.child.kill()
            process.child.wait()


def _answers(place: _Place) -> bool:
    return place.process is not None and place.process.ready_at is not None


def _how(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
