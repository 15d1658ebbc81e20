"""The output of commands: progress on stderr, results on stdout."""

from __future__ import annotations

import io
import json
import logging
import sys
import textwrap
import time
from collections.abc import Sequence
from dataclasses import is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Protocol, runtime_checkable

import typer
from rich import progress as rich_progress
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.segment import Segment

from tidemill.domain.text import CONTROLS, LAYOUT, escape_controls
from tidemill.domain.text import printable as printable  # noqa: PLC0414 - for commands
from tidemill.learn.progress import SILENT, Progress


class _Plain:
    """What another renderable shows, with each control character in its text escaped."""

    def __init__(self, shown: ConsoleRenderable) -> None:
        self._shown = shown

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._shown, options):
            if segment.control:
                yield segment
            else:
                yield Segment(escape_controls(segment.text, LAYOUT), segment.style)


class _PlainHook(RenderHook):
    """Escapes whatever a console prints: a client may have written it."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Plain(shown) for shown in renderables]


SCREEN = Console(stderr=True)
OUT = Console(highlight=False)
for _console in (SCREEN, OUT):
    _console.push_render_hook(_PlainHook())
STARTED = time.monotonic()
"""The start of the command: this module is among its first imports."""

LISTED = 20
"""The number of findings of a kind, and of reasons of a refusal, that are shown."""
SHOWN = 5
"""The number of warnings that are shown beside other output."""


@runtime_checkable
class ToJson(Protocol):
    """A value that knows its own JSON."""

    def to_json(self) -> dict[str, Any]: ...


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Home = Annotated[
    Path | None,
    typer.Option(help="The workspace's folder.", envvar="TIDEMILL_HOME", show_default=".tidemill"),
]

WithParent = Annotated[
    bool, typer.Option("--with-parent", hidden=True, help="End when stdin is closed.")
]
"""The flag of a command that another command starts."""


def accept_any_character() -> None:
    """Let stdout escape what its encoding lacks, as Python's stderr does."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def emit(body: object) -> None:
    """Print one JSON object on stdout, in ASCII where stdout has another encoding than UTF-8."""
    plain = not OUT.encoding.startswith("utf")
    line = json.dumps(body, default=_plain, ensure_ascii=plain)
    # JSON itself escapes only the first 32.
    sys.stdout.write(CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", line) + "\n")
    sys.stdout.flush()


class LogLines(logging.Formatter):
    """Writes each message as one line without control characters; a trace stands indented below.

    So no text of a client forges a line of the log.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's name
        return escape_controls(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802  logging's name
        return textwrap.indent(escape_controls(super().formatException(ei), LAYOUT), "  ")


def show_log() -> None:
    """Write the log's messages to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(LogLines("%(message)s"))
    logging.basicConfig(handlers=[handler])


def warn(lines: Sequence[str]) -> None:
    """Return the first lines of a list of warnings, and the number of the others."""
    for line in lines[:SHOWN]:
        say(line)
    if len(lines) > SHOWN:
        say(f"... and {len(lines) - SHOWN} more; `tidemill data check --json` lists them all")


def say(line: str) -> None:
    """Print one line on stderr, unchanged."""
    SCREEN.print(line, markup=False, highlight=False, soft_wrap=True)


class Stages:
    """Progress of long work: a bar per stage, on a terminal, and a line of figures per epoch."""

    def __init__(self, first: str = "start") -> None:
        self._bars = rich_progress.Progress(
            rich_progress.TextColumn("{task.description}"),
            rich_progress.BarColumn(),
            rich_progress.MofNCompleteColumn(),
            rich_progress.TimeElapsedColumn(),
            console=SCREEN,
            transient=True,
            disable=not _shows_bars(),
        )
        self._task = self._bars.add_task(first, total=None)

    def __enter__(self) -> Stages:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def stage(self, name: str) -> None:
        self._bars.remove_task(self._task)
        self._task = self._bars.add_task(name, total=None)

    def step(self, done: int, total: int) -> None:
        self._bars.update(self._task, completed=done, total=total)

    def progress(self, *, warnings: bool = True) -> Progress:
        """Return these bars in the form in which long work reports its progress."""
        shown = warn if warnings else SILENT.warn
        return Progress(self.stage, self.step, self.epoch, shown)

    def epoch(self, line: str) -> None:
        self._bars.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _shows_bars() -> bool:
    """True on a terminal that can move its cursor.

    Not `SCREEN.is_terminal`, which FORCE_COLOR makes true of a file as well.
    """
    return SCREEN.file.isatty() and not SCREEN.is_dumb_terminal


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, ToJson):
        return value.to_json()
    if is_dataclass(value) and not isinstance(value, type):
        # `asdict` would copy every payload; shallow fields are enough here.
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    raise TypeError(f"{type(value).__name__} is no JSON value")
