"""Two clients send a JPEG that repeats one scan 450 times. A third sends an ordinary leaf."""

from __future__ import annotations

import io
import threading
import time

from PIL import Image

from tests.cases.images import green_png
from tests.cases.requests import FORM, image_form
from tests.cases.server import STRANGER, Serve
from tests.cases.verdict import require

SIDE, SCANS, ALLOWED = 6_320, 450, 1.0
ATTACKERS, HEAD_START_S = 2, 0.5
SCAN, END = b"\xff\xda", 2
"""How a scan of a JPEG begins, and the bytes of the mark at its end."""


def repeated_scans() -> bytes:
    """A progressive JPEG whose last scan is there 450 times."""
    file = io.BytesIO()
    Image.new("L", (SIDE, SIDE), 100).save(file, "JPEG", progressive=True, quality=90)
    content = file.getvalue()
    at = content.rindex(SCAN)
    return content[:at] + content[at:-END] * SCANS + content[-END:]


def test_repeated_scans_do_not_keep_others_waiting(serve: Serve) -> None:
    image, leaf = repeated_scans(), image_form(green_png())
    body = image_form(image)
    with serve("coffee") as server:
        quiet = server.ask("/v1/predict", leaf, FORM)
        assert quiet.status == 200, quiet

        def attack() -> None:
            server.ask("/v1/predict", body, FORM, timeout=80, source=STRANGER)

        threads = [threading.Thread(target=attack, daemon=True) for _ in range(ATTACKERS)]
        for thread in threads:
            thread.start()
        time.sleep(HEAD_START_S)  # Nothing tells when their decoding has begun.
        others = [server.ask("/v1/predict", leaf, FORM, timeout=25) for _ in range(2)]
        alive = server.ask("/v1/live").status
    worst = max(answer.seconds for answer in others)
    require(
        worst < ALLOWED and all(answer.status == 200 for answer in others),
        f"beside two JPEGs of {len(image) // 1000} kB with {SCANS} scans an ordinary image gets"
        f" {others[0].status} (0 is no answer) after {worst:.2f} s, {quiet.seconds:.2f} s without"
        f" them, and /v1/live {alive}; {ALLOWED:.0f} s may be",
    )
