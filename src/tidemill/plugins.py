"""What installed packages name as entry points: codecs, recipes, trainings and routes."""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points

GROUPS = 16
"""The number of groups whose entry points a process keeps."""


def find_plugins(group: str, name: str) -> tuple[EntryPoint, ...]:
    """Return the entry points of a name, normally one; none when no package has it.

    To look through every installed package takes ten milliseconds, so what is read is kept. A name
    that is missing is looked for anew: its package may have been installed since.
    """
    named = _named(group, name)
    if not named:
        _read_group.cache_clear()
        named = _named(group, name)
    return named


def plugin_names(group: str) -> list[str]:
    """Return the names of a group in alphabetical order."""
    return sorted({point.name for point in _points(group)})


def _named(group: str, name: str) -> tuple[EntryPoint, ...]:
    return tuple(point for point in _points(group) if point.name == name)


def _points(group: str) -> tuple[EntryPoint, ...]:
    return _read_group(group, tuple(sys.path))


@lru_cache(maxsize=GROUPS)
def _read_group(group: str, search_path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=group))
