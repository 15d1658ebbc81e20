"""A user who has no home folder trains, as in a container. Does it go quietly?

What needs a place for itself must find it in the workspace. Nobody must be warned of what he
cannot change.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.cases.names import SMALL_PLANS, argv
from tests.cases.verdict import require

TROUBLE = re.compile(
    "warning|matplotlib|not a writable|mkdir|cannot create|failed to|permission", re.IGNORECASE
)
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
KEPT = ("PATH", "LANG", "PYTHONPATH")


def test_a_training_without_a_home_folder_is_quiet(tmp_path: Path, home: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "tmp").mkdir()
    env = {name: os.environ[name] for name in KEPT if name in os.environ}
    env |= {"HOME": str(tmp_path / "file" / "none"), "TMPDIR": str(tmp_path / "tmp")}
    done = subprocess.run(
        argv("train", "sentiment", *SMALL_PLANS["sentiment"], "--home", str(home)),
        env=env,
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = COLOURS.sub("", done.stderr).replace(str(tmp_path), "").splitlines()
    trouble = [line for line in lines if TROUBLE.search(line)]
    require(
        not trouble,
        f"the training says {len(trouble)} lines of trouble, such as: {''.join(trouble[:1])[:160]}",
    )
