"""Forms of files: which files a body has, read from the whole body.

`multipart/form-data` of RFC 7578. A file's name may be in `filename*` alone (RFC 5987).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from python_multipart.multipart import parse_options_header

from tidemill.domain.errors import Malformed, UnsupportedMedia
from tidemill.web.body_head import require_utf8
from tidemill.web.media import FORM, media_type_of

MAX_PARTS = 1_000
MAX_BOUNDARY = 70
"""Characters, as RFC 2046 has it."""
MAX_EPILOGUE = 4 << 10
"""Bytes at the end of a body in which its last boundary must stand."""
MAX_PART_HEADER = 8 << 10
"""Bytes of the header of one part."""

PLAIN = frozenset({"", "7bit", "8bit", "binary", "identity"})
"""Encodings of a part that leave its bytes as they are."""

_EXTENDED_NAME = re.compile(rb";\s*filename\*[\d*]*\s*=[^;\r\n]*", re.IGNORECASE)
"""`filename*` of RFC 5987, or a name in pieces: `filename*0` of RFC 2231."""
_NAME = re.compile(rb";\s*filename=", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FormFile:
    """One part of a form. `is_file` is False for a plain field."""

    name: str
    content: bytes
    is_file: bool


def form_boundary(content_type: str) -> bytes:
    """Return the boundary of a form; empty for a body of another type.

    Raises Malformed for a form without a boundary.
    """
    if media_type_of(content_type) != FORM:
        return b""
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise Malformed(
            "The form has no boundary in its Content-Type.",
            hint="Let the HTTP library set the Content-Type of a form.",
        )
    if len(boundary) > MAX_BOUNDARY:
        raise Malformed(f"The boundary of a form has {MAX_BOUNDARY} characters at most.")
    return boundary


def check_form(body: bytes, boundary: bytes) -> bytes:
    """Return the body of a whole form, each file with a plain `filename`.

    The web framework takes a part without a `filename` for a text. Raises Malformed for a form
    that is cut off, and for too many parts.
    """
    # An epilogue may follow. A search from the end takes the product of both lengths at worst.
    if b"--" + boundary + b"--" not in body[-MAX_EPILOGUE:]:
        raise Malformed(
            "The form ends before its last boundary.", hint="Send the whole body again."
        )
    if body.count(b"--" + boundary) > MAX_PARTS + 1:
        raise Malformed(f"A form may have {MAX_PARTS:,} parts at most.")
    delimiter = b"--" + boundary
    heads = list(_part_heads(body, delimiter))
    for head in heads:
        _refuse_encoded(head)
    if not any(map(_EXTENDED_NAME.search, heads)):
        return body
    return delimiter.join(_with_plain_name(part) for part in body.split(delimiter))


def _part_heads(body: bytes, delimiter: bytes) -> Iterator[bytes]:
    """Yield the header of each part. One that is too long is left to `read_form`."""
    at = body.find(delimiter)
    while at >= 0:
        end = body.find(b"\r\n\r\n", at, at + MAX_PART_HEADER)
        if end >= 0:
            yield body[at:end]
        at = body.find(delimiter, at + len(delimiter))


def _refuse_encoded(head: bytes) -> None:
    """Raise UnsupportedMedia for a part that would be read as other bytes or another text."""
    for line in head.split(b"\r\n"):
        key, _, value = line.decode("latin-1").partition(":")
        name, value = key.strip().lower(), value.strip().lower()
        if name in ("content-transfer-encoding", "content-encoding") and value not in PLAIN:
            raise UnsupportedMedia(
                f"A part of the form in the encoding {value[:40]!r} is not read.",
                hint="Send the part as it is; Content-Encoding: gzip packs a whole body.",
            )
        if name == "content-type" and value.startswith("text/"):
            require_utf8(value, "A text")


def read_form(body: bytes, boundary: bytes) -> list[FormFile]:
    """Return the parts of a form that `check_form` has passed, in order.

    Raises Malformed for a part without a name.
    """
    parts = []
    # The body begins with a delimiter; the last piece is the end mark.
    for piece in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:]:
        if piece.startswith(b"--"):
            break
        head, separator, content = piece.partition(b"\r\n\r\n")
        if not separator or len(head) > MAX_PART_HEADER:
            raise Malformed("A part of the form has no header that ends.")
        parts.append(_read_part(head, content))
    return parts


def _read_part(head: bytes, content: bytes) -> FormFile:
    for line in head.split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.strip().lower() == b"content-disposition":
            _, options = parse_options_header(value.strip())
            name = options.get(b"name")
            if name is not None:
                is_file = b"filename" in options or _EXTENDED_NAME.search(line) is not None
                return FormFile(name.decode("utf-8", "replace"), content, is_file)
    raise Malformed(
        "A part of the form has no name.", hint="With curl: -F file=@leaf.jpg, once for each file."
    )


def _with_plain_name(part: bytes) -> bytes:
    head, separator, content = part.partition(b"\r\n\r\n")
    if not separator or len(head) > MAX_PART_HEADER or b"*" not in head:
        return part
    # No route reads the name itself.
    plain = b"" if _NAME.search(head) else b'; filename="file"'
    return _EXTENDED_NAME.sub(plain, head, count=1) + separator + content
