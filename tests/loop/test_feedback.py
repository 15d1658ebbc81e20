"""What becomes of feedback, on every ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.ledgers import LEDGERS
from tidemill.adapters.memory import FixedClock
from tidemill.codecs.graph import GraphCodec, GraphConfig
from tidemill.codecs.nodes import node_payload, whole_payload
from tidemill.domain.errors import Conflict, NotFound
from tidemill.domain.feedback import Feedback, FeedbackStatus
from tidemill.domain.ledger import Ledger
from tidemill.domain.types import payload_id
from tidemill.loop.feedback import (
    ANONYMOUS,
    FEEDBACK_TABLE,
    STRANGERS,
    FeedbackPolicy,
    accept,
    decide_status,
    give,
    reject,
    review,
    settle,
    suspicions,
)

NOW = FixedClock().now()
ONE = Feedback("f1", "", "e" * 64, "disease", "", "rust", "", "ana", NOW)


@pytest.fixture(params=LEDGERS)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    implementation = LEDGERS[request.param](tmp_path)
    yield implementation
    implementation.close()


class Desk:
    """Gives and decides, each in a unit of its own, a minute after the one before."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.count = 0

    def give(self, label: str, actor: str = "ana", **more: Any) -> tuple[str, bool]:
        self.count += 1
        item = replace(ONE, id=f"f{self.count}", label=label, actor=actor, at=self.now, **more)
        with self.ledger.begin() as unit:
            recorded, repeated = give(unit, item)
        return recorded.id, repeated

    def settle(self, id: str, status: FeedbackStatus) -> None:
        self.count += 1
        with self.ledger.begin() as unit:
            item = unit.get(Feedback, id)
            settle(unit, item, status, reason="so", actor="eve", at=self.now)

    def review(self, policy: FeedbackPolicy = "accept_unless_suspicious", limit: int = 100) -> int:
        self.count += 1
        with self.ledger.begin() as unit:
            return review(unit, policy, actor="engine", at=self.now, limit=limit)

    @property
    def now(self) -> Any:
        return NOW + timedelta(minutes=self.count)

    @property
    def statuses(self) -> dict[str, str]:
        with self.ledger.begin(write=False) as unit:
            return {item.id: item.status for item in unit.feedback()}

    def get(self, id: str) -> Feedback:
        with self.ledger.begin(write=False) as unit:
            return unit.get(Feedback, id)

    def events(self, id: str) -> list[tuple[str, str, str]]:
        """Kind, actor and status of an item's events, the oldest first."""
        with self.ledger.begin(write=False) as unit:
            events = unit.events(subject=id)
        return [(row.kind, row.actor, row.detail.get("status", "")) for row in reversed(events)]


@pytest.fixture
def desk(ledger: Ledger) -> Desk:
    return Desk(ledger)


def other(**changes: Any) -> Feedback:
    return replace(ONE, **({"id": "f0", "actor": "bob"} | changes))


def test_another_actors_other_label_is_suspicious() -> None:
    statuses: list[FeedbackStatus] = ["pending", "accepted", "rejected", "quarantined"]
    for status in statuses:
        against = other(label="miner", status=status)
        assert suspicions(ONE, [against]) == ("bob says 'miner'.",), status
    assert suspicions(ONE, [other(label="miner", status="superseded")]) == ()


def test_strangers_are_those_without_a_name_and_the_users_of_another_system() -> None:
    assert {ANONYMOUS, FEEDBACK_TABLE} == STRANGERS


@pytest.mark.parametrize("actor", sorted(STRANGERS))
def test_a_stranger_s_other_label_is_suspicious_to_a_stranger(actor: str) -> None:
    stranger = replace(ONE, actor=actor)
    against = other(actor=actor, label="miner", status="accepted")
    assert suspicions(stranger, [against]) == (f"{actor} says 'miner'.",)
    assert suspicions(stranger, [other(actor=actor)]) == ()
    # Anybody may be a stranger, so none takes a label from somebody who proved a name.
    assert suspicions(ONE, [against]) == ()
    assert suspicions(ONE, [other(actor=actor, status="rejected")]) == ()
    assert suspicions(stranger, [replace(ONE, id="f9", label="miner")]) == ("ana says 'miner'.",)
    quarantined = other(actor=actor, status="quarantined")
    assert suspicions(ONE, [quarantined]) == ("'rust' was quarantined before.",)


def test_a_label_that_was_turned_down_before_is_suspicious() -> None:
    for status in ("rejected", "quarantined"):
        before = other(actor="ana", status=status)
        assert suspicions(ONE, [before]) == (f"'rust' was {status} before.",)


def test_an_item_that_has_a_name_is_the_same_in_every_example() -> None:
    node = replace(ONE, item="35")
    against = other(label="miner", item="35", example="d" * 64)
    assert suspicions(node, [against]) == ("bob says 'miner'.",)
    before = other(item="35", example="d" * 64, status="rejected")
    assert suspicions(node, [before]) == ("'rust' was rejected before.",)
    later = replace(against, status="accepted", at=NOW + timedelta(seconds=1))
    assert decide_status(node, [later], "accept")[0] == "superseded"
    elsewhere = [
        replace(against, item="36"),
        replace(against, target="age"),
        replace(against, item="", example=ONE.example),
    ]
    assert suspicions(node, elsewhere) == ()


def test_agreement_and_what_is_about_something_else_are_not_suspicious() -> None:
    elsewhere = [{"item": "2"}, {"target": "age"}, {"example": "d" * 64}]
    others = [other(label="miner", **where) for where in elsewhere]
    agreeing = [other(), other(status="accepted"), other(actor="ana", label="miner")]
    assert suspicions(ONE, [ONE, *others, *agreeing]) == ()


def test_each_policy_decides_as_it_says() -> None:
    against = [other(label="miner")]
    assert decide_status(ONE, [], "review") == ("pending", "")
    assert decide_status(ONE, against, "accept")[0] == "accepted"
    assert decide_status(ONE, [], "accept_unless_suspicious")[0] == "accepted"
    decided = decide_status(ONE, against, "accept_unless_suspicious")
    assert decided == ("rejected", "bob says 'miner'.")


def test_what_was_given_later_and_accepted_is_not_undone_by_a_policy() -> None:
    later = other(label="miner", status="accepted", at=NOW + timedelta(seconds=1))
    for policy in ("accept", "accept_unless_suspicious"):
        status, reason = decide_status(ONE, [later], policy)
        assert (status, reason) == ("superseded", "'miner', given later, has been accepted.")
    assert decide_status(ONE, [replace(later, at=NOW)], "accept")[0] == "accepted"


def test_given_feedback_is_pending_and_has_its_event(desk: Desk) -> None:
    assert desk.give("rust") == ("f1", False)
    assert desk.statuses == {"f1": "pending"}
    assert desk.events("f1") == [("FeedbackReceived", "ana", "")]


def test_the_same_again_is_the_same(desk: Desk) -> None:
    desk.give("rust")
    for status in ("pending", "accepted", "quarantined"):
        if status != "pending":
            desk.settle("f1", status)
        before = desk.events("f1")
        assert desk.give("rust") == ("f1", True)
        assert desk.statuses == {"f1": status}
        assert desk.events("f1") == before


def test_after_a_rejection_the_same_is_new(desk: Desk) -> None:
    desk.give("rust")
    desk.settle("f1", "rejected")
    id, repeated = desk.give("rust")
    assert not repeated
    desk.review()
    assert desk.statuses == {"f1": "rejected", id: "rejected"}
    assert desk.get(id).reason == "'rust' was rejected before."


def test_somebody_elses_same_label_is_feedback_of_its_own(desk: Desk) -> None:
    desk.give("rust")
    assert desk.give("rust", "bob") == ("f2", False)
    assert desk.give("rust", item="2") == ("f3", False)
    assert desk.give("rust", target="age") == ("f4", False)


@pytest.mark.parametrize("status", ["pending", "accepted"])
def test_another_label_of_the_same_actor_supersedes_the_earlier(
    desk: Desk, status: FeedbackStatus
) -> None:
    desk.give("rust")
    if status != "pending":
        desk.settle("f1", status)
    id, _ = desk.give("miner")
    assert desk.statuses == {"f1": "superseded", id: "pending"}
    assert desk.get("f1").reason == "ana says 'miner' now."
    assert desk.events("f1")[-1] == ("FeedbackStatusChanged", "ana", "superseded")
    again, repeated = desk.give("rust")
    assert not repeated
    assert desk.statuses == {"f1": "superseded", id: "superseded", again: "pending"}


@pytest.mark.parametrize("actor", sorted(STRANGERS))
@pytest.mark.parametrize("status", ["pending", "accepted", "quarantined"])
def test_another_stranger_supersedes_nothing_and_repeats_what_any_has_said(
    desk: Desk, status: FeedbackStatus, actor: str
) -> None:
    desk.give("rust", actor)
    if status != "pending":
        desk.settle("f1", status)
    id, repeated = desk.give("miner", actor)
    assert not repeated
    assert desk.statuses == {"f1": status, id: "pending"}
    for label, first in (("rust", "f1"), ("miner", id)):
        assert desk.give(label, actor) == (first, True)
    assert desk.statuses == {"f1": status, id: "pending"}


@pytest.mark.parametrize("actor", sorted(STRANGERS))
def test_a_stranger_s_accepted_label_stays_against_another_stranger_s(
    desk: Desk, actor: str
) -> None:
    desk.give("rust", actor)
    desk.review()
    id, _ = desk.give("miner", actor)
    desk.review()
    assert desk.statuses == {"f1": "accepted", id: "rejected"}
    assert desk.get(id).reason == f"{actor} says 'rust'."


@pytest.mark.parametrize("actor", sorted(STRANGERS))
def test_a_rejected_stranger_s_label_is_new_again(desk: Desk, actor: str) -> None:
    desk.give("rust", actor)
    desk.settle("f1", "rejected")
    assert desk.give("rust", actor)[1] is False


def test_quarantined_feedback_stays_and_does_not_swallow_a_change_of_mind(desk: Desk) -> None:
    desk.give("rust")
    desk.settle("f1", "quarantined")
    second, _ = desk.give("miner")
    third, repeated = desk.give("rust")
    assert not repeated
    assert desk.statuses == {"f1": "quarantined", second: "superseded", third: "pending"}


def test_one_label_at_most_is_accepted(desk: Desk) -> None:
    desk.give("rust")
    desk.give("miner", "bob")
    desk.give("phoma", item="2")
    assert desk.review("accept") == 3
    assert desk.statuses == {"f1": "superseded", "f2": "accepted", "f3": "accepted"}
    assert desk.get("f1").reason == "'miner', from bob, has been accepted."
    assert [row[2] for row in desk.events("f1")] == ["", "accepted", "superseded"]


def test_a_contradiction_is_rejected_on_both_sides_however_it_is_cut(desk: Desk) -> None:
    desk.give("rust")
    desk.give("miner", "bob")
    assert [desk.review(limit=1) for _ in range(3)] == [1, 1, 0]
    assert desk.statuses == {"f1": "rejected", "f2": "rejected"}


def examples_of_one_node() -> list[str]:
    """As it is stored and asked for by its id, and as it is uploaded with another link."""
    stored = whole_payload([node_payload(id, [0], ["35"]) for id in ("35", "36", "37")])
    codec = GraphCodec(GraphConfig(features=2)).storing(stored)
    examples = []
    for payload in (b'{"nodes":["35"]}', node_payload("35", [0], ["99"])):
        assert codec.item_names(codec.decode(payload)) == ("35",)
        examples += codec.item_payloads(payload, ["35"])
    return [payload_id(example) for example in examples]


def test_strangers_who_contradict_each_other_about_one_node_are_both_rejected(
    desk: Desk,
) -> None:
    by_id, uploaded = examples_of_one_node()
    assert by_id != uploaded
    desk.give("rust", ANONYMOUS, item="35", example=by_id)
    desk.give("miner", ANONYMOUS, item="35", example=uploaded)
    desk.review()
    assert desk.statuses == {"f1": "rejected", "f2": "rejected"}
    id, repeated = desk.give("rust", ANONYMOUS, item="35", example="e" * 64)
    assert not repeated
    desk.review()
    assert desk.get(id).reason == "anonymous says 'miner'. 'rust' was rejected before."
    named, _ = desk.give("rust", "bob", item="35", example="e" * 64)
    desk.review()
    assert desk.get(named).status == "accepted"


def test_strangers_are_told_apart_by_their_addresses(desk: Desk) -> None:
    """Whatever name they claim: a claim gives no right."""
    one, two = ({"client": f"10.0.0.{n}", "claimed_actor": "ana"} for n in (1, 2))
    desk.give("rust")
    assert desk.give("rust", ANONYMOUS, **one) == ("f2", False)
    assert desk.give("rust", ANONYMOUS, **{**one, "claimed_actor": "bob"}) == ("f2", True)
    assert desk.give("rust", ANONYMOUS, **two) == ("f4", False)
    assert desk.give("miner", ANONYMOUS, **one) == ("f5", False)
    assert set(desk.statuses.values()) == {"pending"}
    assert (desk.get("f5").claimed_actor, desk.get("f5").client) == ("ana", "10.0.0.1")


def test_a_node_has_one_accepted_label_and_an_actor_one_opinion_of_it(desk: Desk) -> None:
    """Whichever example a label came with."""
    desk.give("rust", item="35", example="d" * 64)
    assert desk.give("rust", item="35") == ("f1", True)
    desk.settle("f1", "accepted")
    desk.give("miner", "bob", item="35")
    with desk.ledger.begin() as unit:
        accept(unit, "f4", actor="eve", reason="seen", at=NOW)
    assert desk.statuses == {"f1": "superseded", "f4": "accepted"}
    desk.give("phoma", "bob", item="35", example="c" * 64)
    assert desk.statuses == {"f1": "superseded", "f4": "superseded", "f5": "pending"}


def test_what_was_accepted_before_it_was_contradicted_stays_accepted(desk: Desk) -> None:
    desk.give("rust")
    desk.review()
    desk.give("miner", "bob")
    desk.review()
    assert desk.statuses == {"f1": "accepted", "f3": "rejected"}


def test_a_review_takes_the_oldest_and_stops_at_its_limit(desk: Desk) -> None:
    for n in range(5):
        desk.give("rust", example=f"{n}" * 64)
    assert desk.review(limit=2) == 2
    assert list(desk.statuses.values()) == ["accepted"] * 2 + ["pending"] * 3
    assert desk.get("f1").settled_at is not None
    assert desk.events("f1")[-1] == ("FeedbackStatusChanged", "engine", "accepted")


@pytest.mark.parametrize("policy", ["accept", "accept_unless_suspicious"])
def test_a_review_of_many_decides_as_reviews_of_one(desk: Desk, policy: FeedbackPolicy) -> None:
    """A review keeps what it has read of a subject, so it must see its own decisions."""
    for at, example in enumerate(("a" * 64, "b" * 64)):
        for label, actor in (("rust", "ana"), ("rust", "ben"), ("spot", "cleo"), ("rust", "dora")):
            desk.give(label if at else "rust", actor, example=example)
    with desk.ledger.begin(write=False) as unit:
        labels = unit.feedback(limit=None)
    assert desk.review(policy) == len(labels)
    with desk.ledger.begin(write=False) as unit:
        together = [(row.status, row.reason) for row in unit.feedback(limit=None)]
    assert together == decided_one_by_one(labels, policy)


def decided_one_by_one(labels: list[Feedback], policy: FeedbackPolicy) -> list[tuple[str, str]]:
    """Status and reason of each when every decision reads the ledger anew."""
    desk = Desk(LEDGERS["memory"](Path()))
    with desk.ledger.begin() as unit:
        for item in labels:
            give(unit, item)
    while desk.review(policy, limit=1):
        pass
    with desk.ledger.begin(write=False) as unit:
        return [(row.status, row.reason) for row in unit.feedback(limit=None)]


def test_under_review_nothing_is_decided(desk: Desk) -> None:
    desk.give("rust")
    assert desk.review("review") == 0
    assert desk.statuses == {"f1": "pending"}


def test_a_person_may_accept_what_was_turned_down(desk: Desk) -> None:
    for status in ("rejected", "quarantined"):
        id, _ = desk.give("rust", example=status)
        desk.settle(id, status)
        with desk.ledger.begin() as unit:
            assert accept(unit, id, actor="eve", reason="seen", at=NOW).status == "accepted"
        assert desk.get(id).reason == "seen"


def test_a_person_may_reject_what_was_accepted(desk: Desk) -> None:
    desk.give("rust")
    desk.review()
    with desk.ledger.begin() as unit:
        reject(unit, "f1", actor="eve", reason="blurred", at=NOW)
    assert (desk.get("f1").status, desk.get("f1").reason) == ("rejected", "blurred")


@pytest.mark.parametrize("act", [accept, reject])
def test_what_is_settled_for_good_is_a_conflict(desk: Desk, act: Any) -> None:
    desk.give("rust")
    desk.settle("f1", "superseded")
    desk.give("rust", example="d")
    desk.settle("f3", "accepted" if act is accept else "rejected")
    for id, sentence in (("f1", "was superseded"), ("f3", "already")):
        with pytest.raises(Conflict, match=sentence), desk.ledger.begin() as unit:
            act(unit, id, actor="eve", reason="so", at=NOW)
    with pytest.raises(NotFound), desk.ledger.begin() as unit:
        act(unit, "f9", actor="eve", reason="so", at=NOW)


def test_what_moved_meanwhile_is_a_conflict_and_nothing_is_kept(desk: Desk) -> None:
    desk.give("rust")
    stale = desk.get("f1")
    desk.settle("f1", "rejected")
    before = desk.events("f1")
    with pytest.raises(Conflict, match="no longer pending"), desk.ledger.begin() as unit:
        settle(unit, stale, "accepted", reason="so", actor="eve", at=NOW)
    assert desk.events("f1") == before
