"""Labels that go straight into a ledger."""

from __future__ import annotations

from datetime import datetime

from uuid_utils import uuid7

from tests.cases.names import Feedback, UnitOfWork, give_feedback, review_feedback


def label(
    example: str, name: str, at: datetime, *, actor: str = "ann", item: str = "", answered: str = ""
) -> Feedback:
    """One label of the target `t`, with an id of its own."""
    return Feedback(str(uuid7()), "", example, "t", item, name, answered, actor, at)


def texts_labelled(unit: UnitOfWork, count: int, at: datetime) -> None:
    """Record so many labels, each on an example of its own."""
    for number in range(count):
        give_feedback(unit, label(f"e{number}", "a", at))


def review_all(unit: UnitOfWork, count: int, at: datetime) -> None:
    """Decide on that many labels under the default policy."""
    review_feedback(unit, "accept_unless_suspicious", actor="engine", at=at, limit=count)
