"""Tidemill beside BentoML, LitServe and the bare runtime: `python -m bench.peers`.

All contestants run at once, each server on the same core, the generator on the other. Every round
asks all of them, forwards and backwards in turn. Goals are ratios within a round.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from bench.command import run
from bench.peers.bare import BareLoop
from bench.peers.contestants import LOG, STARTS, Contestant, floor, start
from bench.peers.figure import draw
from bench.peers.generator import Plan, Result
from bench.peers.judge import judge, tell
from bench.peers.measured import BARE, BARE_ONE, FLOOR, OPEN, OURS, Case, Measured, rate
from bench.peers.turns import count_differing, read_log_seconds, send, write_requests
from bench.peers.workloads import WORKLOADS, Workload
from bench.record import OUT, Record
from tidemill.domain.errors import UsageError

SERVER_CORE, CLIENT_CORE = 0, 1
USERS = "1,8,50,200"
BUSY = 50
"""The users at whom goals are judged; the peers with a log are measured with so many alone."""
LOAD = 0.8
"""The open loop's share of a contestant's own capacity, which is its rate with BUSY users."""


@dataclass(frozen=True, slots=True)
class Options:
    """How long each case takes, and which cases there are."""

    rounds: int
    seconds: float
    users: Sequence[int]
    contestants: Sequence[str]

    @property
    def busy(self) -> int:
        """Return the users of what is measured once."""
        return BUSY if BUSY in self.users else max(self.users)

    @property
    def warmup(self) -> float:
        """Return the seconds before each case that do not count."""
        return min(0.5, self.seconds / 4)


def measure(
    *,
    rounds: Annotated[int, typer.Option(min=1, help="How often every case is measured.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.1, help="Of each case in each round.")] = 2.0,
    only: Annotated[str, typer.Option(help="Workloads, with commas.")] = ",".join(WORKLOADS),
    users: Annotated[str, typer.Option(help="Users at once, with commas.")] = USERS,
    contestants: Annotated[str, typer.Option(help="Servers, with commas.")] = ",".join(STARTS),
    home: Annotated[Path, typer.Option(help="Where the trained workspaces are kept.")] = OUT
    / "peers-homes",
) -> int:
    """Measure Tidemill, its peers and the bare runtime side by side."""
    record = Record("peers")
    options = Options(rounds, seconds, [*map(int, _names(users))], _names(contestants))
    all_measured: dict[str, Measured] = {}
    for name in _names(only):
        if name not in WORKLOADS:
            raise UsageError(
                f"There is no workload {name!r}.", hint=f"One of {', '.join(WORKLOADS)}."
            )
        workload = WORKLOADS[name](home)
        with tempfile.TemporaryDirectory(prefix="bench-peers-") as folder:
            all_measured[name] = _measure(workload, options, Path(folder))
        tell(record, name, all_measured[name])
    judge(record, all_measured, list(WORKLOADS))
    return record.finish(draw(all_measured))


def _measure(workload: Workload, options: Options, scratch: Path) -> Measured:
    measured = Measured()
    with ExitStack() as stack:
        bare = stack.enter_context(BareLoop(workload, SERVER_CORE, scratch))
        servers = [
            stack.enter_context(start(name, workload, SERVER_CORE, scratch))
            for name in options.contestants
        ]
        clients = {server.name: Client(server, workload, options, scratch) for server in servers}
        longest = 1
        for name, one in clients.items():
            print(f"{workload.name}: {name}: {one.server.settings}", flush=True)
            first = one.closed(options.busy)  # every server is warm before the first round
            measured.differing[name] = count_differing(one.server, first, bare.answers)
            longest = max([longest, *map(len, first.bodies.values())])
        measured.batch = bare.find_best(min(0.3, options.seconds))
        print(f"{workload.name}: bare loop: best batch {measured.batch}", flush=True)
        least = stack.enter_context(floor(longest, SERVER_CORE))
        clients[FLOOR] = Client(least, workload, options, scratch)
        cases = _cases(bare, clients, options, measured)
        for number in range(options.rounds):
            print(f"{workload.name}: round {number + 1} of {options.rounds}", flush=True)
            for case in list(cases)[:: -1 if number % 2 else 1]:
                measured.rounds.setdefault(case, []).append(cases[case]())
    return measured


class Client:
    """A server and the files of its requests."""

    def __init__(
        self, server: Contestant, workload: Workload, options: Options, scratch: Path
    ) -> None:
        self.server = server
        self._options = options
        self._files = write_requests(server, workload, scratch)
        self._capacity = 1.0

    def closed(self, users: int) -> Result:
        """Measure so many users, each of whom waits for its answer."""
        with self.server.turn():
            result = send(self._plan(users))
        if users == self._options.busy:
            self._capacity = max(1.0, rate(result))
        return result

    def opened(self) -> Result:
        """Measure requests that come at a share of the capacity, as it was last measured."""
        plan = replace(self._plan(self._options.busy), rate=LOAD * self._capacity)
        with self.server.turn():
            return send(plan)

    def _plan(self, users: int) -> Plan:
        options = self._options
        warmup = max(options.warmup, self.server.settle_s)
        return Plan(self.server.port, self._files, users, options.seconds, warmup, CLIENT_CORE)


def _cases(
    bare: BareLoop, clients: Mapping[str, Client], options: Options, measured: Measured
) -> dict[Case, Callable[[], Result]]:
    """Return what a round measures."""
    cases: dict[Case, Callable[[], Result]] = {
        (BARE, ""): partial(bare.run, measured.batch, options.seconds, options.warmup),
        (BARE_ONE, ""): partial(bare.run, 1, options.seconds, options.warmup),
    }
    for name, one in clients.items():
        if name == FLOOR or name.endswith(LOG):
            cases[name, options.busy] = partial(one.closed, options.busy)
            continue
        for users in options.users:
            cases[name, users] = partial(one.closed, users)
            if name == OURS:
                cases[name, users] = partial(_with_log_share, one, users, options, measured)
        cases[name, OPEN] = one.opened
    return cases


def _with_log_share(one: Client, users: int, options: Options, measured: Measured) -> Result:
    """Measure Tidemill, and how much of the time its own metrics give to the log."""
    before = read_log_seconds(one.server.port)
    result = one.closed(users)
    spent = read_log_seconds(one.server.port) - before
    share = spent / (options.warmup + options.seconds)
    measured.log_share.setdefault(users, []).append(share)
    return result


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


if __name__ == "__main__":
    run(measure)
