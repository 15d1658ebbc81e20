"""A label that somebody gave as the right answer, and its status."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

FeedbackStatus = Literal["pending", "accepted", "rejected", "superseded", "quarantined"]
"""
pending      nobody has decided yet
accepted     the next snapshot includes it, or one has
rejected     a person or the policy does not trust it
superseded   its actor gave another label later, or a later accepted label replaced it
quarantined  a version that was refused or rolled back learnt from it; a person may accept it
"""


@dataclass(frozen=True, slots=True)
class Feedback:
    """One label that somebody gave to one item of one payload, for one target.

    `prediction` is the corrected prediction and `predicted_label` its label; both are empty for
    feedback with its own payload. `example` is the payload's id. `item` is the item's name, empty
    for a payload with one item. `settled_at` is when the status last changed, `reason` why.
    `snapshot` is the latest snapshot that includes it. `actor` has proved its name, or stands for
    many people. `claimed_actor` is a name that nobody proved; `client` is the address of a client
    without a key. Both help a reviewer, and give no right.
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
    claimed_actor: str = ""
    client: str = ""

    @property
    def subject(self) -> tuple[str, str, str]:
        """The subject of the label: (target, item, example).

        A named item is identified by its name alone, because its examples may differ in other
        parts, such as the links of a node. Any other item is identified by its example.
        """
        return self.target, self.item, "" if self.item else self.example
