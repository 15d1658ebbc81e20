"""The snapshot of a cycle, which needs nothing but the champion and its data."""

from __future__ import annotations

from typing import Any

import pytest

from pebble.recipe import Pebbles
from tests.circle import Begin, pebbles
from tidemill.domain.errors import Unavailable

pytestmark = pytest.mark.xdist_group("pebbles")


def test_a_recipe_whose_codec_cannot_be_made_any_more_grows(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(recipe: Pebbles, config: Any) -> None:
        raise Unavailable(f"The weights of {recipe.name} are not installed any more.")

    circle = begin()
    taught = circle.teach(pebbles(300, 61, 1.0))
    monkeypatch.setattr(Pebbles, "codec", gone)
    while not circle.cycles() or circle.cycles()[0].state == "triggered":
        assert circle.tick().busy
    (cycle,) = circle.cycles()
    assert cycle.state == "snapshotted"
    grown = circle.workspace.snapshots.open(cycle.snapshot).snapshot
    parent = circle.workspace.snapshots.open(circle.workspace.champion().snapshot).snapshot
    assert grown.parent == parent.id
    assert grown.rows == parent.rows + len(taught)
