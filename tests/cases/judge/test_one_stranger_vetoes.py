"""An anonymous label contradicts a named person's. Then a second named person agrees with her."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.cases.names import ANONYMOUS, Feedback, FeedbackPolicy, review_label
from tests.cases.verdict import require

AT = datetime(2026, 1, 1, tzinfo=UTC)
POLICY: FeedbackPolicy = "accept_unless_suspicious"


def label(minute: int, name: str, actor: str) -> Feedback:
    at = AT + timedelta(minutes=minute)
    return Feedback(str(minute), "", "leaf", "disease", "", name, "", actor, at)


def test_an_anonymous_label_outweighs_no_named_person() -> None:
    ana, carl = label(1, "rust", "ana"), label(3, "rust", "carl")
    stranger = label(2, "phoma", ANONYMOUS)
    first = review_label(ana, [stranger], POLICY)[0]
    earlier = [replace(ana, status=first), replace(stranger, status="rejected")]
    second = review_label(carl, earlier, POLICY)[0]
    require(
        first != "rejected" and second == "accepted",
        f"against one anonymous label, that of the first named person becomes {first} and that of a"
        f" second who agrees {second}",
    )
