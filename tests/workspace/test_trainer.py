"""Where a recipe's training comes from: its entry points, in real packages on the path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tidemill.domain.errors import Unavailable
from tidemill.testing.tiny_recipe.training import train
from tidemill.workspace.trainer import open_trainer

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """`install(name, entry_points)` puts a package of that name on the path."""
    monkeypatch.syspath_prepend(tmp_path)

    def put(name: str, points: str) -> None:
        folder = tmp_path / f"{name}-1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (folder / "entry_points.txt").write_text(points)

    return put


def test_a_recipe_without_a_training_is_told_what_to_name() -> None:
    with pytest.raises(Unavailable, match="stray has no training") as caught:
        open_trainer("stray")
    assert "tidemill.networks" in caught.value.hint
    assert "tidemill.trainers" in caught.value.hint


def test_nobody_chooses_between_two(install: Install) -> None:
    for name in ("one", "other"):
        install(name, "[tidemill.trainers]\ntwice = tidemill.testing.tiny_recipe.training:train\n")
    with pytest.raises(Unavailable, match="twice has 2 trainings"):
        open_trainer("twice")


def test_its_own_training_comes_before_its_network(install: Install) -> None:
    install(
        "both",
        "[tidemill.trainers]\nboth = tidemill.testing.tiny_recipe.training:train\n"
        "[tidemill.networks]\nboth = nowhere:build\n",
    )
    assert open_trainer("both") is train


def test_what_it_needs_and_is_not_there_is_named(install: Install) -> None:
    install("poor", "[tidemill.trainers]\npoor = nowhere:train\n")
    with pytest.raises(Unavailable, match="needs nowhere, which is not installed"):
        open_trainer("poor")


def test_a_name_that_leads_nowhere_is_said(install: Install) -> None:
    install("wrong", "[tidemill.trainers]\nwrong = tidemill.testing.tiny_recipe.training:teach\n")
    with pytest.raises(
        Unavailable, match=r"tiny_recipe\.training:teach.* cannot be loaded"
    ) as caught:
        open_trainer("wrong")
    assert "tidemill.trainers" in caught.value.hint
