"""What a load test measured: latencies, rate, failures, the knee, and a verdict on objectives."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tidemill.domain.errors import UsageError

SETTLE_SHARE, SETTLE_MAX_S = 0.2, 3.0
"""The beginning of a step that is not measured, because its users are only starting."""
USEFUL_SHARE = 0.5
"""Beyond the knee, more users bring less than this share of the requests that they should."""

_COMPARE: dict[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge}
_OBJECTIVE = re.compile(r"(p50|p95|p99|rate|failures)\s*(<=|>=)\s*(\d+(?:\.\d+)?)\s*(ms|s|%|/s)?")
_UNITS = {"p50": ("ms", "s"), "p95": ("ms", "s"), "p99": ("ms", "s"), "rate": ("/s",)}


@dataclass(frozen=True, slots=True)
class Objective:
    """A bound on one figure: milliseconds, requests per second, or a share of failures."""

    figure: str
    comparison: str
    bound: float
    text: str

    def holds(self, step: StepResult) -> bool:
        """True when the measured figure keeps the bound; never without a request."""
        return step.requests > 0 and _COMPARE[self.comparison](step.figure(self.figure), self.bound)


def read_objective(text: str) -> Objective:
    """Read an objective such as `p95<=300ms`, `rate>=20/s` or `failures<=0.1%`.

    Raises UsageError.
    """
    match = _OBJECTIVE.fullmatch(text.strip())
    figure, comparison, number, unit = match.groups() if match else ("", "", "", "")
    units = _UNITS.get(figure, ("%",))
    if not match or (unit or units[0]) not in units or (comparison == ">=") != (figure == "rate"):
        raise UsageError(
            f"{text!r} is no objective.",
            hint="Write p50, p95 or p99<=300ms, rate>=20/s, or failures<=0.1%.",
        )
    scale = {"s": 1000.0, "%": 0.01}.get(unit or units[0], 1.0)
    return Objective(figure, comparison, float(number) * scale, text.strip())


@dataclass(slots=True)
class StepResult:
    """The requests of one number of users. `seconds` is the measured time."""

    users: int
    seconds: float
    ms: list[float] = field(default_factory=list, repr=False)
    failures: int = 0

    @property
    def requests(self) -> int:
        return len(self.ms)

    @property
    def rate(self) -> float:
        """Requests per second that did not fail."""
        return (self.requests - self.failures) / self.seconds if self.seconds else 0.0

    @property
    def failed_share(self) -> float:
        return self.failures / self.requests if self.requests else 0.0

    def percentile(self, share: float) -> float:
        """Return the least measured time that this share of the requests did not exceed."""
        if not self.ms:
            return math.nan
        return sorted(self.ms)[math.ceil(share * len(self.ms)) - 1]

    def figure(self, name: str) -> float:
        """Return the figure that an objective names."""
        if name == "rate":
            return self.rate
        if name == "failures":
            return self.failed_share
        return self.percentile(int(name[1:]) / 100)

    def to_json(self) -> dict[str, Any]:
        """Return the figures; a step without a request has no percentiles."""
        times = {f"{n}_ms": _rounded(self.figure(n)) for n in ("p50", "p95", "p99")}
        return {
            "users": self.users,
            "seconds": round(self.seconds, 3),
            "requests": self.requests,
            "failures": self.failures,
            "rate": round(self.rate, 2),
            **times,
        }


@dataclass(frozen=True, slots=True)
class LoadReport:
    """The steps of a load test, the last with all users; `faults` are the errors by count.

    `knee` is the number of users beyond which more users bring few more answers, or None when
    no step was beyond it.
    """

    url: str
    steps: Sequence[StepResult]
    faults: Mapping[str, int]
    knee: int | None
    missed: Sequence[str]

    @property
    def last(self) -> StepResult:
        """The step with all users, which the objectives are about."""
        return self.steps[-1]

    @property
    def passed(self) -> bool:
        return not self.missed

    def to_json(self) -> dict[str, Any]:
        """Return every step, the knee and the verdict."""
        return {
            "url": self.url,
            **self.last.to_json(),
            "steps": [step.to_json() for step in self.steps],
            "knee": self.knee,
            "faults": dict(self.faults),
            "missed": list(self.missed),
            "passed": self.passed,
        }


def build_load_report(
    url: str, records: Iterable[Sequence[Any]], objectives: Sequence[Objective]
) -> LoadReport:
    """Return the report of what Locust wrote, line by line.

    A request counts for the step in which it began, if that step had settled. Failures count also
    while a step settles.
    """
    begun: list[tuple[float, int]] = []
    requests: list[tuple[float, float, str]] = []
    faults: dict[str, int] = {}
    end = 0.0
    for kind, at, *rest in records:
        if kind == "step":
            begun.append((at, int(rest[0])))
        elif kind == "end":
            end = at
        else:
            ms, name, error = rest
            requests.append((at, ms, error))
            if error:
                label = f"{name}: {error}"[:200]
                faults[label] = faults.get(label, 0) + 1
            end = max(end, at)
    steps, settled = _empty_steps(begun, end)
    starts = [at for at, _ in begun]
    for at, ms, error in requests:
        index = max((n for n, start in enumerate(starts) if at >= start), default=0)
        if not steps:
            break
        if at >= settled[index] or error:
            steps[index].ms.append(ms)
            steps[index].failures += bool(error)
    missed = [each.text for each in objectives if not steps or not each.holds(steps[-1])]
    return LoadReport(url, steps, faults, find_knee(steps), missed)


def find_knee(steps: Sequence[StepResult]) -> int | None:
    """Return the users of the last step before the rate stopped following the users."""
    for before, after in pairwise(steps):
        if not before.rate or after.users <= before.users:
            continue
        gained = after.rate / before.rate - 1
        if gained < USEFUL_SHARE * (after.users / before.users - 1):
            return before.users
    return None


def _empty_steps(
    begun: Sequence[tuple[float, int]], end: float
) -> tuple[list[StepResult], list[float]]:
    steps, settled = [], []
    ends = [*(at for at, _ in begun[1:]), end]
    for (start, users), stop in zip(begun, ends, strict=False):
        first = start + min(SETTLE_SHARE * (stop - start), SETTLE_MAX_S)
        settled.append(first)
        steps.append(StepResult(users, max(stop - first, 0.0)))
    return steps, settled


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 2)
