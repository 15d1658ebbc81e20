"""The text codec reads what people send, and refuses the rest with a sentence."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.work import measure_work
from tidemill.codecs.codec import open_codec
from tidemill.codecs.grams import grams
from tidemill.codecs.text import _BLANKS, GramsForm, TextCodec, TextPayload
from tidemill.domain.errors import BadPayload, UsageError

CONFIG: dict[str, Any] = {
    "form": "grams",
    "buckets": 4096,
    "word_max": 2,
    "char_min": 3,
    "char_max": 4,
    "max_grams": 512,
}
SHORT, LONG = b"Sales fell.", b"Sales of the new line rose by a third, and so did the margin."
MEGABYTE = 1_000_000


@pytest.fixture
def codec() -> TextCodec:
    return TextCodec.from_config(CONFIG)


def test_it_is_found_by_entry_point() -> None:
    codec = open_codec("text", CONFIG)
    assert isinstance(codec, TextCodec)
    assert codec.kind == "text"
    assert codec.payload is TextPayload


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"a plain text", "a plain text"),
        (b"  two\tblanks \r\n at a line's end\n", "two blanks at a line's end"),
        (b"\xef\xbb\xbfbehind a byte order mark", "behind a byte order mark"),
        ("joined \ufeff\ufefffiles\ufeff".encode(), "joined files"),
        (b"NUL\x00and\x1bothers\x7f", "NUL and others"),
        ("a\x85b\x92c".encode(), "a b c"),
        ("no\u00a0break\u3000wide\u2028line".encode(), "no break wide line"),
        ("naïve 漢字 👍🏽 e\u0301".encode(), "naïve 漢字 👍🏽 e\u0301"),
        ("zero\u200bwidth".encode(), "zero\u200bwidth"),
        (b"?", "?"),
    ],
)
def test_what_is_read(codec: TextCodec, payload: bytes, text: str) -> None:
    assert codec.decode(payload).text == text


@pytest.mark.parametrize(
    "payload", [b"", b"   ", b"\n\t\r\n", b"\x00\x01", b"\xef\xbb\xbf", "\u200b \u2060".encode()]
)
def test_nothing_to_read(codec: TextCodec, payload: bytes) -> None:
    for call in (codec.decode, codec.fingerprint):
        with pytest.raises(BadPayload, match="The text is empty") as caught:
            call(payload)
        assert caught.value.hint


@pytest.mark.parametrize(
    ("payload", "where"),
    [
        (b"caf\xe9 in latin-1", "byte 0xe9 at position 3"),
        (b"cut short \xe6\xbc", "byte 0xe6 at position 10"),
        (b"\xff\xfea\x00", "byte 0xff at position 0"),
        (b"half a pair \xed\xa0\x80", "byte 0xed at position 12"),
    ],
)
def test_what_is_not_utf8(codec: TextCodec, payload: bytes, where: str) -> None:
    for call in (codec.decode, codec.fingerprint, TextPayload.from_bytes):
        with pytest.raises(BadPayload, match=where) as caught:
            call(payload)
        assert "UTF-8" in caught.value.hint


def test_too_many_bytes(codec: TextCodec) -> None:
    with pytest.raises(BadPayload, match="1,000,001 bytes; the limit is 1,000,000"):
        codec.decode(b"x" * 1_000_001)
    small = TextCodec.from_config(CONFIG | {"max_bytes": 10})
    assert small.decode(b"0123456789").text == "0123456789"
    with pytest.raises(BadPayload, match="11 bytes; the limit is 10"):
        small.fingerprint(b"0123456789\n")


def megabyte(words: str) -> bytes:
    return words.encode() * (MEGABYTE // len(words.encode()))


@pytest.mark.parametrize("words", ["The tide turns the mill. ", "a ", "!"])
def test_a_megabyte_is_cut_and_said_so(codec: TextCodec, words: str) -> None:
    decoded = codec.decode(megabyte(words))
    assert decoded.covered < len(decoded.text)
    (remark,) = codec.remarks(decoded)
    assert f"the first {decoded.covered:,} of its {len(decoded.text):,} characters" in remark


@pytest.mark.parametrize("words", ["The tide turns the mill. ", "a ", "!", "x", "1.", "漢"])
def test_a_megabyte_costs_no_more_calls_than_half_of_it(codec: TextCodec, words: str) -> None:
    whole = megabyte(words)
    half = whole[: len(words.encode()) * (len(whole) // len(words.encode()) // 2)]
    small, large = measure_work(codec.decode, half), measure_work(codec.decode, whole)
    assert large.calls == small.calls < 10 * CONFIG["max_grams"]
    assert large.peak < 2.2 * small.peak
    assert len(codec.decode(whole).ids) <= CONFIG["max_grams"]


def test_a_text_that_fits_needs_no_remark(codec: TextCodec) -> None:
    decoded = codec.decode(LONG)
    assert decoded.covered == len(decoded.text)
    assert codec.remarks(decoded) == ()


def test_blanks_and_what_counts_as_such_do_not_matter(codec: TextCodec) -> None:
    plain = codec.decode(LONG)
    spread = codec.decode(b"\xef\xbb\xbf\n " + LONG.replace(b" ", b" \t\x00\n") + b"  ")
    assert spread.text == plain.text
    assert np.array_equal(spread.ids, plain.ids)
    assert np.array_equal(spread.weights, plain.weights)


def test_encode_pads_with_zeros_to_the_longest(codec: TextCodec) -> None:
    inputs = [codec.decode(SHORT), codec.decode(LONG)]
    arrays = codec.encode(inputs)
    assert set(arrays) == {"ids", "weights"}
    ids, weights = arrays["ids"], arrays["weights"]
    assert ids.dtype == np.int64
    assert weights.dtype == np.float32
    short, longest = (len(decoded.ids) for decoded in inputs)
    assert ids.shape == weights.shape == (2, longest)
    assert short < longest
    assert not ids[0, short:].any()
    assert not weights[0, short:].any()
    assert ids[0, :short].min() >= 1
    assert ids.max() <= CONFIG["buckets"]


def test_a_text_is_the_same_alone_and_among_others(codec: TextCodec) -> None:
    decoded = codec.decode(SHORT)
    alone, together = codec.encode([decoded]), codec.encode([codec.decode(LONG), decoded])
    own, weights = grams("Sales fell.", GramsForm.model_validate(CONFIG))
    for arrays, row in ((alone, 0), (together, 1)):
        assert np.array_equal(arrays["ids"][row, : len(own)], own)
        assert np.array_equal(arrays["weights"][row, : len(own)], weights)


def test_the_length_is_what_a_batch_is_padded_to(codec: TextCodec) -> None:
    texts = [codec.decode(text) for text in (SHORT, LONG)]
    assert codec.encode(texts)["ids"].shape == (2, max(map(codec.length, texts)))


def test_no_texts_have_a_shape_too(codec: TextCodec) -> None:
    assert {name: array.shape for name, array in codec.encode([]).items()} == {
        "ids": (0, 1),
        "weights": (0, 1),
    }


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=40), st.text(max_size=40).map(str.encode)))
def test_any_bytes_are_read_or_refused(payload: bytes) -> None:
    codec = TextCodec.from_config(CONFIG)
    try:
        decoded = codec.decode(payload)
    except BadPayload:
        return
    assert decoded.text == " ".join(decoded.text.split())
    again = decoded.text.encode()
    assert codec.decode(again).text == decoded.text
    assert codec.fingerprint(again) == codec.fingerprint(payload)
    assert np.isfinite(list(codec.features(decoded).values())).all()


@given(st.text() | st.text(st.characters(codec="ascii")))
def test_a_clean_text_is_read_as_any_other(text: str) -> None:
    """A text without control characters takes a shorter way to the same result."""
    codec = TextCodec.from_config(CONFIG)
    coded = text.encode(errors="replace")
    words = " ".join(coded.decode().translate(_BLANKS).split())
    if any(letter.isprintable() for letter in words.replace(" ", "")):
        assert codec.decode(coded).text == words
    else:
        with pytest.raises(BadPayload, match="empty"):
            codec.decode(coded)


def test_threads_may_share_a_codec(codec: TextCodec) -> None:
    payloads = [LONG + b" again" * n for n in range(32)]
    alone = [codec.decode(payload).ids for payload in payloads]
    with ThreadPoolExecutor(8) as pool:
        together = [decoded.ids for decoded in pool.map(codec.decode, payloads)]
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_config_round_trip(codec: TextCodec) -> None:
    assert codec.config() == CONFIG | {"max_bytes": 1_000_000}
    assert TextCodec.from_config(codec.config()).config() == codec.config()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"form": "words"}, "form"),
        ({"form": None}, "form"),
        ({"form": ["grams"]}, "form"),
        ({"buckets": 0}, "buckets"),
        ({"buckets": "4096"}, "buckets"),
        ({"max_bytes": 0}, "max_bytes"),
        ({"tokenizer": "{}"}, "tokenizer"),
        ({"char_min": 5}, "'grams': .*char_max is below char_min"),
    ],
)
def test_a_value_it_cannot_take(change: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named) as caught:
        TextCodec.from_config(CONFIG | change)
    assert "form" in caught.value.hint


def test_a_missing_form() -> None:
    with pytest.raises(UsageError, match="'form'") as caught:
        TextCodec.from_config({"buckets": 4096})
    assert "grams, wordpiece" in caught.value.hint


def test_json_payload(codec: TextCodec) -> None:
    text = TextPayload.model_validate_json('{"text": "Sales \\u00e9\\nfell"}')
    assert codec.decode(text.to_bytes()).text == "Sales é fell"


def test_the_json_of_a_text_leads_back_to_its_bytes() -> None:
    payload = "\ufeffas it came,\n\x00\tin 漢字 ".encode()
    assert TextPayload.from_bytes(payload).to_bytes() == payload


def test_half_a_character_is_refused() -> None:
    with pytest.raises(ValueError, match="end of hex escape"):
        TextPayload.model_validate_json('{"text": "fine so far \\ud83d"}')
    # A body that was parsed elsewhere can hold one.
    with pytest.raises(BadPayload, match="position 12") as caught:
        TextPayload(text="fine so far \ud83d").to_bytes()
    assert caught.value.hint


def test_the_documented_example_is_a_text(codec: TextCodec) -> None:
    field = TextPayload.model_json_schema()["properties"]["text"]
    assert field["description"]
    assert codec.decode(TextPayload(text=field["examples"][0]).to_bytes()).covered
