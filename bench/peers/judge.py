"""Rows and goals of what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from bench.peers.intervals import Interval
from bench.peers.measured import BARE, BARE_ONE, FLOOR, OURS, Case, Measured, rate
from bench.record import Record

BUSY = 50
SHARE_OF_BARE = 0.92
SHARE_OF_BARE_ONE = 0.75
TAIL = 1.5
LOG_SHARE = 0.03
NEAR_BEST = 0.95
GENERATOR = 3.0
"""How many times the fastest server's rate the generator must reach."""
PEERS = ("bentoml", "litserve")
CROWDS = (8, 50, 200)


def tell(record: Record, workload: str, measured: Measured) -> None:
    """Add a row for each case."""
    for case, results in measured.rounds.items():
        name, users = case
        bare = measured.ratio(case, (BARE, ""))
        batches = name in (BARE, BARE_ONE)
        record.row(
            workload=workload,
            contestant=f"{name} {measured.batch}" if name == BARE else name,
            users=users,
            rounds=len(results),
            requests=sum(result.answered for result in results),
            per_s=median(rate(result) for result in results),
            p50_ms=None if batches else measured.percentile(case, 0.5),
            p99_ms=None if batches else measured.percentile(case, 0.99),
            x_bare=bare.mean,
            x_bare_low=bare.low if len(results) > 1 else None,
            x_bare_high=bare.high if len(results) > 1 else None,
            log_share=_log_share(measured, case),
            errors=sum(sum(result.faults.values()) for result in results),
        )


def judge(record: Record, measured: Mapping[str, Measured], workloads: Sequence[str]) -> None:
    """Add every goal. What was not measured is not met."""
    for name, one in measured.items():
        _judge_bare(record, name, one)
        _judge_peers(record, name, one)
        _judge_soundness(record, name, one)
    missing = [name for name in workloads if name not in measured]
    record.goal(
        "all_workloads",
        "every workload was measured",
        ", ".join(missing) or "all",
        met=not missing,
    )


def _judge_bare(record: Record, name: str, measured: Measured) -> None:
    busy, one = (OURS, BUSY), (OURS, 1)
    _at_least(
        record,
        f"{name}_bare_{BUSY}",
        f"at {BUSY} users, with its log, Tidemill reaches {SHARE_OF_BARE} of the bare loop",
        measured.ratio(busy, (BARE, "")) if busy in measured.rounds else None,
        SHARE_OF_BARE,
    )
    _at_least(
        record,
        f"{name}_bare_1",
        f"at 1 user it reaches {SHARE_OF_BARE_ONE} of the bare loop at batch 1",
        measured.ratio(one, (BARE_ONE, "")) if one in measured.rounds else None,
        SHARE_OF_BARE_ONE,
    )
    spread = measured.spread(busy) if busy in measured.rounds else None
    record.goal(
        f"{name}_tail_{BUSY}",
        f"at {BUSY} users its p99 is at most {TAIL} times its p50",
        str(spread or "not measured"),
        met=spread is not None and spread.mean <= TAIL,
    )
    share = _log_share(measured, busy)
    record.goal(
        f"{name}_log",
        f"at {BUSY} users its log takes at most {LOG_SHARE:.0%} of the time",
        "not measured" if share is None else share,
        met=share is not None and share <= LOG_SHARE,
    )


def _judge_peers(record: Record, name: str, measured: Measured) -> None:
    for peer in PEERS:
        for users in CROWDS:
            ratio = _ratio(measured, peer, users)
            record.goal(
                f"{name}_{peer}_{users}",
                f"at {users} users Tidemill is ahead of {peer}: the interval lies above 1",
                str(ratio or "not measured"),
                met=ratio is not None and ratio.low > 1,
            )
    ratios = [ratio for peer in PEERS if (ratio := _ratio(measured, peer, 1))]
    worst = min(ratios, key=lambda ratio: ratio.mean, default=None)
    _at_least(
        record,
        f"{name}_best_1",
        f"at 1 user it reaches {NEAR_BEST} of the best peer",
        worst if len(ratios) == len(PEERS) else None,
        NEAR_BEST,
    )


def _judge_soundness(record: Record, name: str, measured: Measured) -> None:
    servers = [other for other in measured.names() if other not in (BARE, BARE_ONE, FLOOR)]
    faults = {other: measured.faults(other) for other in servers}
    record.goal(
        f"{name}_no_errors",
        "every request of every contestant got a 200 on a connection that was kept",
        ", ".join(f"{other} {count}" for other, count in faults.items() if count) or 0,
        met=not any(faults.values()),
    )
    differing = sum(measured.differing.values())
    record.goal(
        f"{name}_same_answers",
        "every contestant gives each payload the answer of the bare loop",
        differing,
        met=differing == 0 and bool(servers),
    )
    floor = [
        rate(row) for (other, _), rows in measured.rounds.items() if other == FLOOR for row in rows
    ]
    fastest = max(
        (
            median(map(rate, rows))
            for (other, _), rows in measured.rounds.items()
            if other in servers
        ),
        default=0.0,
    )
    times = median(floor) / fastest if floor and fastest else 0.0
    record.goal(
        f"{name}_generator",
        f"the generator can send {GENERATOR:g} times what the fastest server answers",
        times,
        met=times >= GENERATOR,
    )


def _ratio(measured: Measured, peer: str, users: int) -> Interval | None:
    ours, theirs = (OURS, users), (peer, users)
    if ours not in measured.rounds or theirs not in measured.rounds:
        return None
    return measured.ratio(ours, theirs)


def _at_least(record: Record, id: str, goal: str, ratio: Interval | None, bound: float) -> None:
    met = ratio is not None and ratio.mean >= bound
    record.goal(id, goal, str(ratio or "not measured"), met=met)


def _log_share(measured: Measured, case: Case) -> float | None:
    name, users = case
    shares = measured.log_share.get(users) if name == OURS and isinstance(users, int) else None
    return median(shares) if shares else None
