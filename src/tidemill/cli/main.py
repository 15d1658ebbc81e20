"""The `tidemill` command: a table of nouns, and the one place where an error becomes an exit code.

Only the module of the command that was asked for is imported, so `--help` costs nothing and
`serve` loads no training library.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from dataclasses import dataclass
from importlib import import_module

import typer

from tidemill.cli.screen import SCREEN, STARTED
from tidemill.domain.errors import (
    Conflict,
    DataError,
    DataRefused,
    GateRefused,
    NotFound,
    TidemillError,
    Unavailable,
    UsageError,
)


@dataclass(frozen=True, slots=True)
class Command:
    """One word after `tidemill`. Its module registers itself on a Typer application."""

    name: str
    help: str

    def register(self, app: typer.Typer) -> None:
        import_module(f"tidemill.cli.{self.name}").register(app)


COMMANDS = (
    Command("up", "Train a champion if there is none, then serve it until stopped."),
    Command("demo", "Tell the whole story on painted leaves and judge every claim."),
    Command("train", "Check the data, train, and register the resulting model version."),
    Command("serve", "Serve the workspace's champion over HTTP."),
    Command("predict", "Ask the champion about files."),
    Command("data", "Check, count and keep data sets."),
    Command("models", "List, inspect, promote and roll back model versions."),
    Command("lineage", "Show what a prediction came from."),
    Command("config", "Show the settings, or an experiment as it would run."),
    Command("doctor", "Look for what would keep Tidemill from working here."),
)

EXIT_CODES: dict[type[TidemillError], int] = {
    TidemillError: 1,
    Conflict: 1,
    GateRefused: 1,
    UsageError: 2,
    DataError: 3,
    NotFound: 3,
    Unavailable: 4,
}
BUG = 70
"""An exception that nobody foresaw (EX_SOFTWARE of sysexits.h)."""


def build(wanted: str | None) -> typer.Typer:
    """The application with the wanted command real and every other one named only."""
    app = typer.Typer(
        name="tidemill",
        help="Closes the machine-learning loop, and proves that it stays closed.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    for command in COMMANDS:
        if command.name == wanted:
            command.register(app)
        else:
            app.command(command.name, help=command.help)(_named_only)
    return app


def main() -> None:
    """Run the command line and leave with its exit code."""
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    try:
        build(words[0] if words else None)()
    except TidemillError as error:
        _fail(error.code, error.message, error.hint, exit_code(error), _lines(error))
    except KeyboardInterrupt:
        _fail("interrupted", "Interrupted.", "", 130)
    except BrokenPipeError:
        # The reader of our output left (`tidemill ... | head`); there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        if os.environ.get("TIDEMILL_DEBUG"):
            traceback.print_exc()
        hint = "This is a bug. Run it again with TIDEMILL_DEBUG=1 and report what it prints."
        _fail("bug", f"{type(error).__name__}: {error}", hint, BUG)


def exit_code(error: TidemillError) -> int:
    """The exit code of an error's nearest ancestor in the table."""
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)


def _lines(error: TidemillError) -> tuple[str, ...]:
    return error.lines if isinstance(error, DataRefused) else ()


def _fail(code: str, message: str, hint: str, leave_with: int, lines: tuple[str, ...] = ()) -> None:
    if "--json" in sys.argv:
        body = {"code": code, "message": message, "hint": hint, "lines": list(lines)}
        sys.stdout.write(json.dumps({"error": body}) + "\n")
    for line in lines:
        SCREEN.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
    SCREEN.print(f"[bold red]error:[/] {_plain(message)}", highlight=False, soft_wrap=True)
    if hint:
        SCREEN.print(f"[bold]hint:[/] {_plain(hint)}", highlight=False, soft_wrap=True)
    sys.exit(leave_with)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def _root() -> None:
    """Called before every command; it has nothing to do, but makes them subcommands."""


def _named_only() -> None:
    """Stands for a command whose module was not asked for."""


__all__ = ["COMMANDS", "STARTED", "build", "exit_code", "main"]
