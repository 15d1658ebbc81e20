"""Draws a confusion matrix within bounded memory, as a process of its own that tells what it took.

`python -m tests.cases.data.confusion_memory CLASSES LIMIT_MB` prints one JSON object. It imports
what it draws with and nothing else, so that its own memory is small.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import numpy as np

from tidemill.learn.evaluate import evaluate
from tidemill.learn.figures import confusion_figure


def peak_megabytes() -> int:
    """The most that this program held. `ru_maxrss` also counts the process that started it."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024


def main(classes: int, limit_mb: int) -> None:
    draw = np.random.default_rng(0)
    truth = np.arange(3 * classes) % classes
    wrong = draw.random(len(truth)) >= 0.8
    answers = np.where(wrong, draw.integers(0, classes, len(truth)), truth)
    probabilities = np.full((len(truth), classes), 0.1 / classes)
    probabilities[np.arange(len(truth)), answers] += 0.9
    scores = evaluate(probabilities, truth, [f"class {at}" for at in range(classes)])
    before = peak_megabytes()
    resource.setrlimit(resource.RLIMIT_AS, (limit_mb << 20, limit_mb << 20))
    try:
        figure = f"{len(confusion_figure(scores, 'topic')) // 1000} kB"
    except (MemoryError, ValueError) as error:
        figure = f"none: {type(error).__name__}"
    body = {"figure": figure, "megabytes": peak_megabytes() - before}
    sys.stdout.write(json.dumps(body) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
