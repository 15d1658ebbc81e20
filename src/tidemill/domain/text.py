"""Characters that a client may not put into a name, and that never reach a terminal or a log."""

from __future__ import annotations

import re

CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line ends, the marks that turn the direction of a line, and half characters.

The first move a terminal's cursor or end a log's line; the marks show a line in another order.
"""
LAYOUT = "\n\t"
"""The controls that our own texts of several lines have."""


def has_controls(text: str) -> bool:
    """Return True for a text with a control character."""
    return CONTROLS.search(text) is not None


def escape_controls(text: str, keep: str = "") -> str:
    """Return the text with each control character as Python writes it; `keep` stays."""
    return CONTROLS.sub(
        lambda match: match[0] if match[0] in keep else match[0].encode("unicode_escape").decode(),
        text,
    )


def printable(name: str) -> str:
    """Return a name as a line of text: what no terminal prints, and no UTF-8, is escaped."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in name
    )
