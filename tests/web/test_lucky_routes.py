"""The lucky system's routes over a served text model: yes is yes from the graph to the client."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web import tiny_text
from tidemill.recipes.lucky import routes as lucky

LABELS = ("no", "yes")
YES, NO = tiny_text.text(1, 2).decode(), tiny_text.text(0, 2).decode()


def served(workspace: Any, start_app: Any, names: tuple[str, ...] = LABELS) -> Any:
    workspace.recipe = "lucky"
    workspace.promote(workspace.enter(*tiny_text.files(lucky.TARGET, LABELS, names)))
    return start_app(workspace.parts(), lucky.build)


@pytest.fixture
def client(workspace: Any, start_app: Any) -> Any:
    """The app, ready, answering yes and no."""
    return served(workspace, start_app)


def fault(client: Any) -> str:
    response = client.request("GET", "/v1/ready")
    assert response.status_code == 503
    message: str = response.json()["error"]["message"]
    return message


@pytest.mark.parametrize("form", ["params", "json"])
@pytest.mark.parametrize("path", ["/ask_model/", "/ask_model"])
def test_yes_is_yes(client: Any, workspace: Any, path: str, form: str) -> None:
    for question, label in ((YES, 1), (NO, 0)):
        response = client.request("POST", path, **{form: {"question": question}})
        expected = tiny_text.chances(label, 2, LABELS)
        assert response.json()["probs"] == pytest.approx(expected, abs=1e-6)
        record = workspace.traffic.find(response.headers["X-Prediction-Id"])
        assert (record.kind, record.payload) == ("live", question.encode())


def test_answers_that_are_swapped_in_the_response_are_never_served(
    workspace: Any, start_app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault of the original: its last change gave the first probability the wrong name."""
    true = lucky.answer_probabilities

    def swapped(prediction: Any) -> lucky.AnswerProbabilities:
        probs = true(prediction).probs
        return lucky.AnswerProbabilities(probs=lucky.YesNoProbabilities(yes=probs.no, no=probs.yes))

    monkeypatch.setattr(lucky, "answer_probabilities", swapped)
    assert "POST /ask_model/ (params) is wrong" in fault(served(workspace, start_app))


def test_labels_that_are_swapped_in_the_bundle_are_never_served(
    workspace: Any, start_app: Any
) -> None:
    assert "was answered where" in fault(served(workspace, start_app, ("yes", "no")))


def test_a_model_of_other_labels_is_never_served(workspace: Any, start_app: Any) -> None:
    workspace.promote(workspace.enter(*tiny_text.files(lucky.TARGET, ("false", "true"))))
    assert "with 500" in fault(start_app(workspace.parts(), lucky.build))


def test_a_question_that_is_cut_says_so(client: Any) -> None:
    response = client.request(
        "POST", "/ask_model/", json={"question": tiny_text.text(1, 60).decode()}
    )
    assert response.status_code == 200
    assert "were judged" in response.headers["X-Remarks"]


def test_a_page_of_an_allowed_origin_asks_as_the_original_one_does(
    workspace: Any, start_app: Any
) -> None:
    page = "http://localhost:5173"
    workspace.recipe = "lucky"
    workspace.promote(workspace.enter(*tiny_text.files(lucky.TARGET, LABELS)))
    client = start_app(workspace.parts(cors_origins=page), lucky.build)
    asks = {
        "Origin": page,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    assert client.request("OPTIONS", "/ask_model/", headers=asks).status_code == 204
    request = {"params": {"question": YES}, "json": {"question": YES}}
    sent = {"Origin": page, "Sec-Fetch-Site": "same-site"}
    response = client.request("POST", "/ask_model/", headers=sent, **request)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == page


def test_an_empty_question_is_refused(client: Any) -> None:
    response = client.request("POST", "/ask_model/?question=")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_payload")


def test_feedback_is_one_of_two_labels(client: Any, workspace: Any) -> None:
    for label in ("yes", "no"):
        request_params = {"prompt": NO, "label": label}
        assert client.request("POST", "/submit_feedback/", params=request_params).json() == {
            "status": "success"
        }
    with workspace.ledger.begin(write=False) as unit:
        records = unit.feedback(limit=None)
    assert [(item.target, item.label, item.status) for item in records] == [
        ("answer", "yes", "pending"),
        ("answer", "no", "pending"),
    ]
    assert {workspace.blobs.get(item.example) for item in records} == {NO.encode()}


def test_feedback_on_nothing_is_refused(client: Any, workspace: Any) -> None:
    response = client.request("POST", "/submit_feedback/", params={"prompt": " ", "label": "yes"})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_payload")
    with workspace.ledger.begin(write=False) as unit:
        assert unit.feedback(limit=None) == []
