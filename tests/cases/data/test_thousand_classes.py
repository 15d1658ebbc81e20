"""The figure of a confusion matrix with 200 classes. How much memory does it take?

It grows with the square of the classes, so that a thousand cannot be drawn at all.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.cases.verdict import falls_short, require

ROOT = Path(__file__).parents[3]
CLASSES, ALLOWED, LIMIT = 200, 400, 3_000


@falls_short(
    "data", "the confusion matrix of 200 classes cannot be drawn within 3 GB; 400 MB may be"
)
def test_the_figure_of_many_classes_takes_little_memory() -> None:
    words = ("-m", "tests.cases.data.confusion_memory", str(CLASSES), str(LIMIT))
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stderr
    body = json.loads(done.stdout)
    require(
        body["megabytes"] <= ALLOWED and not body["figure"].startswith("none"),
        f"the figure of {CLASSES} classes ({body['figure']}) takes {body['megabytes']} MB more"
        f" memory, {ALLOWED} would do",
    )
