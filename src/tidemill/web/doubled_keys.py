"""Refuses JSON that names a key twice: a parser keeps the last value and passes over the other."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tidemill.domain.errors import InvalidRequest
from tidemill.domain.json_keys import DoubledKey, refuse_doubled_keys

MAX_CHECKED = 256 << 10
"""Bytes of a text whose keys are compared one by one, where a route knows which there may be."""


def refuse_doubled(
    content: bytes, names: Sequence[str] | None, place: str = "", *, hint: str
) -> None:
    """Raise InvalidRequest for a key that stands twice in one object of a JSON text.

    `names` are the keys that an object of texts may have; None stands for any. With names, the text
    is parsed only when one occurs twice or may be written with escapes. To parse a large one would
    stop the server, because it may hold anything where a key is doubled: then its keys are counted.
    """
    try:
        _refuse_doubled(content, names)
    except DoubledKey as error:
        sentence = ": ".join(filter(None, [place, f"{error}."]))
        raise InvalidRequest(sentence, hint=hint) from error
    except RecursionError as error:
        raise InvalidRequest("The body is nested too deeply.", hint=hint) from error
    except ValueError as error:  # the framework reads more than JSON in UTF-8
        raise InvalidRequest("The body is not JSON in UTF-8.", hint=hint) from error


def _refuse_doubled(content: bytes, names: Sequence[str] | None) -> None:
    if names is None:
        refuse_doubled_keys(content)
        return
    twice = [name for name in names if content.count(f'"{name}"'.encode()) > 1]
    if not twice and b"\\u" not in content:
        return
    if len(content) <= MAX_CHECKED:
        refuse_doubled_keys(content)
        return
    for name in twice:
        if len(re.findall(rf'"{name}"\s*:'.encode(), content)) > 1:
            raise DoubledKey(name)
