"""The rule on test ids is tried on a planted file, as pytest would collect it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ids import CUT, LONGEST, pytest_make_parametrize_id

ROOT = Path(__file__).parents[1]
PLANTED = """
import pytest

@pytest.mark.parametrize("value", [{values}])
def test_it(value):
    pass
"""


def collect(folder: Path, values: str) -> tuple[int, str]:
    """The exit status and the output of a collection of one test with these values."""
    (folder / "test_planted.py").write_text(PLANTED.format(values=values))
    words = ("--collect-only", "-q", "-p", "tests.ids", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "--rootdir", str(folder), "test_planted.py"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_long_id_ends_the_collection(tmp_path: Path) -> None:
    status, output = collect(tmp_path, f"pytest.param(1, id='x' * {LONGEST + 1})")
    assert status == pytest.ExitCode.INTERRUPTED
    assert "test_planted.py::test_it has 61 characters; 60 are allowed" in output


def test_long_values_get_short_ids_of_their_own(tmp_path: Path) -> None:
    status, output = collect(tmp_path, "b'x' * 10**6, b'x' * 10**6 + b'y', '漢' * 99, 'short'")
    assert status == pytest.ExitCode.OK, output
    ids = [line.partition("[")[2] for line in output.splitlines() if "[" in line]
    assert len(set(ids)) == 4
    assert max(map(len, ids)) <= CUT + len("]")
    assert "short]" in ids


def test_the_rule_is_loaded_for_all_tests(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.pluginmanager.has_plugin("tests.ids")


@pytest.mark.parametrize("value", ["short", b"short", 10**30, None, ("a" * 99,)])
def test_other_values_keep_the_ids_of_pytest(value: object) -> None:
    assert pytest_make_parametrize_id(value) is None
