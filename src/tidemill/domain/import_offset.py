"""How far something that comes in order has been gone through."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ImportOffset:
    """Where to go on, in words that only the reader of `name` understands.

    `caught_up_at` is when the end was last reached; None while it never was.
    """

    name: str
    position: str = ""
    caught_up_at: datetime | None = None
