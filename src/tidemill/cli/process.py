"""Child processes of a command: each is another `tidemill` of the same installation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

import httpx

from tidemill.domain.errors import Unavailable

PATIENCE = 30.0
"""Seconds that a process may take to end once it was asked to."""


def argv(*words: str) -> list[str]:
    """The command line of another `tidemill`."""
    return [sys.executable, "-m", "tidemill", *words]


def environment(home: Path, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment with another workspace and further settings."""
    return {**os.environ, "TIDEMILL_HOME": str(home), **(given or {})}


class ServerProcess:
    """A running `tidemill serve`, ended with the block. `url` is where it answers."""

    def __init__(
        self,
        home: Path,
        *,
        port: int = 0,
        given: Mapping[str, str] | None = None,
        log: IO[bytes] | None = None,
    ) -> None:
        """Start it and wait until it accepts connections. Raises Unavailable when it ends.

        What it says on stderr goes to `log`, or to this process's own stderr.
        """
        self._process = subprocess.Popen(
            argv("serve", "--port", str(port), "--json"),
            env=environment(home, given),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        line = self._process.stdout.readline()
        if not line or "url" not in (said := json.loads(line)):
            raise Unavailable(f"The server ended with exit code {self._process.wait()}.")
        self.url: str = said["url"]

    def wait(self) -> int:
        """Wait for its end and return the exit code."""
        return self._process.wait()

    def kill(self) -> None:
        """End it as a crash would: no clean-up of any kind (SIGKILL)."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Ask it to end, and make sure that it does."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def ready(self) -> httpx.Response:
        """What `/v1/ready` says now."""
        return httpx.get(f"{self.url}/v1/ready", timeout=PATIENCE)

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
