"""The chain of causes, in sentences, of a cycle that ended well and of one that did not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidemill.domain.errors import NotFound
from tidemill.domain.types import Prediction
from tidemill.testing.in_process import InProcessLoop, open_loops
from tidemill.testing.tiny_recipe.pebbles import flip_half, pebbles

pytestmark = pytest.mark.xdist_group("pebbles")
WHY = "new pebbles from the north beach"


@pytest.fixture(scope="module")
def circle(pebbled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcessLoop]:
    """v2 came of drift and is settled; v3, by a person's wish, was taught wrongly and refused."""
    with open_loops(pebbled, tmp_path_factory.mktemp("why") / "home") as begin:
        circle = begin("trigger.feedback_policy=accept", "trigger.feedback=1000")
        circle.predict(pebbles(250, 60, 1.0))
        circle.settle()
        circle.give_feedback(pebbles(300, 61, 1.0))
        circle.settle()
        circle.predict(pebbles(3, 62, 1.0))
        circle.settle()
        circle.give_feedback(flip_half(pebbles(300, 63, 1.0)), actor="mallory")
        circle.tick()
        circle.workspace.trigger_cycle(reason=WHY)
        circle.settle()
        assert [row.state for row in circle.list_cycles()] == ["refused", "settled"]
        yield circle


@pytest.fixture(scope="module")
def answered(circle: InProcessLoop) -> Prediction:
    """An answer of v2 that nobody has drained yet."""
    return circle.predict(pebbles(1, 64, 1.0))[0]


def explain(circle: InProcessLoop, id: str) -> str:
    """The sentences, a line each."""
    sentences = circle.workspace.why(id)
    for sentence in sentences:
        assert re.fullmatch(r"\S[^\n]*[^.]\.", sentence), sentence
    return "\n".join(sentences)


def test_a_version_s_chain_names_verdict_data_feedback_and_cause(circle: InProcessLoop) -> None:
    text = explain(circle, "v2")
    cycle = circle.list_cycles()[1]
    for pattern in (
        r"^v2 is champion\.$",
        r"^engine made v2 champion in place of v1 at .*, because: passed its gate; The traffic",
        r"^The gate passed v2 against v1, on \d+ checks\.$",
        rf"^Run {cycle.run} trained it with seed 0 on snapshot {cycle.snapshot[:12]}, with the",
        rf"^Snapshot {cycle.snapshot[:12]} has 1400 examples \(.*\d+ fresh.*\)\.$",
        r"^It extends \w{12} by 300 feedback labels, most of them by bob \(300\)\.$",
        rf"^Cycle {cycle.id} trained it, from v1\. The traffic drifted: .*\.$",
        r"^That cycle is settled, because: v2 has answered 3 requests\.$",
    ):
        assert re.search(pattern, text, re.MULTILINE), (pattern, text)


def test_the_first_version_s_chain_ends_with_its_data(circle: InProcessLoop) -> None:
    text = explain(circle, "v1")
    assert text.startswith("v1 is previous.\nada made v1 champion in place of nothing at ")
    assert "The gate passed v1 without a champion" in text
    assert "grew from" not in text
    assert "Cycle" not in text


def test_a_refused_version_s_chain_says_what_the_gate_found(circle: InProcessLoop) -> None:
    text = explain(circle, "v3")
    assert text.startswith("v3 has no alias.\n")
    assert "The gate refused v3 against v2: fresh_gain: " in text
    assert f"trained it, from v2. {WHY}." in text
    assert "most of them by mallory (300)." in text
    assert "That cycle is refused, because: The gate refused it." in text


def test_a_cycle_s_chain_names_its_cause_and_every_state(circle: InProcessLoop) -> None:
    cycle = circle.list_cycles()[0]
    text = explain(circle, cycle.id)
    assert text.startswith(f"Cycle {cycle.id} began at ")
    assert f"from v2. {WHY}.\n" in text
    states = ("snapshotted", "training", "judged", "refused")
    assert re.findall(r": (\w+), by engine, because: ", text) == [*states]
    assert f"Run {cycle.run} is finished.\n" in text
    assert f"Snapshot {cycle.snapshot[:12]} has " in text
    assert "The gate refused v3 against v2: " in text


def test_a_prediction_s_chain_begins_with_what_was_said(
    circle: InProcessLoop, answered: Prediction
) -> None:
    text = explain(circle, answered.id)
    answer = answered.answers[0]
    first = f"v2 answered stone {answer.label} ({answer.confidence:.1%}) at {answered.at:%F %T}; "
    assert text.startswith(first + "a client sent the request.\nv2 is champion.\n")
    circle.tick()
    assert explain(circle, answered.id) == text


def test_a_golden_request_is_named_as_one(circle: InProcessLoop) -> None:
    [golden] = circle.predict(pebbles(1, 65, 1.0), "golden")
    assert "; it was a golden request of the server.\n" in explain(circle, golden.id)


def test_a_batch_is_no_client(circle: InProcessLoop) -> None:
    [prediction] = circle.predict(pebbles(1, 66, 1.0), "batch")
    assert "; a batch asked for it.\n" in explain(circle, prediction.id)


def test_what_people_said_about_a_payload_stands_in_its_chain(circle: InProcessLoop) -> None:
    [example] = pebbles(1, 61, 1.0)
    [prediction] = circle.predict([example])
    assert "bob gave the label flint, which is accepted, because: " in explain(
        circle, prediction.id
    )


@pytest.mark.parametrize("id", ["01a1fb4b-8215-74df-a5f3-d6fc45fa526e", "v2 ", "champion", ""])
def test_an_unknown_id_is_not_found_with_a_hint(circle: InProcessLoop, id: str) -> None:
    with pytest.raises(NotFound, match="is no version, cycle or prediction of") as caught:
        circle.workspace.why(id)
    assert repr(id) in caught.value.message
    assert "tidemill loop status" in caught.value.hint


def test_an_unknown_version_is_not_found_with_a_hint(circle: InProcessLoop) -> None:
    with pytest.raises(NotFound, match="There is no model version 'v99'") as caught:
        circle.workspace.why("v99")
    assert "tidemill models list" in caught.value.hint


def test_what_was_taken_back_says_who_did_it(pebbled: Path, tmp_path: Path) -> None:
    with open_loops(pebbled, tmp_path / "home") as begin:
        circle = begin()
        circle.give_feedback(pebbles(300, 61, 1.0))
        circle.settle()
        circle.workspace.rollback(reason="complaints")
        circle.settle()
        text = explain(circle, "v2")
        assert re.search(r"^ada made v1 champion in place of v2 at .*: complaints\.$", text, re.M)
        assert "That cycle is rolled back, because: complaints." in text
