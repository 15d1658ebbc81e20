"""The servers side by side: each on the same core, started once and asked in turns."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from bench.environment import clean
from bench.peers.installs import install
from bench.peers.messages import BENTOML, LITSERVE, TIDEMILL, Dialect
from bench.peers.workloads import Workload
from bench.record import ROOT
from tidemill.adapters.child_process import ServerProcess
from tidemill.domain.errors import TidemillError, UsageError
from tidemill.testing.processes import require_ready

START_S = 180.0
STOP_S = 10.0
ADAPT_S = 3.0
"""BentoML learns its waits from its last 50 batches, a few seconds of load."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A running server: its port, how it is asked, and its settings in words."""

    name: str
    port: int
    dialect: Dialect
    settings: str
    process: int | None = None
    """A peer's process. It and all that it started stand still outside their turns."""

    settle_s: float = 0.0
    """How long it takes to adapt to another load; so long it warms up at least."""

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Let the server run for the block: an idle peer polls, which would cost the others."""
        if self.process is not None:
            send(signal.SIGCONT, tree_of(self.process))
        try:
            yield
        finally:
            if self.process is not None:
                send(signal.SIGSTOP, tree_of(self.process))


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Processes that are started in the block run on this core alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def tidemill(workload: Workload, core: int, _scratch: Path) -> Iterator[Contestant]:
    """`tidemill serve` as it is, with one thread and its traffic log."""
    settings = {"TIDEMILL_THREADS": "1"}
    with ExitStack() as stack:
        with on_core(core):
            process = stack.enter_context(ServerProcess(workload.home, settings=settings))
        require_ready(process.url)
        port = int(process.url.rpartition(":")[2])
        yield Contestant("tidemill", port, TIDEMILL, "defaults: threads 1, batch 64, log on")


@contextmanager
def floor(size: int, core: int) -> Iterator[Contestant]:
    """A server that does nothing but answer with so many bytes."""
    port = free_port()
    with on_core(core):
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.peers.floor", str(port), str(size)], cwd=ROOT
        )
    try:
        wait_for_port(port)
        yield Contestant("generator", port, TIDEMILL, "one answer to everything")
    finally:
        process.terminate()
        process.wait()


@contextmanager
def bentoml(workload: Workload, core: int, scratch: Path, *, log: bool) -> Iterator[Contestant]:
    """BentoML: adaptive batches, one worker, no access log."""
    python = install("bentoml")
    port = free_port()
    words = [str(python), "-m", "bentoml", "serve", "bench.peers.bento_service:Peer"]
    words += ["--host", "127.0.0.1", "--port", str(port)]
    variables = {"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(scratch / "bentoml-home")}
    name = "bentoml + log" if log else "bentoml"
    with _server(
        name, words, variables, workload, scratch, core, port, "/readyz", log=log
    ) as process:
        yield Contestant(
            name,
            port,
            BENTOML,
            "workers=1, batchable, max_batch_size=64, max_latency_ms=2000, uvloop, no access log",
            process,
            ADAPT_S,
        )


@contextmanager
def litserve(workload: Workload, core: int, scratch: Path, *, log: bool) -> Iterator[Contestant]:
    """LitServe: batches, the fast queue, one worker and one server of its API."""
    python = install("litserve")
    port = free_port()
    words = [str(python), "-m", "bench.peers.lit_server", str(port)]
    name = "litserve + log" if log else "litserve"
    with _server(name, words, {}, workload, scratch, core, port, "/health", log=log) as process:
        yield Contestant(
            name,
            port,
            LITSERVE,
            "workers_per_device=1, max_batch_size=64, batch_timeout=0.005, fast_queue=True",
            process,
        )


@contextmanager
def _server(
    name: str,
    words: Sequence[str],
    variables: Mapping[str, str],
    workload: Workload,
    scratch: Path,
    core: int,
    port: int,
    health: str,
    *,
    log: bool,
) -> Iterator[int]:
    """The first process of a peer, which ends with the block, and so do all that it started."""
    own = {
        "PEER_BUNDLE": str(workload.bundle.absolute()),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}",
        "PEER_FORM": workload.form,
        "ORT_DISABLE_TELEMETRY": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_NUM_THREADS": "1",
    }
    if log:
        own["PEER_LOG"] = str(scratch / f"{name.replace(' ', '')}.sqlite")
    output = scratch / f"{name.replace(' ', '')}.txt"
    with output.open("wb") as file, on_core(core):
        process = subprocess.Popen(
            list(words),
            cwd=scratch,
            env=clean() | own | dict(variables),
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(name, process, f"http://127.0.0.1:{port}{health}", output)
        send(signal.SIGSTOP, tree_of(process.pid))
        yield process.pid
    finally:
        _end(process)


def _wait(name: str, process: subprocess.Popen[bytes], url: str, output: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, timeout=5, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    tail = output.read_text(errors="replace")[-2_000:]
    raise TidemillError(f"{name} did not start.", hint=tail)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a peer with all processes that it started."""
    tree = tree_of(process.pid)
    for sign in (signal.SIGTERM, signal.SIGKILL):
        send(sign, tree)
        send(signal.SIGCONT, tree)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)


def tree_of(pid: int) -> list[int]:
    """Return a process and all that it started, in whatever group: BentoML's worker has its own."""
    tree = [pid]
    for parent in tree:
        for file in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):  # it has ended meanwhile
                tree += map(int, file.read_text().split())
    return tree


def send(sign: signal.Signals, processes: Sequence[int]) -> None:
    """Send a signal to those that are still there."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, sign)


def start(
    name: str, workload: Workload, core: int, scratch: Path
) -> AbstractContextManager[Contestant]:
    """Return a contestant by name. Raises UsageError for an unknown one."""
    if name not in STARTS:
        raise UsageError(f"There is no contestant {name!r}.", hint=f"One of {', '.join(STARTS)}.")
    return STARTS[name](workload, core, scratch)


LOG = " + log"
"""The end of the name of a peer that keeps a log as Tidemill does."""
STARTS: Mapping[str, Callable[[Workload, int, Path], AbstractContextManager[Contestant]]] = {
    "tidemill": tidemill,
    "bentoml": partial(bentoml, log=False),
    "litserve": partial(litserve, log=False),
    f"bentoml{LOG}": partial(bentoml, log=True),
    f"litserve{LOG}": partial(litserve, log=True),
}


def wait_for_port(port: int) -> None:
    """Wait until somebody listens. Raises TidemillError."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TidemillError(f"Nobody listens on port {port}.")


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
