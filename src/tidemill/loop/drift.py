"""The drift test: compare live predictions with the reference on held-out examples.

Pure functions: counts and a policy in, a verdict out. Nothing here reads a clock, a disk or a
database. Too few predictions give no verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, pairwise

import numpy as np

from tidemill.domain.drift import DriftVerdict, FeatureDrift, Profile
from tidemill.domain.errors import Conflict, DataError, UsageError
from tidemill.loop.distance import Counts, js, psi
from tidemill.loop.significance import p_value

LONGEST_S = 1e9
"""The longest time that a policy may state, in seconds: thirty years."""
SMALLEST_ALPHA = 1e-6
"""One false alarm in a million windows. A finite number of draws cannot resolve rarer ones."""


@dataclass(frozen=True, slots=True)
class DriftPolicy:
    """The rules for a drifted window. Raises UsageError for a value that cannot judge.

    minimum   number of predictions that a window needs
    psi       population stability index at which the drift of a feature matters
    alpha     probability of any false alarm in a window of unchanged traffic; at least a millionth
    every_s   least seconds between two checks, which limits the cost of busy traffic
    """

    minimum: int = 200
    psi: float = 0.2
    alpha: float = 0.01
    every_s: float = 10

    def __post_init__(self) -> None:
        checks = {
            "minimum": self.minimum >= 1,
            "psi": 0 <= self.psi < float("inf"),
            "alpha": SMALLEST_ALPHA <= self.alpha < 1,
            "every_s": 0 <= self.every_s <= LONGEST_S,
        }
        for name, holds in checks.items():
            if not holds:
                raise UsageError(f"The drift test cannot use {name}={getattr(self, name)}.")


@dataclass(frozen=True, slots=True)
class Window:
    """An open window with `n` predictions; `missing` more are needed for a verdict."""

    n: int
    missing: int


def window(profiles: Sequence[Profile], policy: DriftPolicy) -> Window:
    """Return the number of predictions, and how many more a verdict needs."""
    return window_of(sum(profile.n for profile in profiles), policy)


def window_of(n: int, policy: DriftPolicy) -> Window:
    """Return the window of `n` predictions."""
    return Window(n, max(0, policy.minimum - n))


def check(
    reference: Mapping[str, Counts], live: Mapping[str, Counts], policy: DriftPolicy
) -> tuple[FeatureDrift, ...]:
    """Return the drift of every feature, in the reference's order, with a common correction.

    A feature has drifted when its PSI is at least `policy.psi` and its p-value is significant under
    Holm's correction over all features at `policy.alpha` (S. Holm, "A Simple Sequentially Rejective
    Multiple Test Procedure", 1979). A feature in a single bin on both sides has PSI 0 and p 1. The
    same counts give the same answer. Raises DataError when the two sides have different bins.
    """
    _counted_alike(reference, live)
    chances = {
        name: p_value(
            known,
            live[name],
            tests=len(reference),
            alpha=policy.alpha,
            rng=_generator(known, live[name]),
        )
        for name, known in reference.items()
    }
    surprising = holm(chances, policy.alpha)
    rows = []
    for name, known in reference.items():
        moved = psi(known, live[name])
        drifted = name in surprising and moved >= policy.psi
        rows.append(FeatureDrift(name, moved, js(known, live[name]), chances[name], drifted))
    return tuple(rows)


def holm(chances: Mapping[str, float], alpha: float) -> frozenset[str]:
    """Return the names of the significant p-values.

    The smallest is compared with alpha / k, the next with alpha / (k - 1), until one fails.
    """
    surviving: set[str] = set()
    for done, (name, p) in enumerate(sorted(chances.items(), key=lambda row: row[1])):
        if p > alpha / (len(chances) - done):
            break
        surviving.add(name)
    return frozenset(surviving)


def judge(
    reference: Mapping[str, Counts],
    examples: int,
    profiles: Sequence[Profile],
    policy: DriftPolicy,
    *,
    id: str,
    at: datetime,
) -> DriftVerdict | None:
    """Return the verdict on the open live profiles of one version; None while they are too few.

    `reference` has the counts of `examples` held-out examples by feature. A profile has the counts
    of all features in the same order, end to end. Raises Conflict when the profiles are not of one
    version's live traffic, and DataError when they do not fit this reference.
    """
    open_ = window(profiles, policy)
    if open_.missing:
        return None
    if {(profile.version, profile.kind) for profile in profiles} != {(profiles[0].version, "live")}:
        raise Conflict("Only the live profiles of one version can be judged together.")
    sizes = [len(known) for known in reference.values()]
    if any(len(profile.counts) != sum(sizes) for profile in profiles):
        raise DataError(
            f"The traffic of {profiles[0].version} was not counted in the {sum(sizes)} bins of its "
            "reference.",
            hint="The reference stands in the version's bundle.",
        )
    total = np.array([profile.counts for profile in profiles], np.int64).sum(axis=0)
    parts = (total[start:stop] for start, stop in pairwise(accumulate(sizes, initial=0)))
    features = check(reference, dict(zip(reference, parts, strict=True)), policy)
    return DriftVerdict(
        id=id,
        version=profiles[0].version,
        drifted=any(row.drifted for row in features),
        n=open_.n,
        reference=examples,
        since=min(profile.bucket for profile in profiles),
        until=max(profile.bucket for profile in profiles),
        features=features,
        at=at,
        threshold=policy.psi,
    )


def _generator(reference: Counts, live: Counts) -> np.random.Generator:
    """Return a generator whose seed is the counts in any order.

    The same evidence must give the same verdict, and two windows must not share their draws.
    """
    return np.random.default_rng([*np.sort(reference).tolist(), *np.sort(live).tolist()])


def _counted_alike(reference: Mapping[str, Counts], live: Mapping[str, Counts]) -> None:
    if not reference or set(reference) != set(live):
        raise DataError(f"The features {', '.join(live)} are not those of the reference.")
    for name, known in reference.items():
        if len(known) != len(live[name]):
            raise DataError(
                f"{name} has {len(known)} bins in the reference, not {len(live[name])}."
            )
        if not sum(known) or not sum(live[name]):
            raise DataError(f"Nothing was counted of {name}.")
