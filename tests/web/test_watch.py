"""What is done again and again goes on when it fails, and says so once."""

from __future__ import annotations

import threading

import pytest

from tidemill.domain.errors import StorageFailed
from tidemill.web.watch import Watch


def test_a_check_that_fails_ends_no_other_and_is_told_once_until_it_heals(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls: list[str] = []
    errors: list[Exception] = [StorageFailed("The disk is full."), StorageFailed("Still.")]

    def failing() -> None:
        calls.append("failing")
        if errors:
            raise errors.pop(0)

    watch = Watch(failing, lambda: calls.append("other"), warning="It failed")
    for _ in range(3):
        watch.look()
    assert calls == ["failing", "other"] * 3
    assert [record.getMessage() for record in caplog.records] == ["It failed: The disk is full."]
    errors.append(ValueError("a bug"))
    watch.look()
    assert caplog.records[-1].exc_info, "an unexpected error has its trace"
    assert len(caplog.records) == 2


def test_it_looks_until_it_is_closed() -> None:
    looked = threading.Event()
    watch = Watch(looked.set, every_s=0.001)
    watch.start()
    assert looked.wait(20)
    watch.close()
    assert not watch._thread.is_alive()
