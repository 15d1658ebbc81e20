"""The plants system's routes over a served model of three targets."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from PIL import Image

from tidemill.adapters.memory import FixedClock
from tidemill.bundle import REFERENCE
from tidemill.domain.types import Answer, Prediction
from tidemill.recipes.plants import routes as plants
from tidemill.recipes.plants.routes import leaf_name

NAMES = {
    "class": ("Bean___healthy", "Bean___rust", "Vine___healthy", "Vine___mildew", "Vine___rust"),
    "disease": ("healthy", "rust", "mildew"),
    "plant": ("Bean", "Vine", "Fern"),
}
TEST = {"accuracy": 0.9, "macro_f1": 0.8, "nll": 0.4}
TOKEN = {"Authorization": "Bearer much-told"}


@pytest.fixture
def files(tiny_files: Any) -> Any:
    """The files of a bundle without the reference; three colours have golden samples."""

    def bundle_files(labels: Mapping[str, Sequence[str]] = NAMES) -> dict[str, bytes]:
        bundle: dict[str, bytes] = dict(tiny_files(labels))
        del bundle[REFERENCE]
        scored = {target: {"test": TEST if target != "plant" else None} for target in labels}
        return bundle | {"evaluation.json": json.dumps({"targets": scored}).encode()}

    return bundle_files


@pytest.fixture
def served(workspace: Any, start_app: Any, files: Any, paint: Any, tiny_colours: Any) -> Any:
    """Start the app over one such version, with optional settings."""
    workspace.recipe = "plants"

    def start(arguments: Mapping[str, bytes] | None = None, **settings: Any) -> Any:
        images = [paint(colour) for colour in tiny_colours]
        workspace.promote(workspace.enter(arguments or files(), images))
        return start_app(workspace.parts(**settings), plants.build)

    return start


def fault(client: Any) -> str:
    response = client.request("GET", "/v1/ready")
    assert response.status_code == 503
    message: str = response.json()["error"]["message"]
    return message


def test_a_leaf_gets_the_likeliest_labels_of_every_target(
    served: Any, workspace: Any, red: bytes
) -> None:
    client = served()
    response = client.request("POST", "/predict", files={"file": red})
    assert response.status_code == 200
    targets = response.json()["targets"]
    assert {target: guesses[0]["label"] for target, guesses in targets.items()} == {
        "class": "Bean___healthy",
        "disease": "healthy",
        "plant": "Bean",
    }
    assert {target: len(guesses) for target, guesses in targets.items()} == {
        "class": 5,
        "disease": 3,
        "plant": 3,
    }
    for guesses in targets.values():
        shares = [guess["probability"] for guess in guesses]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1)
    record = workspace.traffic.find(response.headers["X-Prediction-Id"])
    assert (record.kind, record.payload) == ("live", red)
    assert {answer.target for answer in record.answers} == set(NAMES)


def test_of_many_labels_five_are_shown() -> None:
    row = {f"label {n}": 0.05 * n for n in range(7)}
    answer = Answer("class", "label 6", 0.3, row)
    top = plants.top_labels(
        Prediction("i", "s", 1, "v1", FixedClock().now(), "live", b"", (answer,))
    )
    assert [guess.label for guess in top["class"]] == [f"label {n}" for n in (6, 5, 4, 3, 2)]


def test_a_file_that_is_no_image_is_refused(served: Any) -> None:
    client = served()
    response = client.request("POST", "/predict", files={"file": b"no image"})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_payload")
    assert client.request("POST", "/predict").status_code == 422


@pytest.mark.parametrize("target", NAMES)
def test_a_random_leaf_is_one_of_the_validation_data(served: Any, target: str) -> None:
    client = served()
    response = client.request("POST", "/predict-random", params={"target": target})
    assert response.status_code == 200
    body = response.json()
    assert set(body) == {
        "sample", "true_label", "top_predictions", "metrics", "image_url", "target",
    }  # fmt: skip
    assert body["target"] == target
    assert body["true_label"] == body["top_predictions"][0]["label"]
    assert body["true_label"] in NAMES[target]
    expected = {} if target == "plant" else {"accuracy": 0.9, "macro_f1": 0.8}
    assert body["metrics"] == expected
    response = client.request("GET", body["image_url"])
    assert (response.status_code, response.headers["content-type"]) == (200, "image/png")
    again = client.request("POST", "/predict-random", params={"sample": body["sample"]}).json()
    assert again["sample"] == body["sample"]


def test_the_image_of_a_sample_is_that_sample(served: Any, paint: Any, tiny_colours: Any) -> None:
    client = served()
    for colour in tiny_colours[:3]:
        content = client.request("GET", f"/demo/{leaf_name(paint(colour))}").content
        with Image.open(io.BytesIO(content)) as image:
            assert (image.format, image.getpixel((3, 3))) == ("PNG", colour)


@pytest.mark.parametrize("name", ["0123456789abcdef.png", "..%2f..%2fsecret", "x"])
def test_there_are_no_other_images(served: Any, name: str) -> None:
    client = served()
    response = client.request("GET", f"/demo/{name}")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")
    response = client.request("POST", "/predict-random", params={"sample": name})
    assert response.status_code == 404


def test_another_target_is_refused(served: Any) -> None:
    assert served().request("POST", "/predict-random", params={"target": "soil"}).status_code == 422


def test_the_page_loads_nothing_from_other_machines(served: Any) -> None:
    response = served().request("GET", "/")
    assert response.headers["content-type"].startswith("text/html")
    assert "connect-src 'self'" in response.headers["Content-Security-Policy"]
    assert "://" not in response.text
    assert "innerHTML" not in response.text


def test_without_a_model_only_the_page_is_there(workspace: Any, start_app: Any) -> None:
    client = start_app(workspace.parts(), plants.build)
    assert client.request("GET", "/").status_code == 200
    for way in ("POST /predict-random", "GET /demo/x"):
        assert client.request(*way.split()).json()["error"]["code"] == "not_ready"


def changed(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """Change every answer in the recipe's own response builder."""
    true = plants.top_labels

    def wrong(prediction: Any) -> Any:
        top = true(prediction)
        return {target: change(target, guesses) for target, guesses in top.items()}

    monkeypatch.setattr(plants, "top_labels", wrong)


def swapped(target: str, guesses: list[Any]) -> list[Any]:
    """Rotate the names of the last target."""
    names = [guess.label for guess in guesses]
    turned = names[1:] + names[:1] if target == "plant" else names
    return [
        guess.model_copy(update={"label": name})
        for guess, name in zip(guesses, turned, strict=True)
    ]


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        (swapped, "was answered where"),
        (lambda _, guesses: guesses[::-1], "was answered where"),
        (lambda _, guesses: guesses[:2], "are expected"),
        (lambda _, guesses: [guesses[0], guesses[2], guesses[1]], "are expected"),
        (lambda _, guesses: [*guesses[:-1], guesses[0]], "are expected"),
        (lambda _, guesses: [], "cannot be read: IndexError"),
    ],
)
def test_a_wrong_answer_of_one_target_is_never_served(
    served: Any, monkeypatch: pytest.MonkeyPatch, change: Any, fragment: str
) -> None:
    changed(monkeypatch, change)
    message = fault(served())
    assert "POST /predict (files)" in message
    assert fragment in message


def test_labels_of_one_target_that_are_swapped_in_the_bundle_are_never_served(
    served: Any, files: Any
) -> None:
    bundle = files()
    labels = json.loads(bundle["classes.json"])
    labels["disease"] = labels["disease"][1:] + labels["disease"][:1]
    client = served(bundle | {"classes.json": json.dumps(labels).encode()})
    assert "disease: " in fault(client)


@pytest.mark.parametrize(
    ("lie", "fragment"),
    [
        ({"true_label": "Bean___rust"}, "the true label of the sample is"),
        ({"target": "plant"}, "the true label of the sample is"),
        ({"image_url": "/demo/other.png"}, "is the image of another sample"),
    ],
)
def test_a_random_leaf_with_another_name_is_never_served(
    served: Any, monkeypatch: pytest.MonkeyPatch, lie: dict[str, str], fragment: str
) -> None:
    true = plants.random_leaf_response
    monkeypatch.setattr(
        plants, "random_leaf_response", lambda *arguments: true(*arguments).model_copy(update=lie)
    )
    message = fault(served())
    assert "POST /predict-random (params)" in message
    assert fragment in message


def test_a_model_without_a_target_is_never_served(served: Any, files: Any) -> None:
    labels = {target: NAMES[target] for target in ("class", "disease")}
    assert "POST /predict-random" in fault(served(files(labels)))


def test_refresh_needs_a_token(served: Any) -> None:
    client = served()
    response = client.request("POST", "/refresh")
    assert (response.status_code, response.json()["error"]["code"]) == (403, "forbidden")
    assert "TIDEMILL_REFRESH_TOKEN" in response.json()["error"]["hint"]
    # What is neither the token nor a key opens no route at all.
    response = client.request("POST", "/refresh", headers=TOKEN)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "unauthorised")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer much-tol"},
        {"Authorization": "Basic much-told"},
        {"Authorization": b"Bearer m\xfcch-told"},
    ],
)
def test_refresh_needs_the_right_token(served: Any, headers: dict[str, str]) -> None:
    client = served(refresh_token="much-told")
    response = client.request("POST", "/refresh", headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "unauthorised")
    assert "much-told" not in response.text


def test_refresh_serves_the_ledgers_champion_at_once(
    served: Any, workspace: Any, files: Any, paint: Any, tiny_colours: Any
) -> None:
    client = served(refresh_token="much-told")
    second = workspace.enter(files(), [paint(colour) for colour in tiny_colours])
    workspace.promote(second)
    assert client.request("GET", "/v1/ready").json()["version"] == "v1"
    response = client.request("POST", "/refresh", headers=TOKEN)
    assert response.json() == {"status": "success", "message": "v2 is served."}
    assert client.request("GET", "/v1/ready").json()["version"] == "v2"


def test_refresh_never_serves_an_unchecked_champion(
    served: Any, workspace: Any, files: Any, paint: Any, tiny_colours: Any
) -> None:
    client = served(refresh_token="much-told")
    bundle = files()
    labels = json.loads(bundle["classes.json"])
    turned = {target: names[1:] + names[:1] for target, names in labels.items()}
    forged = bundle | {"classes.json": json.dumps(turned).encode()}
    workspace.promote(workspace.enter(forged, [paint(colour) for colour in tiny_colours]))
    response = client.request("POST", "/refresh", headers=TOKEN)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "not_ready")
    assert "does not serve v2" in response.json()["error"]["message"]
    assert client.request("GET", "/v1/ready").json()["version"] == "v1"


def test_feedback_names_its_target(served: Any, red: bytes, workspace: Any) -> None:
    client = served()
    id = client.request("POST", "/predict", files={"file": red}).headers["X-Prediction-Id"]
    reply = {"prediction": id, "label": "rust"}
    response = client.request("POST", "/v1/feedback", json={"feedback": [reply]})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid")
    response = client.request(
        "POST", "/v1/feedback", json={"feedback": [{**reply, "target": "plant"}]}
    )
    assert response.json()["error"]["code"] == "foreign_label"
    response = client.request(
        "POST", "/v1/feedback", json={"feedback": [{**reply, "target": "disease"}]}
    )
    assert response.is_success
    with workspace.ledger.begin(write=False) as unit:
        [record] = unit.feedback(limit=None)
    assert (record.target, record.label, record.predicted_label) == (
        "disease",
        "rust",
        "healthy",
    )
