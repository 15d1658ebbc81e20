"""One line of a table on real data: which recipe learns what how, and what is asked of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

Payloads = Callable[[Path, Sequence[bytes]], Sequence[bytes]]
"""The folder of the real data and the payloads of the row's own test, to what clients would send
from some day on."""


@dataclass(frozen=True, slots=True)
class Shift:
    """A change that must be noticed within so many predictions, each at most once."""

    name: str
    payloads: Payloads
    within: int = 500


@dataclass(frozen=True, slots=True)
class Row:
    """`accuracy` is asked of the mean of the seeds, `seconds` of each run.

    `target` is the one whose accuracy counts where a model has several. Of a row with shifts the
    first seed's model also has to stay quiet over its own held-out payloads. Of a row that is
    `served`, the first seed's model is promoted and asked over HTTP.
    """

    id: str
    recipe: str
    data: str
    split: str
    model: str
    overrides: tuple[str, ...]
    accuracy: float | None = None
    seconds: float | None = None
    seeds: tuple[int, ...] = (0, 1, 2)
    shifts: tuple[Shift, ...] = ()
    target: str = ""
    served: bool = False

    @property
    def goals(self) -> tuple[str, ...]:
        """The ids of everything that is asked of it."""
        timed = [f"{self.id}_seconds"] if self.seconds else []
        drift = [f"drift_{self.id}_{shift.name}" for shift in self.shifts]
        quiet = [f"quiet_{self.id}"] if self.shifts else []
        return (self.id, *timed, *drift, *quiet)
