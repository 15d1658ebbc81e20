"""What installed packages name as entry points: codecs, recipes, trainings and routes."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, entry_points
from typing import NamedTuple


class _Group(NamedTuple):
    """The entry points of a group, and the search path on which they were."""

    search_path: tuple[str, ...]
    points: tuple[EntryPoint, ...]


_groups: dict[str, _Group] = {}


def find_plugins(group: str, name: str) -> tuple[EntryPoint, ...]:
    """Return the entry points of a name, normally one; none when no package has it.

    To look through every installed package takes ten milliseconds. So what is there is kept for the
    life of the process, like the modules of a package. A name that is missing is looked for anew:
    its package may have been installed since.
    """
    last = _groups.get(group)
    points = last.points if last and last.search_path == tuple(sys.path) else ()
    return _named(points, name) or _named(_read(group), name)


def plugin_names(group: str) -> list[str]:
    """Return the names that are installed now, in alphabetical order."""
    return sorted({point.name for point in _read(group)})


def _read(group: str) -> tuple[EntryPoint, ...]:
    points = tuple(entry_points(group=group))
    _groups[group] = _Group(tuple(sys.path), points)
    return points


def _named(points: tuple[EntryPoint, ...], name: str) -> tuple[EntryPoint, ...]:
    return tuple(point for point in points if point.name == name)
