"""A child with settings of its own gets none of the user's; one without gets them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemill.adapters.child_process import child_environment


def test_the_demo_keeps_the_users_settings_from_its_children(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TIDEMILL_QUEUE", "1")
    monkeypatch.setenv("TIDEMILL_DEBUG", "1")
    monkeypatch.setenv("TIDEMILL_HOME", "/elsewhere")
    monkeypatch.setenv("UNRELATED", "kept")
    child = child_environment(Path("/demo"), {"TIDEMILL_ACTOR": "demo"})
    own = {name: value for name, value in child.items() if name.startswith("TIDEMILL_")}
    assert own == {"TIDEMILL_HOME": "/demo", "TIDEMILL_ACTOR": "demo"}
    assert child["UNRELATED"] == "kept"
    assert not [name for name in child_environment(Path("/demo"), {}) if name == "TIDEMILL_QUEUE"]


def test_without_settings_of_its_own_a_child_gets_the_users(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TIDEMILL_QUEUE", "7")
    child = child_environment(Path("/here"))
    assert (child["TIDEMILL_QUEUE"], child["TIDEMILL_HOME"]) == ("7", "/here")
