"""The lock keeps the bounds that are written down, and leaves room for a client of S3."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import distribution, version
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from requirements.lock import (
    CONSTRAINTS,
    EXTRAS,
    FOLDER,
    applies,
    read_constraints,
    violations,
)

BOTOCORE = SpecifierSet(">=2.1,<3.0.0")
"""What every botocore of this year demands of python-dateutil."""


def pins(extra: str) -> dict[str, str]:
    lines = (FOLDER / f"{extra}.txt").read_text(encoding="utf-8").splitlines()
    rows = (Requirement(line) for line in lines if not line.startswith("#"))
    return {row.name: str(row.specifier).removeprefix("==") for row in rows}


def constraints() -> list[Requirement]:
    return read_constraints(CONSTRAINTS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("extra", ["train", "minilm", "dev"])
def test_the_lock_admits_botocore_and_matplotlib(extra: str) -> None:
    pin = pins(extra)["python-dateutil"]
    wishes = [Requirement(text) for text in distribution("matplotlib").requires or []]
    (wish,) = (row.specifier for row in wishes if row.name == "python-dateutil")
    assert (BOTOCORE.contains(pin), wish.contains(pin)) == (True, True)


def test_what_is_constrained_is_pinned_and_admits_botocore() -> None:
    assert {row.name for row in constraints()} <= pins("dev").keys()
    (bound,) = (row.specifier for row in constraints() if row.name == "python-dateutil")
    assert not bound.contains("3.0.0")
    assert bound.contains("2.9.0.post0")


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_lock_lies_within_the_bounds(extra: str) -> None:
    assert violations(pins(extra), constraints()) == []


def test_a_version_outside_its_bound_is_named() -> None:
    bounds = read_constraints("# why\npython-dateutil<3  # botocore\n\nother>=1\n")
    assert violations({"python-dateutil": "4.0.0", "six": "1"}, bounds) == [
        "python-dateutil 4.0.0 is installed, and constraints.txt wants <3."
    ]


@pytest.mark.train_extra
def test_nothing_is_written_when_a_bound_is_broken(tmp_path: Path) -> None:
    """The script itself, beside a bound that what is installed here cannot keep."""
    shutil.copy(FOLDER / "lock.py", tmp_path)
    (tmp_path / "constraints.txt").write_text("numpy<1\n")
    words = [sys.executable, str(tmp_path / "lock.py")]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith(f"numpy {version('numpy')} is installed")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["constraints.txt", "lock.py"]


@pytest.mark.parametrize(
    ("marker", "holds"),
    [
        ("extra == 'serve'", True),
        ("extra == 'dev'", False),
        ("sys_platform == 'nowhere'", False),
        ("python_version >= '3.11'", True),
    ],
)
def test_a_marker_is_asked_for_the_chosen_extras(marker: str, holds: bool) -> None:
    assert applies(Marker(marker), frozenset({"serve"})) is holds
    assert applies(None, frozenset())
