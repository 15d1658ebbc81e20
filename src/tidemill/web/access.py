"""The middleware that decides whether a request may pass, before anything reads its body."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidemill.domain.api_key import KeyScope, digest_of
from tidemill.domain.errors import Forbidden, RateLimited, TidemillError, Unauthorised
from tidemill.settings import Settings
from tidemill.web.caller import KEY_HINT, Caller, ClientAddresses, caller_of, set_caller
from tidemill.web.errors import INTERNAL, REASON_KEY, FailureResponse, error_response
from tidemill.web.exposure import public_scopes
from tidemill.web.hosts import HostCheck
from tidemill.web.keyring import Keyring, read_secret
from tidemill.web.origins import PREFLIGHT_METHOD, PREFLIGHT_PRIVATE, Origins
from tidemill.web.refusals import RefusalLog
from tidemill.web.request_context import REQUEST_ID_KEY, is_golden_request

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing. No route of a server or a recipe changes something by them."""
OPEN_PATHS = frozenset({"/v1/live", "/v1/ready", "/health", "/v2/health/live", "/v2/health/ready"})
"""What anybody may read: what runs the server asks there whether it works."""
AUTHORIZATION, FORWARDED = b"authorization", b"x-forwarded-for"
READ_HEADERS = frozenset(
    {
        b"host",
        b"origin",
        b"sec-fetch-site",
        AUTHORIZATION,
        FORWARDED,
        PREFLIGHT_METHOD,
        PREFLIGHT_PRIVATE,
    }
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

MAX_STRANGERS = 256
"""Callers without a key that are remembered, which spares making them anew."""

FOREIGN_HOST = Forbidden(
    "This server does not answer to the name in the Host header.",
    hint="Ask by its address, or start it with TIDEMILL_ALLOWED_HOSTS=NAME.",
)
NO_KEY = Unauthorised("This server answers only to clients with a key.", hint=KEY_HINT)
REFRESH_ONLY = frozenset({"refresh"})
"""What a caller may do who has proved to know the refresh token, and nothing else."""
TWO_HOSTS = Forbidden("The request has two Host headers.")
FOREIGN_PAGE = Forbidden(
    "A web page of another origin may not change anything here.",
    hint="Start the server with TIDEMILL_CORS_ORIGINS=ORIGIN to allow the pages of that origin.",
)
REFUSED = frozenset({401, 403, 429})
"""The statuses of refusals."""


async def answer_escaped(request: Request, raised: Exception) -> Response:
    """Answer an error that no guard has caught, as one of a middleware.

    The framework calls it outside every middleware, and the server then logs the error.
    """
    response = FailureResponse(*INTERNAL, status=500)
    response.raw_headers += [*SECURITY_HEADERS, NO_STORE]
    if id := request.scope.get(REQUEST_ID_KEY):
        response.headers["X-Request-Id"] = id
    return response


class AccessControl:
    """Checks host, origin and key, answers preflights, adds the security headers.

    A refused request reaches no route, and its body is not read. Golden requests pass untouched.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        keyring: Keyring,
        refusals: RefusalLog,
        path_scopes: Mapping[str, KeyScope],
        refresh_paths: Collection[str] = (),
    ) -> None:
        """Guard `app`. `path_scopes` are the scopes that changing requests to these paths need.

        A route of another path asks for its scope itself; see `Caller.require`. The refresh token
        alone lets a caller post to `refresh_paths`, and do nothing else.
        """
        self.app = app
        self._hosts = HostCheck(settings.host, settings.allowed_hosts)
        self._origins = Origins(settings.cors_origins)
        self._addresses = ClientAddresses(settings.trusted_proxies)
        self._keyring = keyring
        self._refusals = refusals
        self._path_scopes = path_scopes
        self._refresh_paths = frozenset(refresh_paths)
        self._public = public_scopes(settings)
        token = settings.refresh_token
        self._refresh_digest = digest_of(token.get_secret_value()) if token else ""
        self._headers = [*SECURITY_HEADERS, *self._origins.vary]
        self._no_store_headers = [*self._headers, NO_STORE]
        self._strangers: dict[str, Caller] = {}

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
        added, no_store = self._headers, self._no_store_headers
        if origin is not None:
            added = [*added, *self._origins.answer_headers(origin)]
            no_store = [*added, NO_STORE]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] in REFUSED:
                    self._count_refusal(scope, forwarded, refusal)
                own, more = message["headers"], no_store
                for name, _ in own:
                    if name == b"cache-control":
                        more = added
                # A new list: the response may be one that is sent again.
                message["headers"] = [*own, *more]
            await send(message)

        method = scope["method"]
        preflight = method == "OPTIONS" and PREFLIGHT_METHOD in headers
        refusal: TidemillError | None = self._refuse_origin(method, headers, hosts)
        if refusal is None and not preflight:
            address = self._addresses.find(scope, forwarded)
            try:
                self._admit(scope, headers.get(AUTHORIZATION), address)
            except (Unauthorised, Forbidden, RateLimited) as error:
                refusal = error
        if refusal is not None:
            await error_response(refusal)(scope, receive, send_with_headers)
        elif preflight:
            response = Response(status_code=204)
            response.raw_headers += self._origins.preflight_headers(headers)
            await response(scope, receive, send_with_headers)
        else:
            await self.app(scope, receive, send_with_headers)

    def _count_refusal(
        self, scope: Scope, forwarded: Sequence[bytes], refusal: TidemillError | None
    ) -> None:
        """Count a refused request, also one that a route refused."""
        caller = caller_of(scope)
        address = caller.address or self._addresses.find(scope, forwarded)
        reason = refusal.message if refusal else scope.get(REASON_KEY, "refused")
        self._refusals.count(caller.actor, address, reason)

    def _refuse_origin(
        self, method: str, headers: Mapping[bytes, bytes], hosts: int
    ) -> Forbidden | None:
        """Return why a request may not pass, whoever sends it; None when it may."""
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

    def _admit(self, scope: Scope, authorization: bytes | None, address: str) -> None:
        """Let a request know its caller. Raises Unauthorised, Forbidden and RateLimited."""
        path: str = scope["path"]
        if authorization is None or path in OPEN_PATHS:
            caller = self._strangers.get(address) or self._stranger(address)
        elif self._is_refresh_token(authorization):
            caller = Caller(address=address, scopes=self._public | REFRESH_ONLY)
        else:
            key = self._keyring.find(authorization)
            caller = Caller(key.name, address, frozenset(key.scopes), key.id)
        set_caller(scope, caller)
        if path in OPEN_PATHS:
            return
        if not caller.scopes:
            raise NO_KEY
        refreshes = scope["method"] == "POST" and path in self._refresh_paths
        if caller.scopes == REFRESH_ONLY and not refreshes:
            raise NO_KEY
        if scope["method"] not in SAFE_METHODS and (needed := self._path_scopes.get(path)):
            caller.require(needed)

    def _stranger(self, address: str) -> Caller:
        """Return a caller without a key, the same one for its next request."""
        caller = Caller(address=address, scopes=self._public)
        if len(self._strangers) < MAX_STRANGERS:
            self._strangers[address] = caller
        return caller

    def _is_refresh_token(self, authorization: bytes) -> bool:
        """Return True for the token of the setting, which the routes check again."""
        if not self._refresh_digest:
            return False
        try:
            digest = digest_of(read_secret(authorization))
        except Unauthorised:
            return False
        return secrets.compare_digest(digest, self._refresh_digest)
