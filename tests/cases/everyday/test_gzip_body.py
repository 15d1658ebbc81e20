"""A client compresses what it sends, as many do by themselves. Is it read, or told why not?

The answer must be that of the plain body, or 415 with the encoding named. A small body that
unfolds to 100 MB must be refused either way.
"""

from __future__ import annotations

import gzip
import json

from tests.cases.server import Serve
from tests.cases.verdict import require

BODY = json.dumps({"text": "Operating profit rose to EUR 2.4 million."}).encode()
UNFOLDED = 10**8


def test_a_compressed_body_is_read_or_refused_by_name(serve: Serve) -> None:
    bomb = gzip.compress(b'{"text": "' + b"a" * UNFOLDED + b'"}')
    coding = {"content-encoding": "gzip"}
    with serve("sentiment") as server:
        assert server.ask("/v1/predict", BODY).status == 200
        packed = server.ask("/v1/predict", gzip.compress(BODY), headers=coding)
        unfolding = server.ask("/v1/predict", bomb, headers=coding)
    words = packed.body.decode()
    named = packed.status == 415 and ("gzip" in words or "encoding" in words.lower())
    require(
        (packed.status == 200 or named) and 400 <= unfolding.status < 500,
        f"a compressed body gets {packed.status} and one that unfolds to 100 MB"
        f" {unfolding.status}: {words[:150]}",
    )
