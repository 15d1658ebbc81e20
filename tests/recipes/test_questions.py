"""The generated questions: the same everywhere, true, varied, and hard enough to need a model."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from tests.recipes.bayes import accuracy
from tidemill.codecs.text import TextCodec
from tidemill.data.near import group
from tidemill.domain.types import Example
from tidemill.recipes.lucky.sample.questions import LABELS, Questions, Voice, examples, plant
from tidemill.recipes.shared.voice import VOICES

GRAMS = {"buckets": 64, "word_max": 1, "char_min": 2, "char_max": 2, "max_grams": 99}
CODEC = TextCodec.from_config({"form": "grams", **GRAMS})


def questions(count: int, *, seed: int = 0, voice: Voice = VOICES["plain"]) -> list[Example]:
    return list(examples(Questions(seed, train=count, val=0, test=0, voice=voice)))


@pytest.fixture(scope="module")
def default() -> list[Example]:
    return list(examples(Questions()))


@pytest.mark.parametrize(
    ("voice", "digest"),
    [
        ("plain", "b59e494c58964f62d64781cb1a8bf276"),
        ("changed", "53a8e47c26309b4d769e1fa081ccfbbb"),
    ],
)
def test_texts_are_the_same_on_every_machine(voice: str, digest: str) -> None:
    sample = Questions(11, train=60, val=0, test=60, voice=VOICES[voice])
    texts = b"\n".join(row.payload for row in examples(sample))
    assert hashlib.sha256(texts).hexdigest()[:32] == digest


def test_examples_are_balanced_in_two_slices(default: list[Example]) -> None:
    assert Counter(
        row.labels["answer"] for row in default if row.split == "train"
    ) == dict.fromkeys(LABELS, 1500)
    slices = Counter(row.source for row in default)
    assert set(slices) == {"facts", "judgements"}
    assert min(slices.values()) > 0.45 * len(default)
    assert default[1].origin == "sample/train/000001"


def test_no_text_comes_twice_and_none_nearly(default: list[Example]) -> None:
    rows = [*default, *questions(450, seed=21, voice=VOICES["changed"])]
    prints = [CODEC.fingerprint(row.payload) for row in rows]
    assert len({row.payload.lower() for row in rows}) == len(rows)
    assert group([one.near for one in prints], 3).groups == ()


def test_a_question_put_the_other_way_round_has_the_other_answer() -> None:
    # Nobody may say that a thing speaks Latin; so it is a mistake to say that one would.
    rows = [row for row in questions(3000) if b"speak Latin" in row.payload]
    straight = [row for row in rows if b"mistake" not in row.payload]
    turned = [row for row in rows if b"mistake" in row.payload]
    assert turned
    assert {row.labels["answer"] for row in turned} == {"yes"}
    possible = [row for row in straight if b"impossible" not in row.payload]
    assert {row.labels["answer"] for row in possible if b"never" not in row.payload} == {"no"}


def test_leave_decides_whether_borrowing_is_fine() -> None:
    rows = [row for row in questions(3000) if b"is it all right to borrow" in row.payload.lower()]
    leave = (b"after asking first", b"with permission", b"because I had been invited")
    for row in rows:
        permitted = any(words in row.payload for words in leave)
        assert row.labels["answer"] == ("yes" if permitted else "no")
    assert len(rows) > 5


def test_they_can_be_learnt_and_not_by_counting_words_alone(default: list[Example]) -> None:
    learnt = [row for row in default if row.split == "train"]
    judged = [row for row in default if row.split == "test"]
    assert 0.7 < accuracy(learnt, judged) < 0.93


def test_a_changed_voice_is_understood_worse_until_it_was_heard(default: list[Example]) -> None:
    learnt = [row for row in default if row.split == "train"]
    heard = questions(450, seed=21, voice=VOICES["changed"])
    judged = questions(600, seed=22, voice=VOICES["changed"])
    before, after = accuracy(learnt, judged), accuracy(learnt + heard, judged)
    assert before < 0.75
    assert after > before + 0.08


def test_the_planted_faults_have_the_origins_of_a_subset(tmp_path: Path) -> None:
    faults = plant(tmp_path, seed=5)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "strategyqa_test.csv",
        "strategyqa_train.csv",
    ]
    assert faults["leak"][1].startswith("strategyqa/strategyqa_test.csv line ")
    lines = (tmp_path / "strategyqa_train.csv").read_text("utf-8").splitlines()
    assert lines[0] == "input,label"
    assert {line.rpartition(",")[2] for line in lines[1:]} == {"0", "1"}
    one, other = (int(origin.rpartition(" ")[2]) for origin in faults["conflict"])
    assert lines[one - 1][:-1] == lines[other - 1][:-1]
    assert lines[one - 1] != lines[other - 1]
