"""What a client wrote moves no cursor of a terminal and forges no line of a log."""

from __future__ import annotations

import io
import json
import logging

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tidemill.domain.text import CONTROLS, escape_controls, has_controls
from tidemill.screen import OUT, SCREEN, LogLines, Stages, emit

NASTY = "a\x1b[2Jb\x9b1mc\rd\x07e\u202ef"
SAFE = "a\\x1b[2Jb\\x9b1mc\\rd\\x07e\\u202ef"


@pytest.mark.parametrize("console", [OUT, SCREEN])
def test_a_console_escapes_what_it_prints(console: Console) -> None:
    table = Table("label")
    table.add_row(NASTY)
    table.add_row(Text(NASTY))
    for shown in (NASTY, table):
        with console.capture() as capture:
            console.print(shown, markup=False, highlight=False, width=80)
        # Rich itself leaves out two of them.
        assert SAFE.replace("\\r", "").replace("\\x07", "") in capture.get()
        assert not has_controls(capture.get().replace("\n", ""))


def test_own_lines_colours_and_bars_stay() -> None:
    with OUT.capture() as capture:
        OUT.print("one\n[bold]two[/]\tthree")
    assert capture.get().split() == ["one", "two", "three"]
    with Stages("train") as stages:
        stages.epoch("epoch 1")


def test_json_holds_no_control_character(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"label": NASTY})
    line = capsys.readouterr().out
    assert not CONTROLS.search(line.rstrip("\n"))
    assert json.loads(line) == {"label": NASTY}


def test_a_log_has_one_line_for_a_message() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LogLines("%(message)s"))
    log = logging.getLogger("tests.controls")
    log.propagate = False
    log.addHandler(handler)
    try:
        int(f"{NASTY}\nready: v9 is served")
    except ValueError as error:
        error.args = (f"{NASTY}\nready: v9 is served",)
        log.exception("GET %s failed", f"/{NASTY}\nready: v9 is served")
    first, *trace = stream.getvalue().splitlines()
    assert first == f"GET /{SAFE}\\nready: v9 is served failed"
    assert all(line.startswith("  ") for line in trace)
    assert SAFE in stream.getvalue().split("Traceback")[1]


def test_ordinary_text_is_no_control() -> None:
    for text in ("ana", "Ànä 漢字 🌱", "नमस्ते", "می‌خواهم", "a\u00a0b"):
        assert not has_controls(text)
        assert escape_controls(text) == text
