"""Each route that takes payloads decodes them in the one reader, whoever wrote the route."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import wraps
from typing import Any

import pytest

from tests.web import tiny_text
from tidemill.codecs.image import ImageCodec
from tidemill.codecs.text import TextCodec
from tidemill.recipes.coffee.routes import build as coffee
from tidemill.recipes.lucky.routes import build as lucky
from tidemill.recipes.sentiment.routes import build as sentiment
from tidemill.web import reader as reader_module
from tidemill.web.reader_process import Call

NO_PAYLOAD = {
    "/v1/models/promote",
    "/v1/models/rollback",
    "/v1/feedback/accept",
    "/v1/feedback/reject",
    "/v1/feedback/import",
}
"""Routes that change something and take no payload. Any other route needs a request below."""

TEXT = "alpha beta"


class Watch:
    """Counts decodes, and those that are not done by the reader."""

    def __init__(self, patch: pytest.MonkeyPatch, codecs: Sequence[type]) -> None:
        self.decodes = self.strays = 0
        self._inside = threading.local()
        for name in ("_decode_one", "_decode_turn"):
            patch.setattr(reader_module, name, self._within(getattr(reader_module, name)))
        patch.setattr(Call, "perform", self._within(Call.perform))
        for codec in codecs:
            patch.setattr(codec, "decode", self._counted(codec.decode))  # type: ignore[attr-defined]

    def forget(self) -> None:
        """Begin to count: the workspace of a test decodes, too."""
        self.decodes = self.strays = 0

    def _within(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)  # so that a process can import it by its name
        def call(*args: Any) -> Any:
            self._inside.depth = getattr(self._inside, "depth", 0) + 1
            try:
                return function(*args)
            finally:
                self._inside.depth -= 1

        return call

    def _counted(self, decode: Callable[..., Any]) -> Callable[..., Any]:
        def call(codec: Any, payload: bytes) -> Any:
            self.decodes += 1
            self.strays += not getattr(self._inside, "depth", 0)
            return decode(codec, payload)

        return call


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    return Watch(monkeypatch, [ImageCodec, TextCodec])


def walk(
    client: Any,
    watch: Watch,
    requests: Mapping[str, Mapping[str, Any]],
    besides: Collection[str] = (),
) -> None:
    """Send each request. Each route that takes a POST must have one."""
    document = client.request("GET", "/openapi.json").json()
    posts = {path for path, operations in document["paths"].items() if "post" in operations}
    assert posts - NO_PAYLOAD - {*besides} == set(requests), "a new route needs a request here"
    watch.forget()
    for path, request in requests.items():
        before = watch.decodes
        place = path.format(model=client.request("GET", "/v1/info").json()["recipe"], version="v1")
        response = client.request("POST", place, **request)
        assert response.status_code == 200, (path, response.text)
        assert watch.decodes > before, path
    assert watch.strays == 0


INFER = ("/v2/models/{model}/infer", "/v2/models/{model}/versions/{version}/infer")


def inference(text: str, **parameters: str) -> dict[str, Any]:
    """An input of the Open Inference Protocol, in each of its paths."""
    row = {"name": "payload", "datatype": "BYTES", "shape": [1], "data": [text]}
    body = {"inputs": [row | {"parameters": parameters}]}
    return {path: {"json": body} for path in INFER}


def label(payload: Mapping[str, str], name: str) -> dict[str, Any]:
    return {"json": {"payload": payload, "label": name}}


def test_routes_for_images(workspace: Any, start_app: Any, watch: Watch, red: bytes) -> None:
    workspace.promote(workspace.register())
    client = start_app(workspace.parts(), coffee)
    image = {"image": base64.b64encode(red).decode()}
    file = {"files": {"file": ("a.png", red)}}
    requests = {"/v1/predict": {"json": image}, "/v1/feedback": label(image, "Miner")}
    posts = {**requests, "/v1/explain": file, "/predict": file}
    walk(client, watch, posts | inference(image["image"], content_type="base64"))


def test_routes_for_texts(workspace: Any, start_app: Any, watch: Watch) -> None:
    workspace.recipe = "sentiment"
    classes = ("bad", "fair", "good")
    workspace.promote(workspace.enter(*tiny_text.files("sentiment", classes)))
    client = start_app(workspace.parts(), sentiment)
    text = {"text": TEXT}
    requests = {"/v1/predict": {"json": text}, "/v1/feedback": label(text, "bad")}
    refused = client.request("POST", "/v1/explain", files={"file": ("a.txt", TEXT.encode())})
    assert refused.status_code == 400, "texts are not explained"
    posts = {**requests, "/predict": {"json": text}} | inference(TEXT)
    walk(client, watch, posts, besides={"/v1/explain"})


def test_the_routes_of_lucky(workspace: Any, start_app: Any, watch: Watch) -> None:
    workspace.recipe = "lucky"
    workspace.promote(workspace.enter(*tiny_text.files("answer", ("no", "yes"))))
    client = start_app(workspace.parts(), lucky)
    watch.forget()
    for path, params in {
        "/ask_model/": {"question": TEXT},
        "/ask_model": {"question": TEXT},
        "/submit_feedback/": {"prompt": TEXT, "label": "yes"},
        "/submit_feedback": {"prompt": TEXT, "label": "no"},
    }.items():
        before = watch.decodes
        assert client.request("POST", path, params=params).status_code == 200, path
        assert watch.decodes > before, path
    assert watch.strays == 0


def test_a_payload_for_a_process_is_decoded_there(
    workspace: Any, start_app: Any, watch: Watch, red: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The estimate decides alone; the answer is the same."""
    workspace.promote(workspace.register())
    client = start_app(workspace.parts(), coffee)
    file = {"files": {"file": ("a.png", red)}}
    near = client.request("POST", "/predict", **file)
    monkeypatch.setattr(ImageCodec, "estimate_ns", lambda *_: float("inf"))
    watch.forget()
    far = client.request("POST", "/predict", **file)
    assert near.json() == far.json()
    assert watch.decodes == 0, "this process decodes nothing"
    image = {"image": base64.b64encode(red).decode()}
    assert client.request("POST", "/v1/feedback", **label(image, "Miner")).status_code == 200
    assert watch.decodes == 0
