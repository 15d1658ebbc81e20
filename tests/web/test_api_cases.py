"""The OpenAPI document of each recipe keeps its word: generated requests, right and wrong ones.

No answer is a server error, and none has a status, a content type or a body that the document does
not name.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import COLOURS, tiny_bundle_files, tiny_image
from tests.web import tiny_text
from tests.web.api_cases import send_cases
from tests.web.test_keys import bearer, create_key
from tidemill.bundle import REFERENCE
from tidemill.recipes.coffee.routes import build as coffee
from tidemill.recipes.lucky import routes as lucky
from tidemill.recipes.plants import routes as plants
from tidemill.recipes.sentiment import routes as sentiment
from tidemill.serving import open_parts
from tidemill.settings import read_settings

FEW, MANY = 100, int(os.environ.get("FUZZ_CASES", "300"))
Serve = Callable[[Any, Any], Any]


def serve_coffee(workspace: Any, start_app: Any) -> Any:
    workspace.promote(workspace.register())
    return start_app(workspace.parts(), coffee)


def serve_sentiment(workspace: Any, start_app: Any) -> Any:
    workspace.recipe = "sentiment"
    names = ("negative", "neutral", "positive")
    workspace.promote(workspace.enter(*tiny_text.files(sentiment.TARGET, names)))
    return start_app(workspace.parts(), sentiment.build)


def serve_lucky(workspace: Any, start_app: Any) -> Any:
    workspace.recipe = "lucky"
    workspace.promote(workspace.enter(*tiny_text.files(lucky.TARGET, ("no", "yes"))))
    return start_app(workspace.parts(), lucky.build)


def serve_cora(workspace: Any, start_app: Any) -> Any:
    """Train a small graph model, because none of this folder is written by hand."""
    home = workspace.root / "cora"
    from tidemill import Workspace  # which needs the libraries of training

    with Workspace(home, "cora") as training:
        training.train(
            "data.train=300", "data.val=100", "data.test=200", "gate.floor=0.3", promote=True
        )
    parts, routes = open_parts(read_settings(home=home))
    workspace.ledger, workspace.clock = parts.ledger, parts.clock
    return start_app(parts, routes)


def serve_plants(workspace: Any, start_app: Any) -> Any:
    workspace.recipe = "plants"
    labels = ("Bean___healthy", "Bean___rust", "Vine___mildew")
    names = {"class": labels, "disease": ("healthy", "rust", "mildew"), "plant": ("Bean", "Vine")}
    files = tiny_bundle_files(names)
    del files[REFERENCE]
    workspace.promote(workspace.enter(files, [tiny_image(colour) for colour in COLOURS]))
    return start_app(workspace.parts(), plants.build)


SERVED: dict[str, Serve] = {
    "plants": serve_plants,
    "cora": serve_cora,
    "coffee": serve_coffee,
    "sentiment": serve_sentiment,
    "lucky": serve_lucky,
}


@pytest.mark.parametrize(
    ("recipe", "count"),
    [
        ("coffee", FEW),
        *(pytest.param(recipe, MANY, marks=pytest.mark.slow) for recipe in SERVED),
    ],
)
def test_no_answer_differs_from_the_document(
    workspace: Any, start_app: Any, recipe: str, count: int
) -> None:
    client = SERVED[recipe](workspace, start_app)
    # With it the requests reach the routes behind the keys.
    key = bearer(create_key(workspace, "admin")[1])
    client.app.state.keyring.refresh()
    statuses, faults = send_cases(client, count, headers=key)
    assert faults == []
    assert statuses.total() >= count * 0.75
    # Right requests are among them, and wrong ones.
    assert statuses[200] > count // 10
    assert statuses[422] > count // 20
