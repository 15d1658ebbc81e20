"""Child processes of a command: each runs `tidemill` of the same installation.

They are started `--with-parent`, so that none of them outlives the command that started it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self
from weakref import WeakSet

from tidemill.domain.errors import NotReady, Starting, TidemillError, Unavailable, read_error

if TYPE_CHECKING:
    import httpx

PATIENCE = 30.0
"""The longest time from the request to end to the end of a process, in seconds."""
POLL_S = 0.02
"""Seconds between two looks at a server that starts; at this pace they cost it little."""


def argv(*words: str) -> list[str]:
    """Return the command line of `tidemill` with these words."""
    return [sys.executable, "-m", "tidemill", *words]


def child_environment(home: Path, settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment with another workspace.

    With `settings`, the child gets only these settings; without, it gets those of this process.
    """
    own = {k: v for k, v in os.environ.items() if settings is None or not k.startswith("TIDEMILL_")}
    return {**own, "TIDEMILL_HOME": str(home), **(settings or {})}


class Ended(Exception):
    """A child process ended by itself. Its stderr says why, and `error` where it reported one."""

    def __init__(self, exit_code: int, error: TidemillError | None = None) -> None:
        super().__init__(f"A process of Tidemill's ended with exit code {exit_code}.")
        self.exit_code = exit_code
        self.error = error


def run_child(
    *words: str,
    home: Path,
    settings: Mapping[str, str] | None = None,
    stdout: IO[bytes] | None = None,
    stderr: IO[bytes] | None = None,
) -> int:
    """Run a command that knows `--with-parent` to its end, and return its exit code.

    The command ends with this process in any case. An exception during the wait ends it, too. Its
    output goes to these files, or to that of this process.
    """
    with subprocess.Popen(
        argv(*words, "--with-parent"),
        env=child_environment(home, settings),
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
    ) as process:
        _CHILDREN.add(process)
        try:
            return process.wait()
        except BaseException:
            _end(process)
            raise


_CHILDREN: WeakSet[subprocess.Popen[Any]] = WeakSet()
"""The processes that end when the pipe to their stdin is closed."""


def _close_pipes() -> None:
    """Close the pipes in a fork of this process, which would keep the processes alive after it."""
    for process in list(_CHILDREN):
        if process.stdin is not None:
            process.stdin.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_pipes)


def _end(process: subprocess.Popen[Any]) -> None:
    """Ask a child that was started `--with-parent` to end, and kill it after PATIENCE."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Child:
    """A running command that reports its start on stdout as one JSON object.

    It ends with the block, and with this process in any case.
    """

    def __init__(
        self,
        *words: str,
        home: Path,
        settings: Mapping[str, str] | None = None,
        log: IO[bytes] | None = None,
    ) -> None:
        """Start the command and wait until it is up. Raises Ended when it ends before.

        Its stderr goes to `log`, or to this process's stderr.
        """
        self._process = subprocess.Popen(
            argv(*words, "--json", "--with-parent"),
            env=child_environment(home, settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        _CHILDREN.add(self._process)
        try:
            self.announced = self._announced()
        except BaseException:
            self.stop()
            raise

    def _announced(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        line = self._process.stdout.readline()
        if not line:
            raise Ended(self._process.wait())
        announced: dict[str, Any] = json.loads(line)
        if "error" in announced:
            raise Ended(self._process.wait(), read_error(announced))
        return announced

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait(self) -> int:
        """Wait for the end of the process and return its exit code."""
        return self._process.wait()

    def kill(self) -> None:
        """Kill the process without any clean-up, as a crash would (SIGKILL)."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Ask the process to end, and kill it after PATIENCE."""
        _end(self._process)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class ServerProcess(Child):
    """A running `tidemill serve` at `url`."""

    def __init__(
        self,
        home: Path,
        *,
        port: int = 0,
        settings: Mapping[str, str] | None = None,
        log: IO[bytes] | None = None,
    ) -> None:
        """Start the server and wait until it accepts connections. Raises Ended."""
        super().__init__("serve", "--port", str(port), home=home, settings=settings, log=log)
        self.url = str(self.announced["url"])

    def ready(self) -> httpx.Response:
        """Return the current response of `/v1/ready`."""
        import httpx

        # Our own server: a proxy of the environment does not reach it.
        return httpx.get(f"{self.url}/v1/ready", timeout=PATIENCE, trust_env=False)


def wait_until_ready(url: str, seconds: float = PATIENCE) -> str:
    """Wait until a server has decided; the reason why it is not ready, empty when it is.

    Raises Unavailable when the address does not answer as a server of Tidemill does.
    """
    # Loaded here, because most commands start no server, and it takes as long as NumPy.
    import httpx

    deadline = time.monotonic() + seconds
    # A proxy of the environment does not reach a server of this machine.
    with httpx.Client(base_url=url, trust_env=False) as client:
        while (rest := deadline - time.monotonic()) > 0:
            try:
                response = client.get("/v1/ready", timeout=rest)
                body = response.json()
            except (httpx.HTTPError, ValueError) as error:
                message = str(error) or type(error).__name__
                raise Unavailable(f"The server at {url} does not answer: {message}.") from error
            if response.status_code == httpx.codes.OK:
                return ""
            fault = read_error(body)
            if fault is None:
                raise Unavailable(f"The server at {url} is not one of Tidemill.")
            if not isinstance(fault, Starting):
                return fault.message
            time.sleep(POLL_S)
    return f"it did not decide within {seconds:g} s"


def require_ready(url: str, seconds: float = PATIENCE) -> None:
    """Wait until a server is ready. Raises NotReady with the reason why it is not."""
    if fault := wait_until_ready(url, seconds):
        raise NotReady(f"The server is not ready: {fault}")


class EngineProcess(Child):
    """A running `tidemill loop run` with these policies."""

    def __init__(
        self,
        home: Path,
        *policies: str,
        settings: Mapping[str, str] | None = None,
        log: IO[bytes] | None = None,
    ) -> None:
        """Start the engine and wait until it runs. Raises Ended."""
        super().__init__("loop", "run", *policies, home=home, settings=settings, log=log)
