"""Every place that names a Python version names the same ones, and an older Python is refused."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tidemill.cli.doctor import OLDEST_PYTHON, supported
from tidemill.domain.errors import Unavailable

ROOT = Path(__file__).parent.parent
OLDEST = ".".join(str(part) for part in OLDEST_PYTHON)
VERSION_CHECK = """#!/bin/sh
# A Python that says it is {version}: it answers make's question and creates no environment.
if [ "$1" = -c ]; then exec '{python}' -c "import sys; sys.version_info = ({numbers}); $2"; fi
mkdir -p "$3"
"""


def project(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", ["pyproject.toml", "examples/breast_cancer/pyproject.toml"])
def test_no_newer_python_is_shut_out(page: str) -> None:
    assert project(ROOT / page)["project"]["requires-python"] == f">={OLDEST}"


def test_lint_and_types_are_those_of_the_oldest_python() -> None:
    tools = project(ROOT / "pyproject.toml")["tool"]
    assert tools["ruff"]["target-version"] == f"py{OLDEST.replace('.', '')}"
    assert tools["mypy"]["python_version"] == OLDEST


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 1), (3, 14, 0)])
def test_doctor_accepts_the_oldest_python_and_newer(version: tuple[int, ...]) -> None:
    assert supported(version) == ".".join(str(part) for part in version)


def test_doctor_refuses_an_older_python() -> None:
    with pytest.raises(Unavailable, match=r"Python 3\.10\.13 is running") as refusal:
        supported((3, 10, 13))
    assert refusal.value.hint == f"Tidemill needs {OLDEST} or newer."


def create_environment(folder: Path, version: tuple[int, ...]) -> subprocess.CompletedProcess[str]:
    """What make does first, with a Python that says it is of this version."""
    python = folder / "python"
    numbers = ", ".join(str(part) for part in version)
    python.write_text(VERSION_CHECK.format(version=numbers, python=sys.executable, numbers=numbers))
    python.chmod(0o755)
    words = ["make", f"PYTHON={python}", f"VENV={folder}/env", f"{folder}/env/.made"]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 13, 0)])
def test_make_takes_the_oldest_python_and_newer(tmp_path: Path, version: tuple[int, ...]) -> None:
    assert create_environment(tmp_path, version).returncode == 0
    assert (tmp_path / "env").is_dir()


def test_make_refuses_an_older_python(tmp_path: Path) -> None:
    run = create_environment(tmp_path, (3, 10, 13))
    assert run.returncode != 0
    assert f"Tidemill needs Python {OLDEST} or newer" in run.stdout
    assert not (tmp_path / "env").exists()


def test_make_refuses_a_python_that_is_missing(tmp_path: Path) -> None:
    words = ["make", f"PYTHON={tmp_path}/none", f"VENV={tmp_path}/env", f"{tmp_path}/env/.made"]
    run = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode != 0, "needs Python" in run.stdout) == (True, True)
