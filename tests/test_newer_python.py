"""How `make test-newer` finds a Python, and what a missing library of training may excuse."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path

import pytest

from requirements.newer_python import (
    FLOORS,
    TOOLS,
    count_passed,
    find_python,
    install,
    shortfalls,
)
from requirements.wheels import read_pins
from tests.without_training import LIBRARIES, absent_library

ROOT = Path(__file__).parent.parent
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="the launchers here are shell scripts")
HIDE = "import sys\nsys.modules.update(dict.fromkeys({absent!r}))\n"
"""A plugin after which these libraries cannot be imported."""


def pins(name: str) -> dict[str, str]:
    return read_pins([(ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")])


def launcher(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def python_of(path: Path, version: str) -> Path:
    return launcher(path, f"echo {version}")


@POSIX
@pytest.mark.parametrize("name", ["python3.13", "python3", "python"])
def test_a_python_on_the_path_is_taken_by_its_version(tmp_path: Path, name: str) -> None:
    python = python_of(tmp_path / name, "3.13")
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    assert find_python("3.13", environment) == python
    assert find_python("3.12", environment) is None


@POSIX
@pytest.mark.parametrize("root", ["PYENV_ROOT", "HOME"])
def test_a_launcher_that_refuses_gives_way_to_the_versions_of_pyenv(
    tmp_path: Path, root: str
) -> None:
    launcher(tmp_path / "shims" / "python3.12", "exit 127")
    folder = tmp_path / ("pyenv" if root == "PYENV_ROOT" else ".pyenv") / "versions"
    python = python_of(folder / "3.12.1" / "bin" / "python", "3.12")
    python_of(folder / "3.1.2" / "bin" / "python", "3.1")
    environment = {"PATH": str(tmp_path / "shims"), "HOME": str(tmp_path)}
    if root == "PYENV_ROOT":
        environment[root] = str(tmp_path / "pyenv")
    assert find_python("3.12", environment) == python
    assert find_python("3.13", environment) is None


def test_the_python_of_these_tests_is_found() -> None:
    version = ".".join(str(part) for part in sys.version_info[:2])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    assert find_python(version, os.environ | {"PATH": path})


@POSIX
def test_a_step_of_the_installation_that_fails_leaves_nothing_that_looks_whole(
    tmp_path: Path,
) -> None:
    python = launcher(tmp_path / "python", 'mkdir -p "$3"; exit 3')
    folder = tmp_path / "env"
    with pytest.raises(subprocess.CalledProcessError) as failure:
        install(python, folder)
    assert failure.value.returncode == 3
    assert folder.is_dir()
    assert list(folder.iterdir()) == []


def test_every_library_and_tool_is_pinned_outside_of_serving() -> None:
    for name in (*LIBRARIES.values(), *TOOLS):
        assert name in pins("dev")
    assert not set(LIBRARIES.values()) & (pins("serve").keys() | set(TOOLS))


@pytest.mark.train_extra
def test_the_libraries_are_named_as_they_are_imported() -> None:
    for name, library in LIBRARIES.items():
        files = distribution(library).files or []
        assert any(file.parts[0] in (name, f"{name}.py") for file in files), library


CHAINS = {
    "import pyarrow": "pyarrow",
    "import pyarrow.parquet": "pyarrow",
    "from torch import nn": "torch",
    "import tidemill.nowhere": None,
    "import unknown_library": None,
    "raise ImportError('no torch', name='torch')": None,
    """
try:
    import scipy
except ImportError as error:
    raise RuntimeError("Training needs scipy.") from error
""": "scipy",
    """
try:
    import scipy
except ImportError:
    raise RuntimeError("Training needs scipy.") from None
""": None,
    """
try:
    import scipy
except ImportError:
    pass
assert False
""": None,
}


@pytest.mark.parametrize("at", range(len(CHAINS)))
def test_only_the_absence_of_a_library_excuses(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    source, library = list(CHAINS.items())[at]
    for name in LIBRARIES:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "pyarrow.parquet", raising=False)
    with pytest.raises((ImportError, RuntimeError, AssertionError)) as failure:
        exec(compile(source, "case", "exec"), {})  # noqa: S102
    assert absent_library(failure.value) == library


FILES = {
    "pyproject.toml": """[tool.pytest.ini_options]
markers = ["train_extra: needs it"]
""",
    "tests/web/test_top.py": "import scipy\n\ndef test_one(): pass\n",
    "tests/web/test_inside.py": """import pytest

def test_excused():
    import pyarrow

def test_failing():
    assert False

@pytest.mark.train_extra
def test_marked():
    assert False

def test_good(): pass
""",
    "tests/test_broken.py": "import nowhere_at_all\n",
    "tests/test_fine.py": "def test_good(): pass\n",
    "tests/learn/conftest.py": "import torch\n",
    "tests/learn/test_net.py": "def test_one(): pass\n",
}


def run_pytest(
    folder: Path, files: Mapping[str, str], absent: list[str], *words: str
) -> subprocess.CompletedProcess[str]:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    (folder / "hide.py").write_text(HIDE.format(absent=absent))
    line = [sys.executable, "-m", "pytest", "-p", "hide", "-p", "tests.without_training", "-rA"]
    line += ["-p", "no:cacheprovider", "--continue-on-collection-errors", *words]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    return subprocess.run(
        line, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_a_failure_stays_a_failure_and_an_absence_is_a_skip(tmp_path: Path) -> None:
    run = run_pytest(tmp_path, FILES, sorted(LIBRARIES), f"--junitxml={tmp_path}/report.xml")
    assert run.returncode == 1
    summary = run.stdout.partition("short test summary info")[2]
    for line in (
        "tests/web/test_top.py:0: it needs scipy, which is not installed",
        "tests/web/test_inside.py:0: it needs pyarrow, which is not installed",
        "tests/learn:0: it needs torch, which is not installed",
        "FAILED tests/web/test_inside.py::test_failing",
        "ERROR tests/test_broken.py",
        "a process that it starts needs the extra `train`",
    ):
        assert line in summary, line
    assert "1 failed, 2 passed, 4 skipped, 1 error" in summary
    report = (tmp_path / "report.xml").read_text(encoding="utf-8")
    assert count_passed(report) == {"web": 1, "tests": 1}


@pytest.mark.train_extra
def test_where_a_library_is_present_nothing_runs(tmp_path: Path) -> None:
    run = run_pytest(tmp_path, FILES, [])
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "can be imported here" in run.stderr


def test_a_folder_that_lost_its_tests_is_named() -> None:
    assert shortfalls(FLOORS) == []
    counts = dict(FLOORS) | {"web": FLOORS["web"] - 1}
    del counts["codecs"]
    assert shortfalls(counts) == [
        f"tests/codecs: 0 tests passed, at least {FLOORS['codecs']} should.",
        f"tests/web: {FLOORS['web'] - 1} tests passed, at least {FLOORS['web']} should.",
    ]
