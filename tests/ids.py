"""Short test ids: a long value of a parametrised test is cut, and a long id ends the collection.

A pytest plugin; `tests/conftest.py` loads it for every test.
"""

from __future__ import annotations

from collections.abc import Generator
from zlib import crc32

import pytest

Collected = pytest.Item | pytest.Collector | list[pytest.Item | pytest.Collector] | None

LONGEST = 60
"""Characters of an id, without the name of its test."""
CUT = 16
"""Characters that stay of one text or of one payload."""


def pytest_make_parametrize_id(val: object) -> str | None:
    """The id of a text or of a payload that is too long: its head and a checksum of all of it."""
    if isinstance(val, str):
        text = val.encode("unicode_escape").decode()
    elif isinstance(val, bytes):
        text = val.decode("ascii", "backslashreplace").encode("unicode_escape").decode()
    else:
        return None
    if len(text) <= CUT:
        return None
    return f"{text[: CUT - 5]}~{crc32(text.encode()) & 0xFFFF:04x}"


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem(
    collector: pytest.Collector,
) -> Generator[None, Collected, Collected]:
    """A test with an id that is too long is an error of its file's collection."""
    items = yield
    tests = items if isinstance(items, list) else [items]
    for test in tests:
        spec = getattr(test, "callspec", None)
        if test and spec and len(spec.id) > LONGEST:
            raise collector.CollectError(
                f"an id of {collector.name}::{test.name.partition('[')[0]} has {len(spec.id)}"
                f" characters; {LONGEST} are allowed: name it with pytest.param(..., id=...)"
            )
    return items
