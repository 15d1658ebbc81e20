"""The bar of long work: on a terminal, as wide as that, and nowhere else."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys

import pytest

LINE = "epoch 1: " + "loss 0.1 " * 12
SCRIPT = f"""
from tidemill.screen import Stages
with Stages() as stages:
    stages.stage("train")
    stages.step(3, 10)
    stages.epoch({LINE.strip()!r})
"""
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def surroundings(**named: str) -> dict[str, str]:
    unset = ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
    remaining = {name: value for name, value in os.environ.items() if name not in unset}
    return {**remaining, "TERM": "xterm", **named}


def on_terminal(columns: int, **named: str) -> str:
    """What the script writes to a terminal of so many columns."""
    fcntl, pty, termios = (pytest.importorskip(name) for name in ("fcntl", "pty", "termios"))
    reader, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    command = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal, env=surroundings(**named)
    ) as process:
        os.close(terminal)
        written = b""
        try:
            while part := os.read(reader, 65536):
                written += part
        except OSError:
            # So a terminal ends whose last writer is gone.
            pass
        os.close(reader)
    assert process.returncode == 0
    return written.decode()


def bars(written: str) -> list[str]:
    """Every state of the bar that was drawn, without colours."""
    return [line for line in re.split(r"[\r\n]+", ESCAPE.sub("", written)) if "3/10" in line]


@pytest.mark.parametrize(
    ("columns", "named", "expected"),
    [(50, {}, 50), (70, {}, 70), (70, {"COLUMNS": "44"}, 44), (44, {"COLUMNS": "66"}, 66)],
)
def test_a_bar_is_no_wider_than_the_terminal(
    columns: int, named: dict[str, str], expected: int
) -> None:
    """COLUMNS decides where it is set, the terminal elsewhere."""
    drawn = bars(on_terminal(columns, **named))
    assert drawn
    assert all(line.startswith("train ") for line in drawn)
    widths = {len(line.rstrip()) for line in drawn}
    assert max(widths) <= expected
    # The bar grows with the room up to its 40 columns.
    assert max(widths) >= min(expected, 60) - 5


@pytest.mark.parametrize("named", [{}, {"FORCE_COLOR": "1"}, {"COLUMNS": "44"}])
def test_no_bar_goes_into_a_file(named: dict[str, str]) -> None:
    """The figures do, each set on one line whatever the width."""
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=surroundings(**named),
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == ""
    assert ESCAPE.sub("", result.stderr) == f"{LINE.strip()}\n"
    assert "\x1b[2K" not in result.stderr


def test_a_terminal_that_cannot_move_its_cursor_has_no_bar() -> None:
    assert bars(on_terminal(70, TERM="dumb")) == []
