"""How long a client says that it waits."""

from __future__ import annotations

import pytest

from tidemill.domain.errors import InvalidRequest
from tidemill.web.body_head import _seconds


@pytest.mark.parametrize("value", [b"1_0", b"0", b"-1", b"inf", b"nan", b"soon", b""])
def test_what_is_no_number_of_seconds_is_refused(value: bytes) -> None:
    with pytest.raises(InvalidRequest, match="no number of seconds"):
        _seconds(value)


def test_a_number_of_seconds_is_read() -> None:
    assert [_seconds(value) for value in (b"2.5", b"10")] == [2.5, 10.0]
