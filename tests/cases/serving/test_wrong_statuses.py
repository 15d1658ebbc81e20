"""Four requests whose answers mislead. What they should be stands beside each."""

from __future__ import annotations

import base64
import gzip
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from tests.cases.images import green_png
from tests.cases.requests import FORM, file_part, form, image_form, json_body
from tests.cases.server import Serve, Server
from tests.cases.verdict import require

SPOOLED_SIDE, FILES = 900, 65
"""More than a megabyte of noise is spooled to a file; a route for one image takes one."""


def noise_png() -> bytes:
    file, pixels = io.BytesIO(), os.urandom(SPOOLED_SIDE**2 * 3)
    Image.frombytes("RGB", (SPOOLED_SIDE, SPOOLED_SIDE), pixels).save(file, "PNG")
    return file.getvalue()


def wrong_answers(server: Server, spool: Path) -> Iterator[str]:
    leaf = green_png()
    head = server.ask("/v1/live", method="HEAD").status
    if head != 200:
        yield f"HEAD /v1/live {head} (200)"
    image = json_body({"image": base64.b64encode(leaf).decode()})
    assert server.ask("/v1/predict", image).status == 200
    packed = server.ask("/v1/predict", gzip.compress(image), headers={"Content-Encoding": "gzip"})
    named = packed.status == 415 and b"encoding" in packed.body.lower()
    if packed.status != 200 and not named:
        yield f"a gzip body {packed.status} with no word on encoding (200, or 415 with it)"
    many = server.ask("/predict", form(*[file_part(leaf)] * FILES), FORM)
    if not 400 <= many.status < 500:
        yield f"{FILES} files to POST /predict {many.status} (4xx: it names one image)"
    large = image_form(noise_png())
    before = server.ask("/predict", large, FORM).status
    shutil.rmtree(spool)
    after = server.ask("/predict", large, FORM).status
    spool.mkdir()
    if before != 200 or after not in (200, 503):
        yield f"a large upload {before}, and {after} once the spool cannot be written (503)"


def test_statuses_do_not_mislead(serve: Serve, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    with serve("coffee", TMPDIR=str(spool)) as server:
        wrong = list(wrong_answers(server, spool))
    require(not wrong, f"{len(wrong)} of 4 answers are wrong: {'; '.join(wrong)}")
