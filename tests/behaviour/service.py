"""A recipe's service for its clients: trained on its sample, promoted, and served over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.behaviour.grammar import GRAMMARS, Grammar
from tests.web.conftest import NO_POLL_MS, AppClient, run_app
from tidemill.predictor import Model
from tidemill.recipes.recipe import Recipe
from tidemill.serving import open_parts
from tidemill.settings import read_settings
from tidemill.web.app import create_app
from tidemill.workspace.training import TrainedVersion
from tidemill.workspace.workspace import Workspace

Chances = Mapping[str, float]
"""The probability under each label's name."""
Ask = Callable[[Sequence[str]], list[Chances]]

TOGETHER = 65
"""Texts in one run of the model: one, and 64 others."""


@dataclass(frozen=True)
class Way:
    """A recipe's own route: how to send a text and how to read label and probability."""

    path: str
    form: Callable[[str], dict[str, Any]]
    read: Callable[[Any], tuple[str, float]]


def _lucky_probabilities(body: Any) -> tuple[str, float]:
    label = top(body["probs"])
    return label, body["probs"][label]


WAYS = {
    "lucky": Way("/ask_model/", lambda text: {"params": {"question": text}}, _lucky_probabilities),
    "sentiment": Way(
        "/predict",
        lambda text: {"json": {"text": text}},
        lambda body: (body["label"], body["score"]),
    ),
}


def top(chances: Chances) -> str:
    """The name with the largest probability."""
    return max(chances, key=lambda name: chances[name])


@dataclass(frozen=True)
class Service:
    """A running app over a workspace, and the grammar of its texts."""

    recipe: str
    home: Path
    client: AppClient

    @property
    def grammar(self) -> Grammar:
        return GRAMMARS[self.recipe]

    @property
    def way(self) -> Way:
        return WAYS[self.recipe]

    def ask(self, texts: Sequence[str]) -> list[Chances]:
        """Return the answers of `POST /v1/predict`, with full requests."""
        result: list[Chances] = []
        for at in range(0, len(texts), TOGETHER):
            body = {"instances": [{"text": text} for text in texts[at : at + TOGETHER]]}
            response = self.client.request("POST", "/v1/predict", json=body)
            assert response.status_code == 200, response.text
            result += [entry["probabilities"] for entry in response.json()["predictions"]]
        return result

    def ask_own(self, text: str) -> httpx.Response:
        """The response of the recipe's own route."""
        return self.client.request("POST", self.way.path, **self.way.form(text))


def asking(model: Model, target: str) -> Ask:
    """Calls a model directly, because a server would refuse it."""

    def ask(texts: Sequence[str]) -> list[Chances]:
        items = [model.decode(text.encode()) for text in texts]
        answers = [row for part in _parts(items) for row in model.predict(part)]
        return [
            next(answer.probabilities for answer in row if answer.target == target)
            for row in answers
        ]

    return ask


def _parts(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for at in range(0, len(items), TOGETHER):
        yield items[at : at + TOGETHER]


def learn(workspace: Workspace, recipe: Recipe, *overrides: str) -> TrainedVersion:
    """Train a version of the recipe as `tidemill train` does."""
    with Workspace(workspace.home, recipe, actor=workspace.actor) as own:
        return own.train(*overrides)


def open_home(home: Path, *, create: bool = False) -> Workspace:
    """Open a workspace; the caller closes its ledger."""
    workspace = Workspace(home, actor="ada")
    return workspace.create() if create else workspace


@contextmanager
def serving(home: Path, recipe: str) -> Iterator[Service]:
    """Run the app of `tidemill serve` over a workspace, after one refresh."""
    settings = read_settings(
        home=home, batch=TOGETHER, request_payloads=TOGETHER, poll_ms=NO_POLL_MS
    )
    parts, routes = open_parts(settings)
    try:
        with run_app(create_app(parts, routes)) as client:
            client.slots.refresh()
            yield Service(recipe, home, client)
    finally:
        parts.close()
