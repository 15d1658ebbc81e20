"""How far an ordered stream of rows has been read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ImportOffset:
    """Where to continue; only the reader of `name` understands `position`.

    `caught_up_at` is when the end was last reached; None before the first time.
    """

    name: str
    position: str = ""
    caught_up_at: datetime | None = None
