"""Plain Python values of what numpy, pandas, polars and pyarrow hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_MISSING = frozenset({"NAType", "NaTType"})
"""The types of the missing values of pandas. They compare unlike a float that is not a number."""


def to_plain(value: object) -> Any:
    """Return the value with plain Python values inside; None stands for a missing one.

    The libraries are recognised by their methods, so that none of them has to be installed.
    """
    if isinstance(value, Mapping):
        return {str(name): to_plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(each) for each in value]
    if type(value).__name__ in _MISSING or (isinstance(value, float) and math.isnan(value)):
        return None
    for method in ("as_py", "to_dict", "tolist"):
        convert = getattr(value, method, None)
        if callable(convert):
            return to_plain(convert())
    return value
