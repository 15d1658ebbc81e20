"""The least that a service must do: short sentences that anybody would answer at once."""

from __future__ import annotations

from tests.behaviour import shares
from tests.behaviour.service import Ask, Service

# Measured 0.8 and more of each label. Wrong are "Credit losses rose.", "Credit losses fell." and
# "Is it fine if I lie to my aunt?"; see docs/behaviour.md.
LEAST = 0.75


def test_plain_sentences_get_their_label(service: Service) -> None:
    assert set(service.grammar.plain) == set(service.grammar.labels)
    for label, texts in service.grammar.plain.items():
        assert shares.share_of(service.ask, texts, label) >= LEAST, label


def test_a_model_of_random_labels_fails_them(service: Service, misled: Ask) -> None:
    plain = service.grammar.plain.items()
    assert min(shares.share_of(misled, texts, label) for label, texts in plain) < LEAST
