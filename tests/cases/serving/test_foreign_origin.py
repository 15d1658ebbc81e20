"""A web page of somebody else has its visitor's browser give a label: a POST without preflight."""

from __future__ import annotations

from urllib.parse import urlencode

from tests.cases.commands import feedback_rows
from tests.cases.server import Serve
from tests.cases.verdict import require

FOREIGN = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}


def test_a_page_of_another_origin_gives_no_label(serve: Serve) -> None:
    with serve("lucky") as server:

        def give(prompt: str, headers: dict[str, str]) -> int:
            path = f"/submit_feedback/?{urlencode({'prompt': prompt, 'label': 'yes'})}"
            return server.ask(path, b"", "text/plain", method="POST", headers=headers).status

        own = give("is the moon round?", {})
        assert own == 200
        foreign = give("is the earth flat?", FOREIGN)
        labels = len(feedback_rows(server.home))
    assert labels >= 1
    require(
        foreign == 403 and labels == 1,
        f"a label sent by a page of {FOREIGN['Origin']} gets {foreign}, and {labels - 1} such label"
        " is recorded; right: 403 and none",
    )
