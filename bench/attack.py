"""What an attack costs everybody else: `python -m bench.attack`.

Each attack meets a server of its own. Meanwhile a second client asks `/v1/live` and for a small
prediction at a steady pace, and the memory of the server and its processes is watched.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Self

import httpx
import typer
from matplotlib.figure import Figure

from bench.command import run
from bench.figure import BAR, GOAL, MARK
from bench.hostile import (
    Attack,
    be_silent,
    black_png,
    dribble,
    endless_header,
    hang_up,
    repeated_scans,
    send_files,
    send_json,
    send_labels,
)
from bench.record import Record
from bench.workspace import leaves, served
from tidemill.adapters.child_process import ServerProcess
from tidemill.testing.load import percentile
from tidemill.testing.processes import require_ready

EVERY_S = 0.03
SETTLED_S = 13.0
"""After so long without costly payloads the processes that decoded them have ended."""
P99_MS = 100.0
STEADY = 1.3
MIB = 1 << 20


def attacks() -> Mapping[str, Attack]:
    """Every attack by name. None takes more than a quarter of a minute."""
    scans, bomb, large = repeated_scans(), black_png(3_162), black_png(6_324)
    brackets = b'{"image": ' + b"[" + b"[]," * (9 * MIB) + b"[]]}"
    predict = {"path": "/v1/predict"}
    return {
        "450 scans": partial(send_files, content=scans, count=1, clients=2, **predict),
        "30 bombs": partial(send_files, content=bomb, count=30, clients=1, **predict),
        "4 large images": partial(send_files, content=large, count=1, clients=4, **predict),
        "10 labels": partial(send_labels, content=bomb, label="rust", clients=10),
        "27 MiB brackets": partial(send_json, body=brackets, **predict),
        "brackets to /v2": partial(
            send_json, body=b'{"inputs": ' + brackets[10:], path="/v2/models/coffee/infer"
        ),
        "1,100 silent": partial(be_silent, sockets=1_100),
        "9 slow bodies": partial(dribble, bodies=9, size=31 * MIB),
        "endless header": endless_header,
        "500 hang-ups": partial(hang_up, clients=500, body=b'{"image": "AAAA"}'),
    }


def measure(
    *,
    home: Annotated[Path, typer.Option(help="A workspace; trained when needed.")] = Path(
        ".tidemill"
    ),
    only: Annotated[str, typer.Option(help="A part of the names of the attacks to run.")] = "",
) -> int:
    """Attack the server and measure what a second client notices, and the memory."""
    record = Record("attack")
    with served(home) as workspace:
        leaf = Path(leaves(home, 1)[0]).read_bytes()
        for name, attack in attacks().items():
            if only in name:
                with ServerProcess(workspace.home) as process:
                    require_ready(process.url)
                    _attack(record, name, process, attack, leaf)
    _judge(record)
    return record.finish(_figure(record))


class Beside(ABC):
    """Runs in a thread for as long as the block."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @abstractmethod
    def _run(self) -> None:
        """Go on until `_over` is set."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


class Second(Beside):
    """A second client. It asks at a steady pace; each time counts from when it was due."""

    def __init__(self, url: str, path: str, leaf: bytes | None = None) -> None:
        super().__init__()
        self.ms: list[float] = []
        self.failed = 0
        self._url, self._path, self._leaf = url, path, leaf

    def _run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=90, trust_env=False) as session:
            due = time.monotonic()
            while not self._over.is_set():
                try:
                    response = (
                        session.get(self._path)
                        if self._leaf is None
                        else session.post(self._path, files={"file": self._leaf})
                    )
                    self.failed += response.status_code != 200
                except httpx.HTTPError:
                    self.failed += 1
                self.ms.append((time.monotonic() - due) * 1000)
                due = max(due + EVERY_S, time.monotonic() - EVERY_S)
                self._over.wait(max(0.0, due - time.monotonic()))


class Memory(Beside):
    """The most that the server and its processes held together, in MiB."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self._pid = pid
        self.peak = self.start = resident(pid)

    def _run(self) -> None:
        while not self._over.wait(0.02):
            self.peak = max(self.peak, resident(self._pid))


def resident(pid: int) -> int:
    """MiB of a process and of those that it started."""
    total = 0
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if folder.name.isdigit() and pid in (int(folder.name), _parent(folder)):
                pages = int((folder / "statm").read_text().split()[1])
                total += pages * 4096
    return total // MIB


def _parent(folder: Path) -> int:
    return int((folder / "stat").read_text().rpartition(")")[2].split()[1])


def _attack(record: Record, name: str, process: ServerProcess, attack: Attack, leaf: bytes) -> None:
    url = process.url
    with Second(url, "/v1/predict", leaf):
        time.sleep(1)  # a server that has answered holds its caches
    with (
        Memory(process.pid) as memory,
        Second(url, "/v1/live") as live,
        Second(url, "/v1/predict", leaf) as small,
    ):
        time.sleep(0.5)
        answer = attack(url)
        time.sleep(0.5)
    time.sleep(SETTLED_S)
    record.row(
        attack=name,
        answer=answer,
        live_p99_ms=percentile(live.ms, 0.99),
        small_p99_ms=percentile(small.ms, 0.99),
        requests=len(live.ms) + len(small.ms),
        failed=live.failed + small.failed,
        start_mib=memory.start,
        peak_mib=memory.peak,
        steady_mib=resident(process.pid),
        steady_x_start=resident(process.pid) / memory.start,
    )


def _judge(record: Record) -> None:
    for column, what in (("live_p99_ms", "/v1/live"), ("small_p99_ms", "a small prediction")):
        worst = max(row[column] for row in record.rows)
        record.goal(
            column,
            f"p99 of {what} of a second client is at most {P99_MS:g} ms during each attack",
            worst,
            met=worst <= P99_MS,
        )
    steady = max(row["steady_x_start"] for row in record.rows)
    record.goal(
        "steady",
        f"memory after each attack is at most {STEADY} times that before",
        steady,
        met=steady <= STEADY,
    )
    failed = sum(row["failed"] for row in record.rows)
    record.goal("no_failures", "no request of the second client fails", failed, met=failed == 0)


def _figure(record: Record) -> Figure:
    figure = Figure(figsize=(11, 4.5), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    names = [row["attack"] for row in record.rows]
    left.barh(names, [row["small_p99_ms"] for row in record.rows], color=BAR, label="predict")
    left.plot([row["live_p99_ms"] for row in record.rows], names, "o", color=MARK, label="live")
    left.axvline(P99_MS, color=GOAL, linestyle="--")
    left.invert_yaxis()
    left.set(xlabel="p99 of a second client, ms", xlim=(0, None))
    left.legend(frameon=False)
    right.barh(names, [row["peak_mib"] for row in record.rows], color=BAR, label="peak")
    right.plot([row["steady_mib"] for row in record.rows], names, "o", color=MARK, label="steady")
    right.plot([row["start_mib"] for row in record.rows], names, "|", color=GOAL, label="before")
    right.set(xlabel="memory, MiB", xlim=(0, None))
    right.legend(frameon=False)
    return figure


if __name__ == "__main__":
    run(measure)
