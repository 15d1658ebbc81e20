"""Decide on feedback, and record the decision in the caller's unit of work.

A named actor has proved its name. It has one opinion on a subject, the latest, and at most one
label of a subject is accepted. A subject is a target of one item, see `Feedback.subject`.
`suspicions` and `decide_status` are pure; `give`, `settle`, `accept`, `reject` and `review` record
each change with its event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal

from tidemill.domain.errors import Conflict
from tidemill.domain.events import FeedbackReceived, FeedbackStatusChanged
from tidemill.domain.feedback import Feedback, FeedbackStatus
from tidemill.domain.ledger import UnitOfWork

FeedbackPolicy = Literal["accept", "review", "accept_unless_suspicious"]
"""
accept                    all feedback is accepted, except strangers' beside a named actor's
review                    a person decides on each
accept_unless_suspicious  feedback without suspicions is accepted, the rest is rejected
"""
MAX_REASONS = 5
"""Reasons against a label that its record names; thousands of people may have given another."""
ANONYMOUS = "anonymous"
"""The actor of feedback whose giver has proved no name."""
FEEDBACK_TABLE = "feedback_table"
"""The actor of the rows of another system's table that name none."""
MAX_ANONYMOUS = 10
"""Labels of one subject that one address may give without a name, so that the ledger is bounded."""
STRANGERS = frozenset({ANONYMOUS, FEEDBACK_TABLE})
"""Each stands for many people, so another label of it is not a change of mind.

Anybody may speak as one of them, so their labels take nothing from those of a named actor.
"""


def suspicions(item: Feedback, others: Sequence[Feedback]) -> tuple[str, ...]:
    """Return the reasons not to accept `item`, one sentence each; usually none.

    `others` is the result of `beside`, with any status. There are two reasons, and neither depends
    on guesses about the actor:

    * Another actor gave another label. Every stranger counts as another actor, and none speaks
      against a named one. The status of that label does not matter, unless it is superseded.
      Otherwise the second of two contradicting labels would be accepted.
    * The same label was rejected or quarantined before. A stranger's rejection does not count
      against a named actor: two strangers who contradict each other would block every label.
    """
    same = _same_subject(item, others)
    against = [
        f"{other.actor} says {other.label!r}."
        for other in same
        if (other.actor != item.actor or item.actor in STRANGERS)
        and _may_block(other, item)
        and other.label != item.label
        and other.status != "superseded"
    ]
    before = [
        f"{other.label!r} was {other.status} before."
        for other in same
        if other.label == item.label
        and (
            other.status == "quarantined"
            or (other.status == "rejected" and _may_block(other, item))
        )
    ]
    return tuple(dict.fromkeys([*against, *before]))


def decide_status(
    item: Feedback, others: Sequence[Feedback], policy: FeedbackPolicy
) -> tuple[FeedbackStatus, str]:
    """Return the status of pending feedback and why. Pending means that a person must decide."""
    if policy == "review":
        return "pending", ""
    later = [
        other
        for other in _same_subject(item, others)
        if other.status == "accepted"
        and (other.at, other.id) > (item.at, item.id)
        and _may_block(other, item)
    ]
    if later:
        return "superseded", f"{later[-1].label!r}, given later, has been accepted."
    named = [
        other
        for other in _same_subject(item, others)
        if other.status == "accepted" and not _may_block(item, other)
    ]
    if named:
        return _beside_named(item, named[-1])
    if policy == "accept":
        return "accepted", "Everything is accepted."
    doubts = suspicions(item, others)
    if doubts:
        more = len(doubts) - MAX_REASONS
        reasons = [*doubts[:MAX_REASONS], *([f"{more:,} more reasons."] if more > 0 else [])]
        return "rejected", " ".join(reasons)
    return "accepted", "Nothing speaks against it."


def _beside_named(item: Feedback, named: Feedback) -> tuple[FeedbackStatus, str]:
    """Decide on a stranger's label where a named actor's is accepted: that one stays.

    An equal label is not wrong, so it counts as replaced. A person may still accept another one.
    """
    if item.label == named.label:
        return "superseded", f"{named.label!r}, from {named.actor}, is accepted already."
    return "rejected", f"{named.actor} says {named.label!r}."


def listed(
    unit: UnitOfWork,
    status: FeedbackStatus | None,
    *,
    actor: str | None = None,
    after: str | None = None,
    limit: int,
) -> list[Feedback]:
    """Return the newest feedback first; what is chosen, the oldest first, as it is decided on."""
    if status is None and actor is None and after is None:
        return unit.latest(Feedback, limit=limit)
    return unit.feedback(status=status, actor=actor, after=after, limit=limit)


def beside(
    unit: UnitOfWork,
    item: Feedback,
    *,
    status: FeedbackStatus | None = None,
    same_giver: bool = False,
) -> list[Feedback]:
    """Return feedback that may be about the same subject, with `item` itself, the oldest first.

    A named item may be part of other examples, too. `same_giver` returns only that of the same
    actor and client: thousands of people may have labelled one subject.
    """
    actor, client = (item.actor, item.client) if same_giver else (None, None)
    return unit.feedback(
        status=status,
        example=None if item.item else item.example,
        item=item.item or None,
        actor=actor,
        client=client,
        limit=None,
    )


def give(unit: UnitOfWork, item: Feedback) -> tuple[Feedback, bool]:
    """Record feedback as pending; return it, and False for new feedback.

    If the actor's last label of the subject is the same, nothing is recorded: the earlier feedback
    is returned with True. After a rejection or replacement the label counts as new. Another label
    supersedes the actor's earlier pending and accepted ones; rejected and quarantined ones keep
    their status. A stranger's label supersedes nothing. It repeats an equal label of the same
    actor and client, see `_repeated_by_stranger`. Raises Conflict after MAX_ANONYMOUS labels.
    """
    earlier = _same_subject(item, beside(unit, item, same_giver=True))
    own = [other for other in earlier if other.status not in ("rejected", "superseded")]
    stranger = item.actor in STRANGERS
    if stranger:
        repeated = _repeated_by_stranger(unit, item, earlier)
    else:
        repeated = next((other for other in own[-1:] if other.label == item.label), None)
    if repeated is not None:
        return repeated, True
    if item.actor == ANONYMOUS and len(earlier) >= MAX_ANONYMOUS:
        raise Conflict(
            f"{len(earlier)} labels of this item came from this address already.",
            hint="Send it with an API key: its labels replace one another.",
        )
    for other in own:
        if not stranger and other.status != "quarantined":
            reason = f"{item.actor} says {item.label!r} now."
            settle(unit, other, "superseded", reason=reason, actor=item.actor, at=item.at)
    event = FeedbackReceived(
        actor=item.actor,
        subject=item.id,
        example=item.example,
        target=item.target,
        label=item.label,
    )
    unit.add(item, event)
    return item, False


def _repeated_by_stranger(
    unit: UnitOfWork, item: Feedback, earlier: Sequence[Feedback]
) -> Feedback | None:
    """Return the stranger's earlier label that `item` repeats, so that repetitions add no rows.

    A rejected or superseded one counts as long as a named actor's label is accepted, because the
    new one would end in the same way.
    """
    equal = [other for other in earlier if other.label == item.label]
    for other in reversed(equal):
        if other.status not in ("rejected", "superseded"):
            return other
    accepted = _same_subject(item, beside(unit, item, status="accepted")) if equal else []
    if any(other.actor not in STRANGERS for other in accepted):
        return equal[-1]
    return None


def settle(
    unit: UnitOfWork,
    item: Feedback,
    status: FeedbackStatus,
    *,
    reason: str,
    actor: str,
    at: datetime,
) -> Feedback:
    """Move feedback to a status. Raises Conflict when its status changed since it was read.

    Accepted feedback replaces the accepted feedback on the same subject.
    """
    return _settle(unit, item, status, reason=reason, actor=actor, at=at)[-1]


def _settle(
    unit: UnitOfWork,
    item: Feedback,
    status: FeedbackStatus,
    *,
    reason: str,
    actor: str,
    at: datetime,
) -> list[Feedback]:
    """Do what `settle` does, and return every record that changed; the settled one is last."""
    settled = replace(item, status=status, reason=reason, settled_at=at)
    superseded = _supersede_accepted(unit, item, actor=actor, at=at) if status == "accepted" else []
    _move(unit, item, settled, actor)
    return [*superseded, settled]


def _supersede_accepted(
    unit: UnitOfWork, item: Feedback, *, actor: str, at: datetime
) -> list[Feedback]:
    """Move accepted feedback on the subject to superseded, because `item` replaces it."""
    superseded = []
    for other in _same_subject(item, beside(unit, item, status="accepted")):
        why = f"{item.label!r}, from {item.actor}, has been accepted."
        moved = replace(other, status="superseded", reason=why, settled_at=at)
        _move(unit, other, moved, actor)
        superseded.append(moved)
    return superseded


def accept(unit: UnitOfWork, id: str, *, actor: str, reason: str, at: datetime) -> Feedback:
    """Accept feedback by a person's decision, also after a rejection or quarantine.

    Raises NotFound, and Conflict when it is accepted already or was superseded.
    """
    item = unit.get(Feedback, id)
    _refuse_settled(item, "accepted")
    return settle(unit, item, "accepted", reason=reason, actor=actor, at=at)


def reject(unit: UnitOfWork, id: str, *, actor: str, reason: str, at: datetime) -> Feedback:
    """Reject feedback by a person's decision, also accepted one. Trained versions stay unchanged.

    Raises NotFound, and Conflict when it is rejected already or was superseded.
    """
    item = unit.get(Feedback, id)
    _refuse_settled(item, "rejected")
    return settle(unit, item, "rejected", reason=reason, actor=actor, at=at)


def review(
    unit: UnitOfWork, policy: FeedbackPolicy, *, actor: str, at: datetime, limit: int
) -> int:
    """Decide on the oldest pending feedback, at most `limit`, and return the number."""
    if policy == "review":
        return 0
    pending = unit.feedback(status="pending", limit=limit)
    # Thousands may have labelled one subject: its feedback is read once, not once per label.
    subjects: dict[tuple[str, str, str], dict[str, Feedback]] = {}
    for item in pending:
        if item.subject not in subjects:
            same = (row for row in beside(unit, item) if row.subject == item.subject)
            subjects[item.subject] = {row.id: row for row in same}
        rows = subjects[item.subject]
        status, reason = decide_status(item, list(rows.values()), policy)
        for changed in _settle(unit, item, status, reason=reason, actor=actor, at=at):
            rows[changed.id] = changed
    return len(pending)


def _same_subject(item: Feedback, others: Sequence[Feedback]) -> list[Feedback]:
    """Return those of `others` on the same subject, in their order."""
    subject = item.subject
    return [other for other in others if other.subject == subject and other.id != item.id]


def _may_block(other: Feedback, item: Feedback) -> bool:
    """Return False for a stranger's label beside that of a named actor."""
    return item.actor in STRANGERS or other.actor not in STRANGERS


def _refuse_settled(item: Feedback, status: FeedbackStatus) -> None:
    if item.status == status:
        raise Conflict(f"Feedback {item.id} is {status} already.")
    if item.status == "superseded":
        raise Conflict(
            f"Feedback {item.id} was superseded: {item.reason}",
            hint="Give the label again; that is new feedback.",
        )


def _move(unit: UnitOfWork, item: Feedback, to: Feedback, actor: str) -> None:
    event = FeedbackStatusChanged(
        actor=actor,
        subject=item.id,
        reason=to.reason,
        before=item.status,
        status=to.status,
    )
    unit.settle_feedback(to, expected=item.status, event=event)
