"""Unusual texts: each has a defined answer or error."""

from __future__ import annotations

from typing import Any

import pytest

from tests.behaviour.service import Service
from tests.behaviour.shares import apart

LIMIT = 1_000_000
"""The recipes' limit on the bytes of a text."""


def refused(response: Any) -> str:
    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_payload")
    message: str = response.json()["error"]["message"]
    return message


def as_file(service: Service, payload: bytes) -> Any:
    return service.client.request("POST", "/v1/predict", files={"file": ("a.txt", payload)})


def long(service: Service, size: int, end: str) -> str:
    """Return a text of this length with its own end and single blanks."""
    text = " ".join(service.grammar.mixed(60)) + " "
    whole = (text * (1 + size // len(text)))[: size - len(end) - 1]
    return f"{whole}x{end}"


@pytest.mark.parametrize("text", ["", " ", "\r\n\t", "\x00\x1b", "\ufeff", "\u200b"])
def test_nothing_is_refused(service: Service, text: str) -> None:
    assert "empty" in refused(service.ask_own(text))
    assert "empty" in refused(as_file(service, text.encode()))


@pytest.mark.parametrize("payload", [b"caf\xe9", b"\xff\xfeh\x00i\x00", b"\xed\xa0\x80"])
def test_bytes_that_are_not_utf8_are_refused(service: Service, payload: bytes) -> None:
    assert "not UTF-8" in refused(as_file(service, payload))


@pytest.mark.parametrize(
    "text", ["?", "7", "\U0001f680" * 9, "利益が増えた。", "a" * 5_000, "e\u0301"]
)
def test_every_readable_text_is_answered(service: Service, text: str) -> None:
    [chances] = service.ask([text])
    assert set(chances) == set(service.grammar.labels)
    assert sum(chances.values()) == pytest.approx(1, abs=1e-6)
    label, chance = service.way.read(service.ask_own(text).json())
    assert chance == pytest.approx(chances[label], abs=1e-6)


def test_of_a_long_text_the_beginning_is_judged_and_the_answer_says_so(service: Service) -> None:
    one, other = long(service, 20_000, " the end."), long(service, 20_000, " profit fell: no!")
    assert apart(service.ask([one]), service.ask([other])) == 0
    [entry] = as_file(service, one.encode()).json()["predictions"]
    assert "20,000 characters were judged" in entry["remarks"][0]
    assert "were judged" in service.ask_own(one).headers["X-Remarks"]


def test_a_text_of_the_usual_length_is_judged_whole(service: Service) -> None:
    [text] = service.grammar.mixed(1)
    [entry] = as_file(service, text.encode()).json()["predictions"]
    assert "remarks" not in entry
    assert "X-Remarks" not in service.ask_own(text).headers


def test_a_megabyte_is_answered_and_a_byte_more_is_not(service: Service) -> None:
    text = long(service, LIMIT, "!").encode()
    [entry] = as_file(service, text).json()["predictions"]
    assert "1,000,000 characters were judged" in entry["remarks"][0]
    assert f"{LIMIT:,}" in refused(as_file(service, text + b"!"))
