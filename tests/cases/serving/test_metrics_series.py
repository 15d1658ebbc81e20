"""Twenty versions are served one after another. What do the metrics say of those that are gone?"""

from __future__ import annotations

import re

from tests.cases.requests import TEXT
from tests.cases.server import Serve
from tests.cases.verdict import require
from tests.cases.versions import promote_copy, wait_until_served

SWAPS, ALLOWED = 20, 3
VERSION = re.compile(r'version="(v\d+)"')


def test_the_metrics_forget_versions_that_are_gone(serve: Serve) -> None:
    with serve("sentiment") as server:
        before = len(server.ask("/metrics").body.splitlines())
        for _ in range(SWAPS):
            wait_until_served(server, promote_copy(server.home))
            assert server.ask("/v1/predict", TEXT).status == 200
        lines = server.ask("/metrics").body.decode()
    versions = set(VERSION.findall(lines))
    assert versions, "no series names a version"
    require(
        len(versions) <= ALLOWED,
        f"after {SWAPS} swaps /metrics has series of {len(versions)} versions, of which two are"
        f" loaded, and {len(lines.splitlines())} lines in place of {before}; {ALLOWED} versions may"
        " be",
    )
