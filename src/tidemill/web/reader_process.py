"""A process that decodes: what it is asked overruns no deadline, because the process is killed.

The parent writes frames to its stdin and reads frames from its stdout. A frame is a length of 8
bytes and a pickle. Both ends are of one installation and of one user.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from tidemill.codecs.codec import Codec, open_codec
from tidemill.domain.errors import BadPayload, TidemillError, TimedOut, Unavailable

if sys.platform != "win32":
    import resource

    OVERRAN = -signal.SIGPROF
else:
    OVERRAN = 0
    """No signal ends a process there; the clock alone does."""

MEMORY_BYTES = 3 << 30
"""Address space of the process. More ends the decode, not the server."""
GRACE_S = 5.0
"""How much later than the parent the process ends itself, if the parent was killed meanwhile."""

_SIZE = struct.Struct(">Q")
_START = "from tidemill.web.reader_process import serve_parent; serve_parent()"


@dataclass(frozen=True, slots=True)
class Call:
    """One piece of work: `function(codec, *args)`. The function is a name that can be imported."""

    function: Callable[..., Any]
    codec: Codec[Any]
    args: tuple[Any, ...]

    def perform(self) -> Any:
        """Do it here and now."""
        return self.function(self.codec, *self.args)


class ReaderProcess:
    """One process, started when it is needed. Only one thread may call `perform`."""

    def __init__(self, deadline_s: float, wall_s: float) -> None:
        """A call may take `deadline_s` of processor time, and `wall_s` by the clock."""
        self._deadline_s = deadline_s
        self._wall_s = wall_s
        self._process: _Process | None = None
        self._codec: Codec[Any] | None = None
        """The codec that the process has. Both ends know one alone, so they never disagree."""
        self._ending = threading.Lock()
        self._closed = False

    def perform(self, call: Call) -> Any:
        """Return the result. Raises what the function raises.

        Raises BadPayload when it overran the deadline or ended the process, TimedOut when the
        machine was too busy, and Unavailable (closing, or no process can be started).
        """
        overran = threading.Event()
        process = self._running()

        def end() -> None:
            overran.set()
            process.kill()

        timer = threading.Timer(self._wall_s, end)
        timer.daemon = True
        timer.start()
        try:
            _write(process.requests, self._frame(call))
            succeeded, result = _read(process.results)
            self._codec = call.codec if succeeded else None
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            ended_by = process.end()
            self.rest()
            raise self._lost(ended_by, late=overran.is_set()) from error
        finally:
            timer.cancel()
        if succeeded:
            return result
        raise result

    def rest(self) -> None:
        """End the process. The next call starts another one."""
        with self._ending:
            process, self._process = self._process, None
        self._codec = None
        if process is None:
            return
        process.end()

    def close(self) -> None:
        """End the process for good. Any thread may call this."""
        self._closed = True
        with self._ending:
            process = self._process
        if process is not None:
            process.kill()

    def _running(self) -> _Process:
        with self._ending:
            if self._closed:
                raise Unavailable("The server is stopping.")
            if self._process is not None and self._process.has_ended():
                self._process.end()
                self._process = None
            if self._process is None:
                self._codec = None
                self._process = _start(self._deadline_s, self._wall_s)
            return self._process

    def _frame(self, call: Call) -> bytes:
        known = self._codec is call.codec
        saved = None if known else (call.codec.kind, call.codec.config())
        return pickle.dumps((saved, call.function, call.args), protocol=5)

    def _lost(self, ended_by: int, *, late: bool) -> TidemillError:
        if self._closed:
            return Unavailable("The server is stopping.")
        if ended_by == OVERRAN:
            return BadPayload(
                f"The payload took longer than {self._deadline_s:g} s to decode.",
                hint="Send a smaller one, or save it again with another program.",
            )
        if late:
            return TimedOut(
                "The payload was not decoded in time.", hint="The server is busy. Try again later."
            )
        return BadPayload(
            "The payload ended the process that decoded it.",
            hint="It may need too much memory. Send a smaller one.",
        )


class _Process:
    """A running process and both pipes."""

    def __init__(self, words: Sequence[str], env: Mapping[str, str]) -> None:
        requests, self.requests = _pipe()
        self.results, results = _pipe()
        with requests, results:
            self._process = subprocess.Popen(words, stdin=requests, stdout=results, env=env)

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> int:
        """Kill the process and collect it; return what it ended with, negative for a signal."""
        self._process.kill()
        code = self._process.wait()
        self.results.close()
        with suppress(BrokenPipeError):  # what was not written has no reader any more
            self.requests.close()
        return code


def _pipe() -> tuple[IO[bytes], IO[bytes]]:
    """Return both ends of a pipe: to read from, to write to."""
    reading, writing = os.pipe()
    return os.fdopen(reading, "rb"), os.fdopen(writing, "wb")


def _start(deadline_s: float, wall_s: float) -> _Process:
    # Threads of numerical libraries would each reserve address space.
    single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    # What can be imported here can be imported there.
    paths = os.pathsep.join(filter(None, sys.path))
    env = {**os.environ, **single, "PYTHONPATH": paths}
    try:
        return _Process([sys.executable, "-c", _START, str(deadline_s), str(wall_s)], env)
    except OSError as error:
        raise Unavailable(f"No process can be started to decode this: {error}.") from error


def serve_parent() -> None:
    """Do what the parent asks until it closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    requests, results = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # Whatever prints must not write into the frames.
    os.dup2(2, 1)
    _limit_memory()
    deadline_s, wall_s = map(float, sys.argv[1:])
    codec: Codec[Any] | None = None
    while True:
        try:
            saved, function, args = _read(requests)
        except EOFError:
            return
        faulthandler.dump_traceback_later(wall_s + GRACE_S, exit=True)
        _limit_time(deadline_s)
        codec, outcome = _outcome(codec, saved, function, args)
        _write(results, outcome)
        _limit_time(0)
        faulthandler.cancel_dump_traceback_later()


def _outcome(
    codec: Codec[Any] | None, saved: Any, function: Callable[..., Any], args: Any
) -> tuple[Codec[Any] | None, bytes]:
    """Return the codec for the next call, and the result or error as a frame."""
    try:
        if saved is not None:
            codec = open_codec(*saved)
        return codec, pickle.dumps((True, function(codec, *args)), protocol=5)
    except Exception as error:  # noqa: BLE001  the parent raises it again
        try:
            return None, pickle.dumps((False, error), protocol=5)
        except Exception:  # noqa: BLE001  not every error can be pickled
            return None, pickle.dumps((False, TidemillError(f"{type(error).__name__}: {error}.")))


def _limit_time(seconds: float) -> None:
    """Let the system end this process after so much processor time; 0 lifts the limit."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _limit_memory() -> None:
    if sys.platform != "win32":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def _write(pipe: IO[bytes], content: bytes) -> None:
    pipe.write(_SIZE.pack(len(content)))
    pipe.write(content)
    pipe.flush()


def _read(pipe: IO[bytes]) -> Any:
    head = pipe.read(_SIZE.size)
    if len(head) < _SIZE.size:
        raise EOFError
    (size,) = _SIZE.unpack(head)
    content = pipe.read(size)
    if len(content) < size:
        raise EOFError
    return pickle.loads(content)  # noqa: S301  the other end is this program
