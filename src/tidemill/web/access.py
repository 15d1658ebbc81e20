"""The middleware that decides whether a request may pass, before anything reads its body."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidemill.domain.errors import Forbidden
from tidemill.settings import Settings
from tidemill.web.caller import Caller, ClientAddresses, set_caller
from tidemill.web.errors import error_response
from tidemill.web.hosts import HostCheck
from tidemill.web.origins import PREFLIGHT_METHOD, PREFLIGHT_PRIVATE, Origins
from tidemill.web.recipe_server import is_golden_request

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing. No route of a server or a recipe changes something by them."""
FORWARDED = b"x-forwarded-for"
READ_HEADERS = frozenset(
    {b"host", b"origin", b"sec-fetch-site", FORWARDED, PREFLIGHT_METHOD, PREFLIGHT_PRIVATE}
)
SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # Beside a page's own policy, a browser applies both.
    (b"content-security-policy", b"frame-ancestors 'none'"),
    (b"referrer-policy", b"same-origin"),
]
"""What every answer carries."""
NO_STORE = (b"cache-control", b"no-store")
"""What an answer carries that does not say itself how long it may be kept."""

FOREIGN_HOST = Forbidden(
    "This server does not answer to the name in the Host header.",
    hint="Ask by its address, or start it with TIDEMILL_ALLOWED_HOSTS=NAME.",
)
TWO_HOSTS = Forbidden("The request has two Host headers.")
FOREIGN_PAGE = Forbidden(
    "A web page of another origin may not change anything here.",
    hint="Start the server with TIDEMILL_CORS_ORIGINS=ORIGIN to allow the pages of that origin.",
)


class AccessControl:
    """Checks host and origin, answers preflights, names the caller, adds the security headers.

    A refused request reaches no route, and its body is not read. Golden requests pass untouched.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._hosts = HostCheck(settings.host, settings.allowed_hosts)
        self._origins = Origins(settings.cors_origins)
        self._addresses = ClientAddresses(settings.trusted_proxies)
        self._headers = [*SECURITY_HEADERS, *self._origins.vary]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_golden_request(scope):
            await self.app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = {}
        hosts, forwarded = 0, []
        for name, value in scope["headers"]:
            if name in READ_HEADERS:
                headers[name] = value
                if name == b"host":
                    hosts += 1
                elif name == FORWARDED:
                    forwarded.append(value)
        origin = headers.get(b"origin")
        added = self._headers
        if origin is not None:
            added = [*added, *self._origins.answer_headers(origin)]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = message["headers"]
                more = added
                if not any(name == b"cache-control" for name, _ in own):
                    more = [*added, NO_STORE]
                # A new list: the response may be one that is sent again.
                message["headers"] = [*own, *more]
            await send(message)

        refusal = self._refusal(scope["method"], headers, hosts)
        if refusal is not None:
            await error_response(refusal)(scope, receive, send_with_headers)
        elif origin is not None and scope["method"] == "OPTIONS" and PREFLIGHT_METHOD in headers:
            response = Response(status_code=204)
            response.raw_headers += self._origins.preflight_headers(headers)
            await response(scope, receive, send_with_headers)
        else:
            set_caller(scope, Caller(address=self._addresses.find(scope, forwarded)))
            await self.app(scope, receive, send_with_headers)

    def _refusal(self, method: str, headers: dict[bytes, bytes], hosts: int) -> Forbidden | None:
        """Return why a request may not pass; None when it may."""
        if hosts > 1:
            return TWO_HOSTS
        # A request without the header is HTTP/1.0, which no browser speaks.
        if hosts and not self._hosts.allows(headers[b"host"]):
            return FOREIGN_HOST
        if method not in SAFE_METHODS:
            return None if self._origins.may_change(headers) else FOREIGN_PAGE
        if method == "OPTIONS" and PREFLIGHT_METHOD in headers:
            return None if self._origins.allows(headers.get(b"origin", b"")) else FOREIGN_PAGE
        return None
