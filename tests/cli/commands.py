"""Commands as processes: started, listened to, and gone when a test is over."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tidemill.testing.tiny_recipe.entry_points import PLUGINS

SECONDS = 60


def surroundings(home: Path, **settings: str) -> dict[str, str]:
    """The environment of a command: a workspace, and the tiny recipe."""
    path = os.pathsep.join(filter(None, [str(PLUGINS), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "TIDEMILL_HOME": str(home), **settings}


@contextmanager
def started(*words: str, home: Path, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """A command that is running; its children have its stderr, too."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tidemill", *words],
        env=surroundings(home, **settings),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    """The first line on stderr that has the pattern."""
    assert process.stderr
    text = ""
    for line in process.stderr:
        text += line
        if match := re.search(pattern, line):
            return match
    pytest.fail(f"{pattern!r} was not said: {text}")


def rest(process: subprocess.Popen[str]) -> str:
    """What was still said, once nobody is left who could say more: no child is alive either."""
    return process.communicate(timeout=SECONDS)[1]


def ended(*words: str, home: Path, **settings: str) -> tuple[int, str]:
    """A command that was waited for: its exit code, and what it said on stderr."""
    with started(*words, home=home, **settings) as process:
        output = rest(process)
        assert "Traceback" not in output
        return process.returncode, output
