"""What must matter, and which way: one thing changes, and the answer follows."""

from __future__ import annotations

import pytest

from tests.behaviour import shares
from tests.behaviour.broken import swapped
from tests.behaviour.moves import draw
from tests.behaviour.service import Ask, Service

MOVES = 200
MOST = 0.9
"""For each kind of move; 1.0 was measured with every seed."""


def test_a_probability_follows_the_text(service: Service) -> None:
    for kind in (*service.grammar.turn, *service.grammar.lean):
        assert shares.raised(service.ask, draw(kind, MOVES)) >= MOST, kind.__name__


def test_the_answer_follows_the_deciding_words(service: Service) -> None:
    for kind in service.grammar.turn:
        assert shares.turned(service.ask, draw(kind, MOVES)) >= MOST, kind.__name__


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="a bag of n-grams adds up words, and here a pair decides",
)
def test_the_answer_follows_a_pair_of_words(service: Service) -> None:
    for kind in service.grammar.beyond:
        assert shares.raised(service.ask, draw(kind, MOVES)) >= MOST, kind.__name__


def test_a_model_of_random_labels_does_not_follow(service: Service, misled: Ask) -> None:
    kinds = service.grammar.turn
    assert min(shares.raised(misled, draw(kind, MOVES)) for kind in kinds) < MOST
    assert min(shares.turned(misled, draw(kind, MOVES)) for kind in kinds) < MOST


def test_names_that_were_swapped_follow_the_wrong_way(service: Service) -> None:
    ask = swapped(service.ask)
    assert min(shares.raised(ask, draw(kind, MOVES)) for kind in service.grammar.turn) < 0.1
