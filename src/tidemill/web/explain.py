"""`POST /v1/explain`: the occlusion map of one prediction, as an image.

An explanation asks the model hundreds of times about images that no client sent. They are not
logged, and count neither as traffic nor towards drift.
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Annotated

from fastapi import APIRouter, File, Request, Response, UploadFile

from tidemill.codecs.image import DecodedImage
from tidemill.domain.errors import Overloaded, Unavailable
from tidemill.domain.types import Explanation
from tidemill.occlusion import occlude, require_images
from tidemill.web.read_bodies import ExplanationBody
from tidemill.web.recipe_server import RecipeServer
from tidemill.web.reply import json_response
from tidemill.web.slots import Slot

EXPLAIN_PATH = "/v1/explain"
NICENESS = 10
"""The lower priority of the explaining thread, in units of `nice`."""
MAX_EXPLAIN_S = 60.0
"""How long an explanation may take. It runs the model some hundred times."""


class Explainer:
    """Explains one image at a time, in a thread of lower priority."""

    def __init__(self) -> None:
        self._busy = threading.Lock()
        self._slot: Slot | None = None
        self._began = math.inf
        """When the running explanation began; infinity while there is none."""
        self._closed = False
        self._pool = ThreadPoolExecutor(1, "tidemill-explain", initializer=_lower_priority)

    async def explain(
        self, slot: Slot, image: DecodedImage, target: str | None, label: str | None
    ) -> Explanation:
        """Return the explanation of a decoded image.

        Raises UsageError, Overloaded while another one runs, TimedOut and Unavailable (closing).
        """
        if self._closed:
            raise Unavailable("The server is stopping.")
        if not self._busy.acquire(blocking=False):
            raise Overloaded(
                "The server is explaining another image, and it explains one at a time.",
                hint="Try again shortly; `tidemill explain` needs no server.",
            )
        self._slot, self._began = slot, monotonic()
        try:
            future = self._pool.submit(_explain, slot, image, target, label)
        except RuntimeError as error:
            self._finish()
            raise Unavailable("The server is stopping.") from error
        # When the work ends, not when the client leaves: that does not end the work.
        future.add_done_callback(lambda _: self._finish())
        return await asyncio.wrap_future(future)

    def look_after(self) -> None:
        """End an explanation that takes too long, so that it does not keep all others out."""
        if monotonic() - self._began > MAX_EXPLAIN_S:
            self._end()

    def close(self) -> None:
        """End the running explanation."""
        self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._end()

    def _finish(self) -> None:
        # In this order: the next one must not be taken for as old as this one.
        self._began = math.inf
        self._busy.release()

    def _end(self) -> None:
        """End the runs of the explained model. What runs beside it ends, too."""
        if self._busy.locked() and self._slot is not None:
            self._slot.predictor.terminate()


def build_explain_route(server: RecipeServer, explainer: Explainer) -> APIRouter:
    """Return the route, which explains the model that `server` would answer with."""
    router = APIRouter(tags=["predict"])

    @router.post(
        EXPLAIN_PATH,
        summary="Draw which parts of an image the prediction rests on.",
        response_class=Response,
        responses={
            200: {
                "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
                "model": ExplanationBody,
                "description": "The heat image; with `Accept: application/json`, also the drops.",
            }
        },
    )
    async def explain_image(
        request: Request,
        file: Annotated[UploadFile, File(description="The image.")],
        target: str | None = None,
        label: str | None = None,
    ) -> Response:
        slot = server.context(request).slot
        require_images(slot.predictor)
        [image] = await server.decode(request, [await file.read()])
        explanation = await explainer.explain(slot, image, target, label)
        summary = {
            "version": explanation.version,
            "target": explanation.target,
            "label": explanation.label,
            "probability": explanation.probability,
        }
        if "application/json" in request.headers.get("accept", ""):
            heat = base64.b64encode(explanation.image).decode()
            return json_response({**summary, "drops": explanation.drops, "image": heat})
        # JSON, because a header holds ASCII alone and a label may be any text.
        headers = {"X-Explanation": json.dumps(summary)}
        return Response(explanation.image, media_type="image/png", headers=headers)

    return router


def _explain(slot: Slot, image: DecodedImage, target: str | None, label: str | None) -> Explanation:
    occlusion = occlude(slot.predictor, image, target=target, label=label)
    return occlusion.explanation(slot.version.id)


def _lower_priority() -> None:
    if sys.platform == "linux":  # elsewhere a thread has no priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
