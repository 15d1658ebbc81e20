"""What the header of a request says about its body, and the body unpacked."""

from __future__ import annotations

import codecs
import math
import zlib
from dataclasses import dataclass

from starlette.types import Scope

from tidemill.domain.errors import InvalidRequest, TooLarge, UnsupportedMedia
from tidemill.web.media import JSON, media_type_of

MAX_MEMBERS = 100
SLICE_BYTES = 64 << 10
TIMEOUT_HEADER = b"x-request-timeout"
UTF8 = {"utf-8", "utf8", "us-ascii", "ascii"}


@dataclass(frozen=True, slots=True)
class BodyHead:
    """What the header says about the body."""

    media_type: str = ""
    content_type: str = ""
    declared: int = 0
    has_body: bool = False
    gzip: bool = False
    timeout: float | None = None


def read_body_head(scope: Scope) -> BodyHead:
    """Return what matters of a header. Raises UnsupportedMedia and InvalidRequest."""
    content_type, declared, has_body, gzip, timeout = "", 0, False, False, None
    for name, value in scope["headers"]:
        if name == b"content-type":
            content_type = value.decode("latin-1")
        elif name == b"content-length":
            # The HTTP parser refuses anything but digits; the count of bytes holds in any case.
            declared = int(value) if value.isdigit() else 0
            has_body = has_body or declared > 0
        elif name == b"transfer-encoding":
            has_body = True
        elif name == b"content-encoding":
            # Two fields are one list: packed twice.
            gzip = _is_gzip(b"gzip, " + value if gzip else value)
        elif name == TIMEOUT_HEADER:
            timeout = _seconds(value)
    media_type = media_type_of(content_type)
    if media_type == JSON:
        require_utf8(content_type, "JSON")
    return BodyHead(media_type, content_type, declared, has_body, gzip, timeout)


def _is_gzip(value: bytes) -> bool:
    coding = value.decode("latin-1").strip().lower()
    if coding in ("", "identity"):
        return False
    if coding not in ("gzip", "x-gzip"):
        raise UnsupportedMedia(
            f"This server does not read the content encoding {coding[:40]!r}.",
            hint="Send the body as it is, or with Content-Encoding: gzip.",
        )
    return True


def _seconds(value: bytes) -> float:
    try:
        # Python takes 1_0 for a number.
        seconds = math.nan if b"_" in value else float(value)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise InvalidRequest(
            "X-Request-Timeout is no number of seconds above 0.", hint="X-Request-Timeout: 2.5"
        )
    return seconds


def require_utf8(content_type: str, what: str) -> None:
    """Raise UnsupportedMedia for a Content-Type with another charset."""
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        charset = value.strip().strip('"').lower()
        if name.strip().lower() == "charset" and charset not in UTF8:
            raise UnsupportedMedia(
                f"{what} in the charset {charset[:40]!r} is not read.", hint="Encode it as UTF-8."
            )


def without_mark(body: bytes) -> bytes:
    """Return JSON without the byte order mark that some programs write before it."""
    return body.removeprefix(codecs.BOM_UTF8)


def unpack_gzip(body: bytes, limit: int) -> bytes:
    """Return the content of a gzip body. Raises TooLarge and InvalidRequest.

    The cost is linear in the body and in `limit`, whatever the members are.
    """
    content = bytearray()
    view, at = memoryview(body), 0
    for _ in range(MAX_MEMBERS):
        decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        while not decoder.eof:
            if at >= len(view):
                raise InvalidRequest("The gzip body is cut off.", hint="Send it again.")
            # In slices, because what a member leaves over is copied.
            part = view[at : at + SLICE_BYTES]
            at += len(part)
            while part and not decoder.eof:
                try:
                    content += decoder.decompress(part, limit + 1 - len(content))
                except zlib.error as error:
                    raise InvalidRequest(
                        f"The body is not gzip: {error}.", hint="Leave Content-Encoding out."
                    ) from error
                if len(content) > limit:
                    raise too_large(limit)
                part = memoryview(decoder.unconsumed_tail)
        at -= len(decoder.unused_data)
        if at >= len(view):
            return bytes(content)
    raise InvalidRequest(f"A gzip body may have {MAX_MEMBERS} members at most.")


def too_large(limit: int) -> TooLarge:
    return TooLarge(
        f"A body like this may hold {limit / (1 << 20):g} MiB at most.",
        hint="Send less at a time.",
    )
