"""The snapshot of a cycle, which needs nothing but the champion and its data."""

from __future__ import annotations

from typing import Any

import pytest

from tidemill.domain.errors import Unavailable
from tidemill.testing.in_process import OpenLoop
from tidemill.testing.tiny_recipe.pebbles import pebbles
from tidemill.testing.tiny_recipe.recipe import PebbleRecipe

pytestmark = pytest.mark.xdist_group("pebbles")


def test_a_recipe_whose_codec_cannot_be_made_any_more_grows(
    begin: OpenLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(recipe: PebbleRecipe, config: Any) -> None:
        raise Unavailable(f"The weights of {recipe.name} are not installed any more.")

    circle = begin()
    taught = circle.give_feedback(pebbles(300, 61, 1.0))
    monkeypatch.setattr(PebbleRecipe, "codec", gone)
    while not circle.list_cycles() or circle.list_cycles()[0].state == "triggered":
        assert circle.tick().busy
    (cycle,) = circle.list_cycles()
    assert cycle.state == "snapshotted"
    extended = circle.workspace.snapshots.open(cycle.snapshot).snapshot
    parent = circle.workspace.snapshots.open(circle.workspace.champion().snapshot).snapshot
    assert extended.parent == parent.id
    assert extended.rows == parent.rows + len(taught)
