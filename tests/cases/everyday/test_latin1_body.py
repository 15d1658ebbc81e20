"""A client says charset=iso-8859-1 and sends that. Is it read, or told what is wrong?"""

from __future__ import annotations

from tests.cases.server import Serve
from tests.cases.verdict import require

BODY = '{"text": "Umsatz über Plan, Gewinn höher"}'
NAMES = ("charset", "encod", "iso-8859-1")


def test_a_body_in_another_charset_is_read_or_refused_by_name(serve: Serve) -> None:
    with serve("sentiment") as server:
        assert server.ask("/v1/predict", BODY.encode()).status == 200
        latin1 = "application/json; charset=iso-8859-1"
        answer = server.ask("/v1/predict", BODY.encode("latin-1"), latin1)
    words = answer.body.decode().lower()
    require(
        answer.status == 200 or any(name in words for name in NAMES),
        f"it gets {answer.status} {words[:200]}",
    )
