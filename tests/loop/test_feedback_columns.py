"""The names of a feedback import."""

from __future__ import annotations

from typing import Any

import pytest

from tidemill.domain.errors import UsageError
from tidemill.loop.feedback_columns import FeedbackColumns


def test_every_configured_column_is_read_once() -> None:
    assert FeedbackColumns().columns == ["label", "time", "payload"]
    columns = FeedbackColumns(
        label={"plant": "name", "disease": "name", "class": "kind"},
        time="at",
        payload="",
        prediction="id",
        item="part",
        actor="name",
    )
    assert columns.columns == ["name", "kind", "at", "id", "part"]


def test_one_column_is_that_of_the_only_target() -> None:
    assert FeedbackColumns().targets({"answer": ()}) == {"answer": "label"}
    with pytest.raises(UsageError, match="the champion has 2 targets") as caught:
        FeedbackColumns().targets({"plant": (), "disease": ()})
    assert caught.value.hint.endswith("'feedback.label={plant:COLUMN,disease:COLUMN}'.")


def test_a_column_per_target_may_leave_targets_out() -> None:
    columns = FeedbackColumns(label={"disease": "ill"})
    assert columns.targets({"plant": (), "disease": ()}) == {"disease": "ill"}
    with pytest.raises(UsageError, match="'disease', which the champion has not") as caught:
        columns.targets({"answer": ()})
    assert caught.value.hint == "Known are answer."


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"table": ""}, "needs feedback.table"),
        ({"time": ""}, "needs feedback.time"),
        ({"label": ""}, "needs feedback.label"),
        ({"label": {}}, "needs feedback.label"),
        ({"label": {"plant": ""}}, "needs feedback.label"),
        ({"payload": ""}, "needs feedback.payload or feedback.prediction"),
        ({"item": "node"}, "feedback.item needs feedback.prediction"),
        ({"values": {"Yes": "yes"}}, "feedback.values has 'Yes'"),
    ],
)
def test_names_that_cannot_work_are_refused(names: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        FeedbackColumns(**names)
