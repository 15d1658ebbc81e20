"""What texts look like in numbers: drift features, and what makes two the same."""

from __future__ import annotations

from typing import Any

import pytest

from tests.work import measure_work
from tidemill.codecs import text_features
from tidemill.codecs.text import TextCodec

SENTENCE = (
    "Operating profit of the northern division rose to EUR 13.1 mn in the quarter , while the "
    "number of people that it employs at its two mills stayed where it was ."
)

CONFIG: dict[str, Any] = {
    "form": "grams",
    "buckets": 4096,
    "word_max": 2,
    "char_min": 3,
    "char_max": 4,
    "max_grams": 512,
}


@pytest.fixture
def codec() -> TextCodec:
    return TextCodec.from_config(CONFIG)


def test_features_of_a_text_one_can_count(codec: TextCodec) -> None:
    assert codec.features(codec.decode("Ab 12,\tÄ漢".encode())) == pytest.approx(
        {
            "characters": 9,
            "words": 3,
            "word_length": 7 / 3,
            "digits": 2 / 9,
            "capitals": 1 / 9,
            "punctuation": 1 / 9,
            "non_ascii": 2 / 9,
        }
    )


def test_features_of_one_character() -> None:
    features = text_features.features("?")
    assert features.pop("characters") == features.pop("words") == 1
    assert features.pop("punctuation") == features.pop("word_length") == 1
    assert set(features.values()) == {0}


def test_features_cost_the_same_calls_at_any_length() -> None:
    long = " ".join([SENTENCE] * 100)
    small = measure_work(text_features.features, SENTENCE)
    large = measure_work(text_features.features, long)
    assert large.calls == small.calls <= 25
    assert large.peak < 8 * len(long)


def test_the_hash_costs_at_most_a_few_calls_a_word() -> None:
    words = len(text_features.WORD.findall(SENTENCE))
    once = measure_work(text_features.similarity_hash, SENTENCE)
    assert once.calls <= 4 * words + 25
    # A word that comes again is not hashed again.
    again = measure_work(text_features.similarity_hash, " ".join([SENTENCE] * 11))
    assert again.calls - once.calls <= 10 * (words + 2)


def bits_between(left: int, right: int) -> int:
    return (left ^ right).bit_count()


def test_the_hash_is_the_same_on_every_machine() -> None:
    assert text_features.similarity_hash("the tide turns the mill") == 0x2EAA149468ABD85A
    assert text_features.similarity_hash("mill") == 0xB30B807500BB5DCA


def test_case_and_punctuation_are_no_distance() -> None:
    own = text_features.similarity_hash(SENTENCE)
    assert 0 <= own < 2**64
    assert text_features.similarity_hash(SENTENCE.upper()) == own
    assert text_features.similarity_hash(SENTENCE.replace(",", " -")) == own


def test_like_texts_are_near_and_others_far() -> None:
    own = text_features.similarity_hash(SENTENCE)
    one_word = text_features.similarity_hash(SENTENCE.replace("northern", "southern"))
    backwards = text_features.similarity_hash(" ".join(reversed(SENTENCE.split())))
    other = text_features.similarity_hash("My brother asked me to water the plants, and I forgot.")
    assert 0 < bits_between(own, one_word) <= 10
    assert bits_between(own, one_word) < bits_between(own, backwards)
    assert bits_between(own, other) > 16


def test_texts_without_words_are_not_all_alike() -> None:
    hashes = [text_features.similarity_hash(text) for text in ("?", "!!!", "👍", ":-)")]
    assert min(bits_between(a, b) for a in hashes for b in hashes if a is not b) > 16


def test_fingerprint_looks_through_blanks_and_keeps_case(codec: TextCodec) -> None:
    own = codec.fingerprint(b"Sales rose .")
    assert codec.fingerprint(b"\xef\xbb\xbf Sales\n\trose\x00 .\r\n") == own
    loud = codec.fingerprint(b"SALES rose !")
    assert loud.exact != own.exact
    assert loud.near == own.near


def test_fingerprint_is_of_the_whole_text() -> None:
    short = TextCodec.from_config(CONFIG | {"max_grams": 8})
    payload = SENTENCE.encode()
    assert short.decode(payload).covered < len(payload) // 2
    assert short.fingerprint(payload) != short.fingerprint(payload + b" No more .")
