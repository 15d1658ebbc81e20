"""Four large images, then nothing for ten seconds. Does the server give their memory back?"""

from __future__ import annotations

import time

from tests.cases.images import black_png
from tests.cases.requests import FORM, image_form
from tests.cases.server import Serve
from tests.cases.verdict import require

SIDE, IMAGES, IDLE_S, ALLOWED = 6_324, 4, 10, 2.0


def test_memory_of_large_images_is_given_back(serve: Serve) -> None:
    small, large = image_form(black_png(64)), image_form(black_png(SIDE, alpha=True))
    with serve("coffee") as server:
        for _ in range(20):
            assert server.ask("/v1/predict", small, FORM).status == 200
        before = server.megabytes()
        statuses = {server.ask("/v1/predict", large, FORM).status for _ in range(IMAGES)}
        time.sleep(IDLE_S)  # The idle time is what is tried.
        after, peak = server.megabytes(), server.megabytes("VmHWM")
    require(
        after < ALLOWED * before,
        f"{IDLE_S} s after {IMAGES} images of {len(large) >> 10} KiB (answered"
        f" {', '.join(map(str, sorted(statuses)))}) the server holds {after} MiB,"
        f" {after / before:.1f} times the {before} MiB before, and had {peak}; {ALLOWED:.0f} times"
        " may be",
    )
