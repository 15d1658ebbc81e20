"""The drift test: does what a model sees still look like the examples it was held to?

Pure functions: counts and a policy in, a verdict out. Nothing here reads a clock, a disk or a
database. Too few predictions are no verdict.
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
"""Seconds that a policy may name: thirty years, far more than are of use and few enough to count
with."""
SMALLEST_ALPHA = 1e-6
"""A false alarm in a million windows: rarer ones no count of draws could tell apart."""


@dataclass(frozen=True, slots=True)
class DriftPolicy:
    """When a window of live predictions has drifted. Raises UsageError for what cannot judge.

    minimum   predictions that a window needs
    psi       population stability index from which on a feature's drift matters
    alpha     chance that a window of unchanged traffic has any false alarm; a millionth at least
    every_s   seconds from one check to the next at least, so that busy traffic costs no more
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
    """An open window: it has `n` predictions, and so many are `missing` for a verdict."""

    n: int
    missing: int


def window(profiles: Sequence[Profile], policy: DriftPolicy) -> Window:
    """Return how many predictions are there, and how many a verdict still needs."""
    n = sum(profile.n for profile in profiles)
    return Window(n, max(0, policy.minimum - n))


def check(
    reference: Mapping[str, Counts], live: Mapping[str, Counts], policy: DriftPolicy
) -> tuple[FeatureDrift, ...]:
    """Return every feature, in the reference's order, judged together.

    A feature has drifted when its PSI is at least `policy.psi` and its p survives Holm's
    correction over all of them at `policy.alpha` (S. Holm, "A Simple Sequentially Rejective
    Multiple Test Procedure", 1979). One that fills a single bin on both sides has PSI 0 and p 1.
    The same counts give the same answer. Raises DataError when both sides are not counted alike.
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
    """Whose p survives: the smallest against alpha / k, the next against alpha / (k - 1), until
    one fails."""
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

    `reference` counts `examples` held-out ones by feature, in the order in which the profiles'
    counts lie end to end. Raises Conflict when the profiles are not of one version's live traffic,
    DataError when they were not counted with this reference.
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
    """Seeded by the counts, in whatever order: the same evidence must give the same verdict, and
    the luck of one window's draws must not be that of the next."""
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
