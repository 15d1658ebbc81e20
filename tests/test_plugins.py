"""What installed packages name is kept, and looked for anew where a name is missing."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from tidemill import plugins
from tidemill.plugins import find_plugins, plugin_names

CODECS = "tidemill.codecs"


def install(folder: Path, name: str) -> None:
    """Put a package on disk that names a codec."""
    information = folder / f"{name}-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[{CODECS}]\n{name} = {name}:Codec\n")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The groups for which every installed package was looked through."""
    groups: list[str] = []

    def count(*, group: str) -> importlib.metadata.EntryPoints:
        groups.append(group)
        return importlib.metadata.entry_points(group=group)

    monkeypatch.setattr(plugins, "_groups", {})
    monkeypatch.setattr(plugins, "entry_points", count)
    return groups


def test_a_group_is_read_once(reads: list[str]) -> None:
    for name in ("image", "text", "image"):
        (point,) = find_plugins(CODECS, name)
        assert (point.group, point.name) == (CODECS, name)
    assert reads == [CODECS]


def test_a_name_that_is_missing_costs_its_own_group_alone(reads: list[str]) -> None:
    for _ in range(3):
        find_plugins(CODECS, "image")
        find_plugins("tidemill.trainers", "coffee")
    assert reads == [CODECS, *["tidemill.trainers"] * 3]


def test_a_package_that_is_installed_meanwhile_is_found(
    reads: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_plugins(CODECS, "tone") == ()
    install(tmp_path, "tone")
    (point,) = find_plugins(CODECS, "tone")
    assert point.value == "tone:Codec"
    install(tmp_path, "tune")
    assert {"image", "table", "tone", "tune"} <= set(plugin_names(CODECS))


def test_another_search_path_has_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "tone")
    assert "tone" not in plugin_names(CODECS)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "tone" in plugin_names(CODECS)
