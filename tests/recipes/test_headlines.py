"""The generated headlines: the same everywhere, true, varied, and hard enough to need a model."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from tests.recipes.bayes import accuracy
from tidemill.codecs.text import TextCodec
from tidemill.data.near import group
from tidemill.domain.errors import BadPayload, UsageError
from tidemill.domain.types import Example, payload_id
from tidemill.recipes.sentiment.sample.headlines import LABELS, Headlines, Voice, examples, plant
from tidemill.recipes.shared.voice import VOICES

GRAMS = {"buckets": 64, "word_max": 1, "char_min": 2, "char_max": 2, "max_grams": 99}
CODEC = TextCodec.from_config({"form": "grams", **GRAMS})


def headlines(count: int, *, seed: int = 0, voice: Voice = VOICES["plain"]) -> list[Example]:
    return list(examples(Headlines(seed, train=count, val=0, test=0, voice=voice)))


def mean_feature(name: str, voice: Voice) -> float:
    rows = headlines(120, voice=voice)
    return sum(CODEC.features(CODEC.decode(row.payload))[name] for row in rows) / len(rows)


@pytest.fixture(scope="module")
def default() -> list[Example]:
    return list(examples(Headlines()))


@pytest.mark.parametrize(
    ("voice", "digest"),
    [
        ("plain", "3b13851058188cf6e9fe3b94992971dd"),
        ("changed", "238600c43d8dbfb75adf63c0d3646216"),
    ],
)
def test_texts_are_the_same_on_every_machine(voice: str, digest: str) -> None:
    sample = Headlines(11, train=60, val=0, test=60, voice=VOICES[voice])
    texts = b"\n".join(row.payload for row in examples(sample))
    assert hashlib.sha256(texts).hexdigest()[:32] == digest


def test_examples_are_balanced_and_say_where_they_come_from(default: list[Example]) -> None:
    assert len(default) == Headlines().total
    counts = Counter(row.labels["sentiment"] for row in default if row.split == "train")
    assert counts == dict.fromkeys(LABELS, 1000)
    assert all(row.id == payload_id(row.payload) and row.source == "sample" for row in default)
    assert default[1].origin == "sample/train/000001"
    assert len({row.origin for row in default}) == len(default)


def test_no_text_comes_twice_and_none_nearly(default: list[Example]) -> None:
    changed = headlines(450, seed=21, voice=VOICES["changed"])
    rows = [*default, *changed]
    prints = [CODEC.fingerprint(row.payload) for row in rows]
    assert len({row.payload.lower() for row in rows}) == len(rows)
    assert group([one.near for one in prints], 3).groups == ()


def test_a_longer_sample_begins_with_a_shorter_one() -> None:
    short, long = headlines(7), headlines(11)
    assert long[:7] == short
    assert headlines(7, seed=1) != short


def test_texts_come_one_at_a_time() -> None:
    assert len(list(islice(examples(Headlines(train=10**12)), 3))) == 3


def test_they_can_be_learnt_and_not_by_counting_words_alone(default: list[Example]) -> None:
    learnt = [row for row in default if row.split == "train"]
    judged = [row for row in default if row.split == "test"]
    assert 0.7 < accuracy(learnt, judged) < 0.93


def test_a_changed_voice_is_understood_worse_until_it_was_heard(default: list[Example]) -> None:
    learnt = [row for row in default if row.split == "train"]
    heard = headlines(450, seed=21, voice=VOICES["changed"])
    judged = headlines(600, seed=22, voice=VOICES["changed"])
    before, after = accuracy(learnt, judged), accuracy(learnt + heard, judged)
    assert before < 0.75
    assert after > before + 0.08


@pytest.mark.parametrize(
    ("voice", "feature", "rises"),
    [
        (Voice(casual=1.0), "capitals", False),
        (Voice(shout=1.0), "capitals", True),
        (Voice(wordy=1.0), "words", True),
        (Voice(slang=1.0), "characters", False),
    ],
)
def test_each_knob_moves_its_feature(voice: Voice, feature: str, rises: bool) -> None:
    before, after = mean_feature(feature, Voice()), mean_feature(feature, voice)
    assert (after > 1.1 * before) if rises else (after < 0.9 * before)


def test_typos_change_words_and_no_label() -> None:
    plain, typed = headlines(90), headlines(90, voice=Voice(typos=0.5))
    assert sum(a.payload != b.payload for a, b in zip(plain, typed, strict=True)) > 60
    assert [row.labels for row in plain] == [row.labels for row in typed]


@pytest.mark.parametrize("knob", ["slang", "casual", "shout", "wordy", "typos"])
@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_impossible_voice(knob: str, share: float) -> None:
    with pytest.raises(UsageError, match=knob):
        Voice(**{knob: share})


def test_the_planted_faults_are_there_and_nothing_else_is_wrong(tmp_path: Path) -> None:
    faults = plant(tmp_path / "faulty", seed=3)
    lines = {
        f"{path.name} line {number}": line.rpartition(",")
        for path in (tmp_path / "faulty").iterdir()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if number > 1
    }
    prints: dict[str, str] = {}
    unreadable = []
    for origin, (text, _, _) in lines.items():
        try:
            prints[origin] = CODEC.fingerprint(text.strip('"').encode()).exact
        except BadPayload:
            unreadable.append(origin)
    alike = {
        frozenset(origin for origin in prints if prints[origin] == exact)
        for exact, times in Counter(prints.values()).items()
        if times > 1
    }
    assert tuple(unreadable) == faults["broken"]
    assert alike == {frozenset(faults[name]) for name in ("identical", "leak", "conflict")}
    labels = {origin: label for origin, (_, _, label) in lines.items()}
    for name, same in (("identical", True), ("leak", True), ("conflict", False)):
        one, other = faults[name]
        assert (labels[one] == labels[other]) is same
    assert [origin.split()[0] for origin in faults["leak"]] == ["train.csv", "test.csv"]
    assert len(list(lines)) == 3 * 20 + 2 * 3 * 5


@pytest.mark.parametrize("seed", range(4))
def test_faults_touch_disjoint_rows(tmp_path: Path, seed: int) -> None:
    faults = plant(tmp_path, seed=seed, each=4)
    rows = [row for group in faults.values() for row in group]
    assert len(set(rows)) == len(rows) == 7


def test_the_same_seed_plants_the_same(tmp_path: Path) -> None:
    assert plant(tmp_path / "a", seed=1) == plant(tmp_path / "b", seed=1)
    assert (tmp_path / "a/train.csv").read_bytes() == (tmp_path / "b/train.csv").read_bytes()
    assert plant(tmp_path / "c", seed=2) != plant(tmp_path / "d", seed=1)


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="not empty"):
        plant(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_too_few_texts(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Cannot plant"):
        plant(tmp_path, each=3)
