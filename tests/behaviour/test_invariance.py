"""What must not matter: case, blanks, line ends, a mark at the end, whom a text is asked beside."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.behaviour import shares
from tests.behaviour.broken import BlanksTold, CapitalsTold, PaddingRead
from tests.behaviour.service import TOGETHER, Ask, Chances, Service
from tidemill.codecs.text import TextCodec

TEXTS = 200
EXACT = 1e-6
"""An exact property: the model gets the same arrays."""

# The n-gram model lower-cases what it reads, so case carries no meaning. The codec makes one
# blank of every run of blanks, tabs, line ends and control characters, and strips both ends.
CHANGES = {
    "upper case": str.upper,
    "lower case": str.lower,
    "doubled blanks": lambda text: f"  {text.replace(' ', '   ')} ",
    "line ends": lambda text: text.replace(" ", "\r\n"),
    "tabs": lambda text: text.replace(" ", "\t"),
    "control characters": lambda text: text.replace(" ", " \x00\x07"),
}
Miscoded = Callable[[type[TextCodec]], Ask]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_case_and_blanks_do_not_move_a_probability(
    service: Service, change: Callable[[str], str]
) -> None:
    assert shares.gap(service.ask, service.grammar.mixed(TEXTS), change) <= EXACT


@pytest.mark.parametrize(
    ("codec", "change"), [(CapitalsTold, "upper case"), (BlanksTold, "doubled blanks")]
)
def test_a_codec_that_reads_case_or_blanks_is_noticed(
    service: Service, miscoded: Miscoded, codec: type[TextCodec], change: str
) -> None:
    texts = service.grammar.mixed(TEXTS)
    assert shares.gap(miscoded(codec), texts, CHANGES[change]) > 0.01


@pytest.mark.parametrize("mark", ["", ".", "!", "..."])
def test_the_mark_at_the_end_hardly_matters(service: Service, mark: str) -> None:
    def ended(text: str) -> str:
        return text.rstrip(".?!") + mark

    # Measured 0.995 to 1.
    assert shares.agreed(service.ask, service.grammar.mixed(TEXTS), ended) >= 0.96


def crowd(service: Service) -> list[str]:
    """Return one text of normal length and 64 others of one to hundreds of words."""
    first, *others = service.grammar.mixed(TOGETHER)
    return [
        first,
        *(" ".join([text] * (1 + at % 9) ** 2)[: 5 * at] for at, text in enumerate(others, 1)),
    ]


def beside(service: Service, ask: Ask) -> tuple[list[Chances], list[Chances]]:
    """Return the answers to each text alone, and to all at once."""
    texts = crowd(service)
    return [ask([text])[0] for text in texts], ask(texts)


def test_a_text_is_answered_alike_alone_and_beside_64_others(service: Service) -> None:
    lengths = [len(text) for text in crowd(service)]
    assert (len(lengths), min(lengths) < 10, max(lengths) > 250) == (TOGETHER, True, True)
    assert shares.apart(*beside(service, service.ask)) <= 1e-5


def test_a_model_that_reads_its_padding_is_noticed(service: Service, miscoded: Miscoded) -> None:
    assert shares.apart(*beside(service, miscoded(TextCodec))) <= 1e-5
    assert shares.apart(*beside(service, miscoded(PaddingRead))) > 1e-3
