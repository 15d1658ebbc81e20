from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np
import pytest
from pydantic import ValidationError

from tests.work import measure_work
from tidemill.codecs.grams import PIECE, GramsConfig, grams, read_grams

TEXT = "Sales rose to EUR 13.1 mn, from EUR 8.7 mn."


def config(**changes: Any) -> GramsConfig:
    values = {"buckets": 2**16, "word_max": 2, "char_min": 3, "char_max": 4, "max_grams": 4096}
    return GramsConfig(**values | changes)


def known(text: str, **changes: Any) -> dict[int, float]:
    ids, weights = grams(text, config(**changes))
    assert ids.dtype == np.int64
    assert weights.dtype == np.float32
    assert ids.shape == weights.shape
    return dict(zip(ids.tolist(), weights.tolist(), strict=True))


def word(*words: str) -> int:
    return crc32("".join(f"{each} " for each in words).encode()) % 2**16 + 1


def piece(text: str) -> int:
    return crc32(text.encode(), PIECE) % 2**16 + 1


def test_the_grams_of_two_words() -> None:
    pieces = ("<we", "wer", "ere", "re>", "<wer", "were", "ere>")
    expected = [word("so"), piece("<so"), piece("so>"), piece("<so>")]
    expected += [word("were"), word("so", "were"), *map(piece, pieces)]
    assert list(known("So were")) == expected


def test_the_same_on_every_machine() -> None:
    ids, weights = grams("Profit", config(char_max=0, buckets=2**20))
    assert (ids.tolist(), weights.tolist()) == ([689994], [1.0])


def test_runs_of_words_in_their_order() -> None:
    runs = known("a b c", word_max=3, char_max=0)
    assert set(runs) == {
        word(*run) for run in (("a",), ("b",), ("c",), ("a", "b"), ("b", "c"), ("a", "b", "c"))
    }
    assert word("c", "b") not in runs


def test_repetitions_count_as_their_logarithm() -> None:
    once, often = word("no"), word("yes")
    weights = known("yes no yes yes", word_max=1, char_max=0)
    assert weights[often] / weights[once] == pytest.approx(1 + np.log(3))
    assert sum(weight**2 for weight in weights.values()) == pytest.approx(1)


def test_two_grams_in_one_bucket_are_one() -> None:
    ids, weights = grams(TEXT, config(buckets=2))
    assert set(ids.tolist()) == {1, 2}
    assert np.square(weights).sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Profit ROSE", "profit rose"),
        ("profit  rose", " profit\nrose "),
        ("rose to 13.1", "rose to 8"),
        ("rose by 1,300", "rose by 7"),
        ("STRASSE Ä", "strasse ä"),
        ("ice" + "y" * 40, "ice" + "y" * 90),
    ],
)
def test_what_makes_no_difference(one: str, other: str) -> None:
    assert known(one) == known(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("it rose", "rose it"), ("rose!", "rose?"), ("q3", "q4"), ("it's", "its"), ("naïve", "naive")],
)
def test_what_makes_one(one: str, other: str) -> None:
    assert known(one) != known(other)


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_a_text_without_a_word_has_no_grams(text: str) -> None:
    grams = read_grams(text, config())
    assert (len(grams.ids), len(grams.weights), grams.read) == (0, 0, len(text))


def test_any_script_is_read() -> None:
    for text in ("利润上升", "прибыль выросла", "الأرباح", "😀", "²", "५"):
        assert known(text)


def test_a_word_that_was_never_seen_shares_pieces() -> None:
    assert set(known("profitable")) & set(known("profitably"))


def test_a_long_text_is_cut_where_a_word_begins() -> None:
    settings = config(word_max=1, char_max=0, max_grams=3)
    for text, read in (("a b c", 5), ("a b c ", 6), ("a b c dd e", 6)):
        grams = read_grams(text, settings)
        assert (len(grams.ids), grams.read) == (3, read)
    assert read_grams("abcdef", config(max_grams=2)).read == 0


def test_what_was_cut_off_changes_nothing() -> None:
    cut = {"max_grams": 40}
    assert known(TEXT + " One.", **cut) == known(TEXT + " Another.", **cut)


@pytest.mark.parametrize("text", ["up and down ", "a", "-", "1", "\N{CJK UNIFIED IDEOGRAPH-5229}"])
def test_a_megabyte_costs_no_more_than_half_of_it(text: str) -> None:
    half, whole = (text * (size // len(text)) for size in (500_000, 1_000_000))
    small, large = (
        measure_work(read_grams, half, config()),
        measure_work(read_grams, whole, config()),
    )
    assert large.calls == small.calls < 10 * config().max_grams
    assert large.peak < 1.1 * small.peak


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"buckets": 1}, "buckets"),
        ({"word_max": 0}, "word_max"),
        ({"char_min": 4, "char_max": 3}, "char_max is below char_min"),
        ({"char_max": 9}, "char_max"),
        ({"max_grams": 0}, "max_grams"),
        ({"buckets": True}, "buckets"),
        ({"words": 1}, "words"),
    ],
)
def test_a_value_that_cannot_work_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        config(**changes)
