"""The rules for changes of the ledger's rows, for all ledgers.

Each rule receives the current rows of the same unit of work, and changes nothing itself. It raises
Conflict for a change that does not fit, and NotFound when the changed row is missing. The rule of
aliases has a file of its own: `domain/aliases.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

from tidemill.domain.api_key import ApiKey
from tidemill.domain.cycle import Cycle, CycleState, Lease
from tidemill.domain.drift import DriftVerdict, Profile
from tidemill.domain.errors import Conflict, LeaseLost, NotFound
from tidemill.domain.feedback import Feedback, FeedbackStatus
from tidemill.domain.import_offset import ImportOffset
from tidemill.domain.types import Prediction


def guard_drain(server: str, predictions: Sequence[Prediction], *, offset: int, since: int) -> None:
    """Let a server's predictions in only once and in order, without those of other servers."""
    if offset != since:
        raise Conflict(
            f"The log of server {server} has been drained up to {offset}, not {since}.",
            hint="Somebody else drained it meanwhile: read it again from its offset.",
        )
    stranger = next((row.server for row in predictions if row.server != server), None)
    if stranger is not None:
        raise Conflict(
            f"A prediction of server {stranger} was drained as one of server {server}.",
            hint="Drain each server's log by itself.",
        )
    for before, after in pairwise((since, *(row.sequence for row in predictions))):
        if after <= before:
            raise Conflict(
                f"Prediction {after} of server {server} came after {before}.",
                hint="Drain a log in the order of its sequence, from above its offset.",
            )


def join_profiles(before: Profile | None, more: Profile) -> Profile:
    """Return an open profile with more counts; `before` is None when there is none yet."""
    if before is None:
        return more
    if len(before.counts) != len(more.counts):
        raise Conflict(
            f"{len(more.counts)} counts cannot join the {len(before.counts)} that are open for "
            f"{more.version}.",
            hint="Counts of one version belong to the bins of its bundle's reference.",
        )
    counts = tuple(a + b for a, b in zip(before.counts, more.counts, strict=True))
    return replace(before, n=before.n + more.n, counts=counts)


def guard_drift(verdict: DriftVerdict, profiles: Iterable[Profile]) -> None:
    """Let a drift verdict close only profiles that it judged.

    They are the open live ones of its version, from its `since` on.
    """
    open_answers = sum(profile.n for profile in profiles)
    if open_answers != verdict.n:
        raise Conflict(
            f"Drift verdict {verdict.id} judged {verdict.n} answers of {verdict.version}, "
            f"{open_answers} are open now from {verdict.since:%Y-%m-%d %H:%M:%S} UTC on.",
            hint="More came in, or another verdict closed them: judge what is open now.",
        )


def guard_cycle(to: Cycle, now: Cycle | None) -> None:
    """Let a cycle open only while no other one is open; `now` is the open one."""
    if now is not None and to.open and now.id != to.id:
        raise Conflict(
            f"Cycle {now.id} is open: it is {now.state}.",
            hint="One cycle runs at a time: wait until it has ended.",
        )


def guard_state(before: Cycle, expected: CycleState) -> None:
    """Let a cycle move only from the state that the decision was based on."""
    if before.state != expected:
        raise Conflict(
            f"Cycle {before.id} is {before.state}, no longer {expected}.",
            hint="Read it again before you decide.",
        )


def guard_status(before: Feedback, expected: FeedbackStatus) -> None:
    """Let feedback be settled only from the status that the decision was based on."""
    if before.status != expected:
        raise Conflict(
            f"Feedback {before.id} is {before.status}, no longer {expected}.",
            hint="Read it again before you decide.",
        )


def guard_revocation(before: ApiKey, to: ApiKey) -> None:
    """Let a key be revoked once."""
    if before.revoked_at is not None:
        raise Conflict(f"Key {before.id} of {before.name} is revoked already.")
    if to.revoked_at is None:
        raise Conflict(f"Key {before.id} of {before.name} changes only by its revocation.")


def guard_taken(
    ids: Iterable[str], statuses: Mapping[str, FeedbackStatus], *, snapshot: str
) -> None:
    """Let a snapshot include only known feedback that is still accepted.

    `statuses` has the statuses of the known `ids`. Raises NotFound before Conflict.
    """
    wanted = list(dict.fromkeys(ids))
    unknown = [id for id in wanted if id not in statuses]
    if unknown:
        raise NotFound(
            f"{len(unknown)} of the feedback for snapshot {snapshot} is unknown, "
            f"{unknown[0]} first.",
            hint="A snapshot takes only feedback that the ledger holds.",
        )
    moved = next((id for id in wanted if statuses[id] != "accepted"), None)
    if moved is not None:
        raise Conflict(
            f"Feedback {moved} is {statuses[moved]}, no longer accepted: snapshot {snapshot} "
            "cannot take it.",
            hint="Extend the snapshot again with the feedback that is accepted now.",
        )


def grant_lease(
    last: Lease | None, *, name: str, holder: str, now: datetime, ttl: timedelta
) -> Lease:
    """Return the lease of `holder` after `last`. Raises LeaseLost while somebody else holds it.

    A lease from a clock that ran ahead is void, or a workspace might stand still for years. It
    counts as such only beyond twice the `ttl`: `now` was read before waiting for other writers, and
    the holder may have renewed the lease in that time.
    """
    if last is None:
        return Lease(name, holder, 1, now + ttl)
    if last.holder == holder:
        return replace(last, until=now + ttl)
    if now < last.until <= now + 2 * ttl:
        raise LeaseLost(
            f"{last.holder} holds the lease {name!r} until {last.until:%Y-%m-%d %H:%M:%S} UTC.",
            hint="Stop that engine, or wait until its lease has run out.",
        )
    return Lease(name, holder, last.token + 1, now + ttl)


def guard_lease(lease: Lease, last: Lease | None) -> None:
    """Let an engine write only while its lease's token is the latest."""
    if last is None or last.token != lease.token:
        whose = f"went to {last.holder}" if last else "is unknown here"
        raise LeaseLost(
            f"The lease {lease.name!r} of {lease.holder} {whose}.",
            hint="Another engine leads this workspace; this one has to take the lease anew.",
        )


def guard_import_offset(current: ImportOffset, expected: ImportOffset) -> None:
    """Let an import offset move only from the position that was read."""
    if current != expected:
        raise Conflict(
            f"Somebody else moved the import offset {expected.name} meanwhile.",
            hint="Continue from where it is now.",
        )
