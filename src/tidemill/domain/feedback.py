"""What somebody says the right answer was, and what became of that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

FeedbackStatus = Literal["pending", "accepted", "rejected", "superseded", "quarantined"]
"""
pending      nobody has decided yet
accepted     the next snapshot takes it, or one has
rejected     a person or the policy does not believe it
superseded   its actor has said something else since, or a later accepted label took its place
quarantined  it taught a version that was refused or rolled back; a person may accept it again
"""


@dataclass(frozen=True, slots=True)
class Feedback:
    """One label that somebody gave to one item of one payload, for one target.

    `prediction` is the prediction that it corrects, `predicted_label` the label of that; both are
    empty for feedback with a payload of its own. `example` is the payload's id. `item` is the
    item's name, empty where a payload is one item. `settled_at` is when the status last moved,
    `reason` why. `snapshot` is the latest snapshot that took it.
    """

    id: str
    prediction: str
    example: str
    target: str
    item: str
    label: str
    predicted_label: str
    actor: str
    at: datetime
    status: FeedbackStatus = "pending"
    reason: str = ""
    settled_at: datetime | None = None
    snapshot: str = ""

    @property
    def subject(self) -> tuple[str, str, str]:
        """What the label is about: an item that has a name by that name, whatever else its example
        tells of it, such as a node's links; every other by its example. Target, item, example."""
        return self.target, self.item, "" if self.item else self.example
