"""The loop's policies: the champion's own, and a person's words on top."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tidemill.adapters.memory import FixedClock
from tidemill.domain.errors import UsageError
from tidemill.domain.types import Run
from tidemill.loop.drift import DriftPolicy
from tidemill.loop.feedback_columns import FeedbackColumns
from tidemill.loop.trigger import TriggerPolicy
from tidemill.workspace.policies import Policies, policies


def run(config: dict[str, Any]) -> Run:
    return Run("r1", "pebble", "s1", 0, config, {}, {}, FixedClock().now())


def test_without_a_run_the_defaults_stand() -> None:
    assert policies(None) == Policies(drift=DriftPolicy(), trigger=TriggerPolicy())


def test_an_experiment_of_before_a_policy_has_its_default() -> None:
    in_force = policies(run({"seed": 3, "trigger": {"feedback": 70}}))
    assert in_force.drift == DriftPolicy()
    assert in_force.trigger == TriggerPolicy(feedback=70)


def test_a_person_s_word_stands_above_the_champion_s_run() -> None:
    config = {"trigger": {"feedback": 70, "budget": 2}, "drift": {"psi": 0.4}}
    in_force = policies(run(config), ["trigger.feedback=9", "drift.minimum=50"])
    assert in_force.trigger == TriggerPolicy(feedback=9, budget=2)
    assert in_force.drift == DriftPolicy(psi=0.4, minimum=50)
    assert config == {"trigger": {"feedback": 70, "budget": 2}, "drift": {"psi": 0.4}}


def test_the_last_word_on_the_same_counts() -> None:
    assert policies(None, ["trigger.budget=1", "trigger.budget=4"]).trigger.budget == 4


def test_words_become_numbers_and_names() -> None:
    in_force = policies(None, ["trigger.cooldown_s=1.5", "trigger.autonomy=automatic"])
    assert in_force.trigger.cooldown == timedelta(seconds=1.5)
    assert in_force.trigger.autonomy == "automatic"
    assert policies(None, ["trigger.schedule=weekly"]).trigger.schedule == "weekly"


def test_a_mapping_is_written_in_braces() -> None:
    names = policies(run({"feedback": {"table": "users"}}), ["feedback.label={plant:a,ill: 'b c'}"])
    assert names.feedback == FeedbackColumns(table="users", label={"plant": "a", "ill": "b c"})
    values = policies(
        run({"feedback": {"values": {"1": "no", "0": "no"}}}), ["feedback.values={1:yes}"]
    )
    assert values.feedback.values == {"1": "yes", "0": "no"}
    with pytest.raises(UsageError, match="Cannot read"):
        policies(None, ["feedback.label={plant"])


@pytest.mark.parametrize(
    "word",
    ["trigger", "trigger=3", "trigger.=3", "feedback=3", "gate.floor=0.5", "=", "", "drift."],
)
def test_a_word_that_is_no_policy_is_refused_with_an_example(word: str) -> None:
    with pytest.raises(UsageError, match="is no policy of the loop") as caught:
        policies(None, [word])
    assert repr(word) in caught.value.message
    assert "trigger.feedback=300" in caught.value.hint


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("trigger.fedback=3", "no policy 'trigger.fedback'"),
        ("trigger.feedback=many", "trigger.feedback does not fit"),
        ("trigger.autonomy=", "trigger.autonomy does not fit"),
        ("trigger.autonomy=full", "trigger.autonomy does not fit"),
        ("trigger.schedule=monthly", "trigger.schedule does not fit"),
        ("trigger.budget=-1", "cannot use budget=-1"),
        ("trigger.watch_s=nan", "cannot use watch_s=nan"),
        ("trigger.watch_s=inf", "cannot use watch_s=inf"),
        ("trigger.cooldown_s=1e30", r"cannot use cooldown_s=1e\+30"),
        ("drift.every_s=1e30", r"cannot use every_s=1e\+30"),
        ("drift.alpha=1", "cannot use alpha=1"),
        ("feedback.table=", "needs feedback.table"),
        ("feedback.payload=", "needs feedback.payload or feedback.prediction"),
        ("feedback.tabel=users", "no policy 'feedback.tabel'"),
        ("feedback.table={a:b}", "feedback.table does not fit"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_its_name(word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        policies(None, [word])


def test_a_policy_that_is_misspelt_is_refused_with_the_closest_one() -> None:
    with pytest.raises(UsageError, match=r"There is no policy 'trigger\.autonomi'") as caught:
        policies(None, ["trigger.autonomi=automatic"])
    assert caught.value.hint == "Did you mean 'trigger.autonomy'?"
    with pytest.raises(UsageError, match=r"There is no policy 'drift\.zzzzzz'") as caught:
        policies(None, ["drift.zzzzzz=1"])
    assert "drift.psi" in caught.value.hint


def test_a_run_whose_policy_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot use attempts=0"):
        policies(run({"trigger": {"attempts": 0}}))
