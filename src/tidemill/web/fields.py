"""Text fields of request bodies: without control characters, and of bounded length."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from tidemill.domain.text import has_controls

MAX_REASON = 1_000


def require_plain(text: str) -> str:
    """Return the text. Raises ValueError when it has control characters."""
    if has_controls(text):
        raise ValueError("it has control characters")
    return text


def require_trimmed(name: str) -> str:
    """Return the name. Raises ValueError when it begins or ends with a blank."""
    if name != name.strip():
        raise ValueError("it begins or ends with a blank")
    return name


ShortText = Annotated[str, Field(max_length=200), AfterValidator(require_plain)]
Reason = Annotated[
    str,
    Field(max_length=MAX_REASON, description="Why, for the record."),
    AfterValidator(require_plain),
]
