"""Workers of xdist compute with one thread each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.threads import VARIABLES

ROOT = Path(__file__).parents[1]
PLANTED = """
import os

def test_it():
    assert [os.environ.get(name) for name in {names}] == {values}
"""


@pytest.mark.parametrize(
    ("words", "own", "values"),
    [
        (("-n", "1"), {}, ["1", "1", "1"]),
        (("-n", "1"), {VARIABLES[0]: "3"}, ["3", "1", "1"]),
        ((), {}, [None, None, None]),
    ],
    ids=["worker", "chosen", "no worker"],
)
def test_a_worker_has_one_thread(
    tmp_path: Path, words: tuple[str, ...], own: dict[str, str], values: list[str | None]
) -> None:
    (tmp_path / "test_planted.py").write_text(PLANTED.format(names=VARIABLES, values=values))
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    environment |= {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **own}
    plugins = ("-p", "xdist", "-p", "tests.threads", "-p", "no:cacheprovider")
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, *words, "--rootdir", str(tmp_path), "."],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
