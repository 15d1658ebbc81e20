"""`POST /v1/explain`: the occlusion map of one answer, as an image.

An explanation asks the model hundreds of times about images that nobody sent, so it is no answer
to a client: it is not logged, and counts neither as traffic nor towards drift.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

from fastapi import APIRouter, File, Request, Response, UploadFile

from tidemill.domain.errors import Overloaded, Unavailable
from tidemill.occlusion import Explanation, explain, image
from tidemill.predictor import Predictor
from tidemill.web.answerer import Answerer

PATH = "/v1/explain"
POLITE = 10
"""By how much the explaining thread steps back from those that answer, as `nice` counts."""


class Explainer:
    """Explains one image at a time, in a thread of its own that lets others go first."""

    def __init__(self) -> None:
        self._busy = threading.Lock()
        self._pool = ThreadPoolExecutor(1, "tidemill-explain", initializer=_step_back)

    async def explain(
        self, predictor: Predictor, payload: bytes, target: str | None, label: str | None
    ) -> tuple[Explanation, bytes]:
        """The explanation and its image.

        Raises BadPayload, UsageError, Overloaded while another is being made, and Unavailable
        (closing).
        """
        if not self._busy.acquire(blocking=False):
            raise Overloaded(
                "Another image is being explained, and one is all there is room for.",
                hint="Try again shortly; `tidemill explain` does it without a server.",
            )
        try:
            made = self._pool.submit(_explain, predictor, payload, target, label)
        except RuntimeError as error:
            self._busy.release()
            raise Unavailable("The server is stopping.") from error
        # When the work ends, not when it is awaited no more: a client that leaves does not end it.
        made.add_done_callback(lambda _: self._busy.release())
        return await asyncio.wrap_future(made)

    def close(self) -> None:
        """Wait for what is being explained."""
        self._pool.shutdown()


def build(answerer: Answerer, explainer: Explainer) -> APIRouter:
    """The route, explaining what `answerer` would answer."""
    router = APIRouter(tags=["predict"])

    @router.post(
        PATH,
        summary="Draw what the answer to an image rests on.",
        response_class=Response,
        responses={200: {"content": {"image/png": {}}, "description": "The heat image."}},
    )
    async def explained(
        request: Request,
        file: Annotated[UploadFile, File(description="The image.")],
        target: str | None = None,
        label: str | None = None,
    ) -> Response:
        slot = answerer.asked(request).slot
        payload = await file.read()
        found, png = await explainer.explain(slot.predictor, payload, target, label)
        told = {
            "version": slot.version.id,
            "target": found.target,
            "label": found.label,
            "probability": found.probability,
        }
        # JSON, because a header holds ASCII alone and a label may be any text.
        return Response(png, media_type="image/png", headers={"X-Explanation": json.dumps(told)})

    return router


def _explain(
    predictor: Predictor, payload: bytes, target: str | None, label: str | None
) -> tuple[Explanation, bytes]:
    found = explain(predictor, payload, target=target, label=label)
    return found, image(found)


def _step_back() -> None:
    if sys.platform == "linux":  # elsewhere a thread has no priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), POLITE)
