"""The middleware that counts requests and measures their times."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidemill.web.errors import REASON_KEY
from tidemill.web.metrics import Metrics
from tidemill.web.request_context import BODY_AT_KEY, is_golden_request

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
"""The known methods. A client may send any other word, which must not become a label value."""

WITHOUT_BODY = {"GET", "HEAD", "OPTIONS"}


class Meter:
    """Counts requests by route template, never by path, and leaves golden requests out.

    A slow client is not a slow server: the time of a request begins when its body is complete, and
    the time before that is counted apart.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self._metrics = metrics
        self._finishers: dict[tuple[str, str, int], _Finish] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_golden_request(scope):
            await self.app(scope, receive, send)
            return
        status = 500
        start = perf_counter()

        async def counting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, counting_send)
        finally:
            handler = getattr(scope.get("route"), "path", "unmatched")
            method = scope["method"] if scope["method"] in METHODS else "other"
            key = (method, handler, status)
            # Finding the series of a request costs more than counting it.
            finish = self._finishers.get(key) or self._find_series(*key)
            complete = scope.get(BODY_AT_KEY, 0.0)
            upload = complete - start if complete and method not in WITHOUT_BODY else None
            finish(perf_counter() - (complete or start), upload)
            if reason := scope.get(REASON_KEY):
                self._metrics.rejected.labels(reason).inc()

    def _find_series(self, method: str, handler: str, status: int) -> _Finish:
        count = self._metrics.requests.labels(method, handler, status).inc
        observe = self._metrics.request_seconds.labels(method, handler).observe
        has_body = method not in WITHOUT_BODY
        observe_upload = self._metrics.upload_seconds.labels(handler).observe if has_body else None

        def finish(seconds: float, upload: float | None) -> None:
            count()
            observe(seconds)
            if upload is not None and observe_upload is not None:
                observe_upload(upload)

        self._finishers[method, handler, status] = finish
        return finish


_Finish = Callable[[float, float | None], None]
