"""A page of an origin that the setting allows asks the browser's question before its own."""

from __future__ import annotations

from tests.cases.requests import json_body
from tests.cases.server import Answer, Serve
from tests.cases.verdict import require

PAGE, OTHER = "http://page.example", "http://evil.example"
ROUTE, ALLOWED_ORIGIN = "/ask_model/", "access-control-allow-origin"
ASKS = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type",
}


def test_an_allowed_origin_may_ask_and_no_other(serve: Serve) -> None:
    with serve("lucky", TIDEMILL_CORS_ORIGINS=PAGE) as server:

        def preflight(origin: str) -> Answer:
            return server.ask(ROUTE, method="OPTIONS", headers={"Origin": origin, **ASKS})

        own, other = preflight(PAGE), preflight(OTHER)
        question = json_body({"question": "is the moon round?"})
        answer = server.ask(ROUTE, question, headers={"Origin": PAGE})
    assert answer.status == 200, answer
    allowed, granted, foreign = (row.headers.get(ALLOWED_ORIGIN) for row in (own, answer, other))
    require(
        own.status in (200, 204) and allowed == granted == PAGE and foreign is None,
        f"with {PAGE} allowed, OPTIONS {ROUTE} gets {own.status} with {ALLOWED_ORIGIN}: {allowed},"
        f" the POST with {granted}, and OPTIONS of another origin with {foreign}",
    )
