"""Real coffee leaves, trained as a user would: takes minutes, and needs the data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DATA = os.environ.get("TIDEMILL_REAL_DATA", "")


@pytest.mark.slow
@pytest.mark.skipif(not DATA, reason="TIDEMILL_REAL_DATA names no folder with coffee/")
def test_real_leaves_are_learned(tmp_path: Path) -> None:
    folder = Path(DATA) / "coffee"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tidemill", "train", "coffee", "--json"),
            *("data=folder", f"data.path={folder}"),
        ],
        env={**os.environ, "TIDEMILL_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    # The target of the recipe; bench/leaves.py measures three seeds and the time they take.
    assert result["metrics"]["test"]["accuracy"] >= 0.87
    assert len(result["bundle"]) == 64
