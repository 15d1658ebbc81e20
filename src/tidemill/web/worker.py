"""One of several server processes behind a port: what it shares with the others.

The supervisor starts it. Each worker has its own socket on the port, its own traffic log and its
own models. The budgets of a server are divided, so that N workers take no more than one server.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tidemill.domain.errors import TidemillError, UsageError
from tidemill.settings import Settings


@dataclass(frozen=True, slots=True)
class Worker:
    """What the supervisor hands to a worker. The numbers are file descriptors that it inherits.

    `name` is unique among all workers that the supervisor has started. `folder` belongs to all of
    them.
    """

    name: str
    folder: Path
    listening: int
    report: int
    reported: list[bool] = field(default_factory=list, compare=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the worker that `str` has written. Raises UsageError for any other text."""
        try:
            name, listening, report, folder = text.split(":", 3)
            return cls(name, Path(folder), int(listening), int(report))
        except ValueError as error:
            raise UsageError(f"{text!r} names no worker; `serve --workers` starts them.") from error

    def __str__(self) -> str:
        return f"{self.name}:{self.listening}:{self.report}:{self.folder}"

    def open_socket(self) -> socket.socket:
        """Return the socket of this worker. It is bound, and does not listen yet."""
        return socket.socket(fileno=self.listening)

    def report_ready(self) -> None:
        """Tell the supervisor that this worker answers."""
        self._report({"ready": True})

    def report_error(self, error: TidemillError) -> bool:
        """Tell the supervisor why this worker ends; False when it has reported already."""
        if self.reported:
            return False
        body = {"code": error.code, "message": error.message, "hint": error.hint}
        self._report({"error": body})
        return True

    def _report(self, body: object) -> None:
        self.reported.append(True)
        os.write(self.report, json.dumps(body).encode() + b"\n")
        os.close(self.report)


def divide_settings(settings: Settings) -> Settings:
    """Return the settings of one worker: connections, queue and log have its share of the limit.

    A queue holds at least one request of the largest size, so that every worker takes each request.
    """
    count = settings.workers
    largest = min(settings.request_payloads, settings.queue)
    return settings.model_copy(
        update={
            "connections": _share(settings.connections, count),
            "queue": max(_share(settings.queue, count), largest),
            "traffic_max_mb": _share(settings.traffic_max_mb, count),
        }
    )


def _share(total: int, count: int) -> int:
    """Return the share of one, rounded up: no share of a limit is 0, which may mean no limit."""
    return -(-total // count)
