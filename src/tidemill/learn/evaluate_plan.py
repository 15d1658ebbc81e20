"""The optional parts of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass

from tidemill.domain.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatePlan:
    """`images` of validation are judged again under every corruption; 0 leaves that out."""

    images: int = 0

    def __post_init__(self) -> None:
        if self.images < 0:
            raise UsageError(f"An evaluation cannot use images={self.images}.")
