"""Pin the installed dependencies of each extra into `requirements/<extra>.txt`.

Run by `make lock` in an environment where everything is installed. The pins carry no local version,
no hash and no path, so pip can install them on any machine. A version outside the bounds of
`requirements/constraints.txt` is refused, and nothing is written then.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FOLDER = Path(__file__).parent
CONSTRAINTS = FOLDER / "constraints.txt"
EXTRAS = ("serve", "wordpiece", "train", "minilm", "dev")
HEAD = "# Written by `make lock`; what each is for stands in docs/dependencies.md.\n"
MARKERS = {"uvloop": '; sys_platform != "win32"'}


def add_dependencies(name: str, extras: frozenset[str], versions: dict[str, str]) -> None:
    """Add the versions of all that a distribution needs here to `versions`, by name."""
    for text in distribution(name).requires or []:
        requirement = Requirement(text)
        if not applies(requirement.marker, extras):
            continue
        key = canonicalize_name(requirement.name)
        if key == "tidemill":
            add_dependencies(key, frozenset(requirement.extras), versions)
        elif key not in versions:
            versions[key] = distribution(key).version.partition("+")[0]
            add_dependencies(key, frozenset(requirement.extras), versions)


def applies(marker: Marker | None, extras: frozenset[str]) -> bool:
    """Does the marker hold on this machine, for one of these extras or none?"""
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in {"", *extras})


def read_constraints(text: str) -> list[Requirement]:
    """The bounds of a constraints file, its comments left out."""
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line]


def violations(versions: Mapping[str, str], constraints: list[Requirement]) -> list[str]:
    """A sentence for each version that lies outside its bound."""
    return [
        f"{bound.name} {versions[name]} is installed, and constraints.txt wants {bound.specifier}."
        for bound in constraints
        if (name := canonicalize_name(bound.name)) in versions
        and not bound.specifier.contains(versions[name], prereleases=True)
    ]


def main() -> None:
    locks: dict[str, dict[str, str]] = {}
    for extra in EXTRAS:
        locks[extra] = {}
        add_dependencies("tidemill", frozenset({extra}), locks[extra])
    constraints = read_constraints(CONSTRAINTS.read_text(encoding="utf-8"))
    if refused := sorted(
        {line for lock in locks.values() for line in violations(lock, constraints)}
    ):
        hint = "Install versions within the bounds: pip install -r requirements/constraints.txt"
        sys.exit("\n".join([*refused, hint]))
    for extra, lock in locks.items():
        pins = [f"{name}=={lock[name]}{MARKERS.get(name, '')}\n" for name in sorted(lock)]
        (FOLDER / f"{extra}.txt").write_text(HEAD + "".join(pins), encoding="utf-8")


if __name__ == "__main__":
    main()
