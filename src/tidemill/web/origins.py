"""Which web pages may ask: the check of `Origin` and `Sec-Fetch-Site`, and the headers of CORS.

A browser sends requests of any page to any server, a loopback one too. It names the page's origin
where the request could change something, and shows the page no answer without the server's leave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

RawHeaders = list[tuple[bytes, bytes]]

OWN_SITES = (b"same-origin", b"none")
"""`Sec-Fetch-Site` of a page of this server, and of a request that a person typed."""
DEFAULT_PORTS = {b"http": b":80", b"https": b":443"}
SHOWN_HEADERS = b"X-Prediction-Id, X-Remarks, X-Explanation, Retry-After"
"""Headers of an answer that a page of an allowed origin may read."""
TAKEN_METHODS = b"GET, HEAD, POST"
TAKEN_HEADERS = (
    b"Accept, Authorization, Content-Type, Traceparent, Tracestate, X-Request-Id, X-Request-Timeout"
)
"""Headers that such a page may send."""
PREFLIGHT_S = b"600"
"""How long a browser may remember the answer to a preflight, in seconds."""

PREFLIGHT_METHOD = b"access-control-request-method"
PREFLIGHT_PRIVATE = b"access-control-request-private-network"


class Origins:
    """The origins whose pages may ask this server, beside its own."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._answers: dict[bytes, RawHeaders] = {
            origin: [
                (b"access-control-allow-origin", origin),
                (b"access-control-expose-headers", SHOWN_HEADERS),
            ]
            for origin in (without_default_port(text.encode()) for text in allowed)
        }
        self.vary: RawHeaders = [(b"vary", b"Origin")] if allowed else []
        """What every answer carries: a cache must keep one answer per origin."""

    def allows(self, origin: bytes) -> bool:
        """Return True when the setting allows pages of this origin."""
        return origin in self._answers

    def answer_headers(self, origin: bytes) -> RawHeaders:
        """Return the headers that show an answer to pages of this origin; none when not allowed."""
        return self._answers.get(origin, [])

    def preflight_headers(self, headers: Mapping[bytes, bytes]) -> RawHeaders:
        """Return the headers that answer the preflight of an allowed origin."""
        private = headers.get(PREFLIGHT_PRIVATE) == b"true"
        return [
            (b"access-control-allow-methods", TAKEN_METHODS),
            (b"access-control-allow-headers", TAKEN_HEADERS),
            (b"access-control-max-age", PREFLIGHT_S),
            *([(b"access-control-allow-private-network", b"true")] if private else []),
        ]

    def may_change(self, headers: Mapping[bytes, bytes]) -> bool:
        """Return True when a request that changes something comes from no foreign page.

        Without both headers it comes from no browser.
        """
        origin, site = headers.get(b"origin"), headers.get(b"sec-fetch-site")
        if site is None and origin is None:
            return True
        if site in OWN_SITES:
            return True
        if origin is None:
            return False
        return self.allows(origin) or (
            site is None and is_same_origin(origin, headers.get(b"host", b""))
        )


def without_default_port(origin: bytes) -> bytes:
    """Return an origin as a browser sends it."""
    port = DEFAULT_PORTS.get(origin.partition(b"://")[0].lower(), b"")
    return origin.removesuffix(port)


def is_same_origin(origin: bytes, host: bytes) -> bool:
    """Return True when a page of this origin came from the server that `Host` names."""
    scheme, mark, place = origin.lower().partition(b"://")
    port = DEFAULT_PORTS.get(scheme)
    if not mark or not place or port is None:
        return False
    return place.removesuffix(port) == host.strip().lower().removesuffix(port)
