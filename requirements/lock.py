"""Pin the installed dependencies of each extra into `requirements/<extra>.txt`.

Run by `make lock` in an environment where everything is installed. The pins carry no local version,
no hash and no path, so pip can install them on any machine.
"""

from __future__ import annotations

import re
from importlib.metadata import distribution
from pathlib import Path

from packaging.markers import Marker

HEAD = "# Written by `make lock`; what each is for stands in docs/dependencies.md.\n"
MARKERS = {"uvloop": '; sys_platform != "win32"'}
NAME = re.compile(r"[A-Za-z0-9._-]+")


def needed(name: str, extras: frozenset[str], found: dict[str, str]) -> None:
    """Add a distribution and all it needs here to `found`: name to pinned version."""
    package = distribution(name)
    for requirement in package.requires or []:
        text, _, marker = requirement.partition(";")
        if not wanted(marker, extras):
            continue
        (child, *_) = NAME.findall(text)
        asked = frozenset(re.findall(r"\[([^\]]+)\]", text)[0].split(",") if "[" in text else ())
        key = re.sub(r"[-_.]+", "-", child).lower()
        if key == "tidemill":
            needed("tidemill", asked, found)
        elif key not in found:
            found[key] = distribution(child).version.partition("+")[0]
            needed(child, asked, found)


def wanted(marker: str, extras: frozenset[str]) -> bool:
    """Does the marker hold on this machine, for one of these extras or none?"""
    if not marker.strip():
        return True
    return any(Marker(marker.strip()).evaluate({"extra": extra}) for extra in {"", *extras})


def main() -> None:
    for extra in ("serve", "train", "minilm", "dev"):
        found: dict[str, str] = {}
        needed("tidemill", frozenset({extra}), found)
        pins = [f"{name}=={found[name]}{MARKERS.get(name, '')}\n" for name in sorted(found)]
        (Path(__file__).parent / f"{extra}.txt").write_text(HEAD + "".join(pins))


main()
