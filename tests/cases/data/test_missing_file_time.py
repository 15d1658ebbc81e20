"""A training on a file that is not there. How much is loaded before anybody looks?"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.cases.commands import environment
from tests.cases.verdict import falls_short, require

HEAVY = ("torch", "lightning", "onnx", "sklearn", "matplotlib", "transformers")
IMPORTED = re.compile(r"^import time:.*\|\s+(\S+)$", re.MULTILINE)


@falls_short("data", "1,661 modules of torch and others are loaded before a missing file is named")
def test_a_missing_file_is_named_before_anything_heavy_is_loaded(
    tmp_path: Path, home: Path
) -> None:
    words = ("train", "sentiment", "data=files", f"data.path={tmp_path}/nowhere.csv")
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "tidemill", *words, "--home", str(home)],
        env=environment(),
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode
    assert "nowhere.csv" in done.stdout + done.stderr, "the file was not missed"
    loaded = IMPORTED.findall(done.stderr)
    assert loaded
    heavy = [package for name in loaded if (package := name.split(".")[0]) in HEAVY]
    require(
        not heavy,
        f"before the missing file is named, {len(loaded)} modules are loaded, {len(heavy)} of them"
        f" of {', '.join(sorted(set(heavy)))}",
    )
