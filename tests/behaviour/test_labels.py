"""Label order, from the training texts to the client's response."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.behaviour import shares
from tests.behaviour.broken import swapped
from tests.behaviour.service import Service, asking, serving, top
from tidemill.bundle import MANIFEST
from tidemill.domain.errors import GateRefused
from tidemill.domain.events import VersionRegistered
from tidemill.domain.types import ModelVersion
from tidemill.recipes.lucky import routes as lucky
from tidemill.recipes.sentiment import routes as sentiment
from tidemill.workspace.workspace import Workspace

MOST = {"lucky": 0.82, "sentiment": 0.7}
"""The share of each label's texts that must bear its name; measured 0.91 and 0.8, or more."""
FEW = 20
"""Texts of each label for the recipe's own route."""


def test_texts_of_a_label_are_answered_with_its_name(service: Service) -> None:
    for label in service.grammar.labels:
        texts = service.grammar.fresh(label, 200)
        assert shares.share_of(service.ask, texts, label) >= MOST[service.recipe], label


def test_every_route_gives_a_name_the_same_probability(service: Service) -> None:
    texts = service.grammar.mixed(FEW * len(service.grammar.labels))
    for text, chances in zip(texts, service.ask(texts), strict=True):
        label, chance = service.way.read(service.ask_own(text).json())
        assert label == top(chances)
        assert chance == pytest.approx(chances[label], abs=1e-6)
        assert sum(chances.values()) == pytest.approx(1, abs=1e-6)


def test_the_recipes_own_route_names_texts_as_they_are(service: Service) -> None:
    for label in service.grammar.labels:
        answers = [service.ask_own(text).json() for text in service.grammar.fresh(label, FEW)]
        matches = [service.way.read(answer)[0] == label for answer in answers]
        assert sum(matches) / FEW >= 0.6, label


def test_names_that_were_swapped_are_noticed(service: Service) -> None:
    for label in service.grammar.labels:
        texts = service.grammar.fresh(label, 200)
        assert shares.share_of(swapped(service.ask), texts, label) <= 0.3, label


def turned_round(workspace: Workspace) -> ModelVersion:
    """A version like the champion whose bundle has the names in another order."""
    champion = workspace.champion()
    folder = workspace.bundles.open(champion.bundle).path
    files = {file.name: file.read_bytes() for file in folder.iterdir() if file.name != MANIFEST}
    labels = {name: [*row[1:], row[0]] for name, row in json.loads(files["classes.json"]).items()}
    bundle = workspace.bundles.write(
        champion.recipe, {**files, "classes.json": json.dumps(labels).encode()}
    )
    with workspace.ledger.begin() as unit:
        version = replace(champion, id=unit.next_version(), bundle=bundle)
        event = VersionRegistered(actor="eve", subject=version.id, bundle=bundle, run=version.run)
        unit.add(version, event)
    return version


def test_a_bundle_whose_names_were_turned_round_is_refused_twice(
    service: Service, copied: Workspace
) -> None:
    version = turned_round(copied)
    with pytest.raises(GateRefused, match="label_names"):
        copied.promote(version.id)
    ask = asking(copied.predictor(version), service.grammar.target)
    for label in service.grammar.labels:
        assert shares.share_of(ask, service.grammar.fresh(label, 200), label) <= 0.3, label
    copied.promote(version.id, override="Eve says it is fine.")
    with serving(copied.home, service.recipe) as refused:
        assert "was answered where" in fault(refused)
        [text] = service.grammar.mixed(1)
        assert refused.ask_own(text).status_code == 503


def swap_oracle(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault of the original: yes and no exchanged."""
    true = lucky.answer_probabilities

    def exchanged(prediction: Any) -> lucky.AnswerProbabilities:
        probs = true(prediction).probs
        return lucky.AnswerProbabilities(probs=lucky.YesNoProbabilities(yes=probs.no, no=probs.yes))

    monkeypatch.setattr(lucky, "answer_probabilities", exchanged)


def swap_sentiment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Good news becomes bad news."""
    true = sentiment.sentiment_response
    names = {"positive": "negative", "negative": "positive", "neutral": "neutral"}

    def exchanged(prediction: Any) -> sentiment.SentimentResponse:
        reply = true(prediction)
        return reply.model_copy(update={"label": names[reply.label]})

    monkeypatch.setattr(sentiment, "sentiment_response", exchanged)


def test_a_route_that_swaps_its_names_is_never_served(
    service: Service, copied: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    {"lucky": swap_oracle, "sentiment": swap_sentiment}[service.recipe](monkeypatch)
    with serving(copied.home, service.recipe) as refused:
        assert f"POST {service.way.path}" in fault(refused)
        assert "was answered where" in fault(refused)


def fault(service: Service) -> str:
    """Return the reason why the server is not ready."""
    response = service.client.request("GET", "/v1/ready")
    assert response.status_code == 503
    message: str = response.json()["error"]["message"]
    return message
