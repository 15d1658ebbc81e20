"""How databases and files write the two answers to a question."""

from __future__ import annotations

from collections.abc import Mapping

SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "yes": ("yes", "true", "1"),
    "no": ("no", "false", "0"),
}
"""What stands for each, in lower case; what is not listed is no answer."""

MEANT: Mapping[str, str] = {word: name for name, words in SPELLINGS.items() for word in words}
"""The answer that each word means."""
