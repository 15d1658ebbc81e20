"""A stranger's label takes nothing from that of a named actor, whatever the policy."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.loop.test_feedback import NOW, ONE, Desk, desk, ledger, other
from tidemill.domain.errors import Conflict
from tidemill.loop.feedback import (
    MAX_ANONYMOUS,
    STRANGERS,
    FeedbackPolicy,
    accept,
    decide_status,
    reject,
)

__all__ = ["desk", "ledger"]
POLICIES: list[FeedbackPolicy] = ["accept", "accept_unless_suspicious"]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("actor", sorted(STRANGERS))
def test_the_same_label_of_a_stranger_does_not_replace_a_named_actor_s(
    desk: Desk, policy: FeedbackPolicy, actor: str
) -> None:
    desk.give("rust")
    desk.review(policy)
    id, _ = desk.give("rust", actor)
    desk.review(policy)
    assert desk.statuses == {"f1": "accepted", id: "superseded"}
    assert desk.get(id).reason == "'rust', from ana, is accepted already."


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("actor", sorted(STRANGERS))
def test_another_label_of_a_stranger_does_not_replace_a_named_actor_s(
    desk: Desk, policy: FeedbackPolicy, actor: str
) -> None:
    desk.give("rust")
    id, _ = desk.give("miner", actor)
    desk.review(policy)
    assert desk.statuses == {"f1": "accepted", id: "rejected"}
    assert desk.get(id).reason == "ana says 'rust'."


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("label", ["rust", "miner"])
def test_a_named_actor_s_label_replaces_a_stranger_s_also_when_it_is_older(
    policy: FeedbackPolicy, label: str
) -> None:
    for actor in STRANGERS:
        later = other(actor=actor, label=label, status="accepted", at=NOW + timedelta(seconds=1))
        assert decide_status(ONE, [later], policy)[0] == "accepted"
    named = replace(later, actor="bob")
    assert decide_status(ONE, [named], policy)[0] == "superseded"


@pytest.mark.parametrize("policy", POLICIES)
def test_an_older_named_label_supersedes_the_accepted_one_of_a_stranger(
    desk: Desk, policy: FeedbackPolicy
) -> None:
    desk.count = 10
    id, _ = desk.give("miner", "anonymous")
    desk.review(policy)
    desk.count = 0
    desk.give("rust")
    desk.count = 20
    desk.review(policy)
    assert desk.statuses == {"f1": "accepted", id: "superseded"}


def test_a_person_may_still_accept_a_stranger_s_label(desk: Desk) -> None:
    desk.give("rust")
    desk.review("accept")
    id, _ = desk.give("miner", "anonymous")
    desk.review("accept")
    with desk.ledger.begin() as unit:
        accept(unit, id, actor="eve", reason="seen", at=NOW)
    assert desk.statuses == {"f1": "superseded", id: "accepted"}


def test_rejecting_a_stranger_s_label_leaves_the_named_one(desk: Desk) -> None:
    desk.give("rust")
    id, _ = desk.give("miner", "anonymous")
    with desk.ledger.begin() as unit:
        reject(unit, id, actor="eve", reason="spam", at=NOW)
    desk.review()
    assert desk.statuses == {"f1": "accepted", id: "rejected"}


@pytest.mark.parametrize("policy", POLICIES)
def test_strangers_correct_each_other_as_before(desk: Desk, policy: FeedbackPolicy) -> None:
    desk.give("rust", "anonymous")
    desk.review(policy)
    id, _ = desk.give("miner", "anonymous")
    desk.review(policy)
    expected = ("superseded", "accepted") if policy == "accept" else ("accepted", "rejected")
    assert desk.statuses == dict(zip(("f1", id), expected, strict=True))


def rows_after(desk: Desk, *labels: str, policy: FeedbackPolicy) -> list[str]:
    """Give the labels as one stranger, each reviewed, and return the statuses of its rows."""
    for label in labels:
        desk.give(label, "anonymous")
        desk.review(policy)
    return [status for id, status in desk.statuses.items() if desk.get(id).actor == "anonymous"]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("label", "status"), [("rust", "superseded"), ("miner", "rejected")])
def test_a_stranger_who_repeats_a_label_adds_one_row(
    desk: Desk, policy: FeedbackPolicy, label: str, status: str
) -> None:
    desk.give("rust")
    desk.review(policy)
    assert rows_after(desk, *[label] * 30, policy=policy) == [status]
    assert desk.give(label, "anonymous")[1], "it is a repetition"


def test_a_stranger_s_label_counts_again_when_the_named_one_is_gone(desk: Desk) -> None:
    desk.give("rust")
    desk.review("accept")
    rows_after(desk, "rust", "rust", policy="accept")
    with desk.ledger.begin() as unit:
        reject(unit, "f1", actor="eve", reason="wrong", at=NOW)
    id, repeated = desk.give("rust", "anonymous")
    desk.review("accept")
    assert (repeated, desk.statuses[id]) == (False, "accepted")


def test_a_stranger_who_alternates_is_refused_in_the_end(desk: Desk) -> None:
    rows_after(desk, *["rust", "miner"] * (MAX_ANONYMOUS // 2), policy="accept")
    assert len(desk.statuses) == MAX_ANONYMOUS
    with pytest.raises(Conflict, match="10 labels of this item") as raised:
        desk.give("rust", "anonymous")
    assert "API key" in raised.value.hint
    assert desk.give("miner", "anonymous")[1], "the last one is repeated"
    assert desk.give("rust", "ana")[1] is False, "a named actor may"
    assert len(desk.statuses) == MAX_ANONYMOUS + 1
