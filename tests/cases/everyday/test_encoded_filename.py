"""A file whose name is not ASCII is named by `filename*` alone, as RFC 5987 has it."""

from __future__ import annotations

import json

from tests.cases.images import green_png
from tests.cases.requests import FORM, file_part, form, image_form
from tests.cases.server import Serve
from tests.cases.verdict import require

ROUTES = ("/v1/predict", "/predict")
NAMED = "filename*=UTF-8''Bl%C3%A4tter.png"


def test_a_file_with_an_encoded_name_is_answered(serve: Serve) -> None:
    plain = image_form(green_png())
    encoded = form(file_part(green_png(), filename=NAMED))
    with serve("coffee") as server:
        assert [server.ask(route, plain, FORM).status for route in ROUTES] == [200, 200]
        answers = {route: server.ask(route, encoded, FORM) for route in ROUTES}
    refused = {route: answer for route, answer in answers.items() if answer.status != 200}
    errors = [json.loads(answer.body).get("error", {}) for answer in refused.values()]
    require(
        not refused,
        f"{' and '.join(f'{route} {answer.status}' for route, answer in refused.items())}:"
        f" {' '.join(error.get('message', '') for error in errors)}",
    )
