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
from types import ModuleType
from typing import Annotated, NoReturn

import typer

from tidemill import __version__, errors
from tidemill.screen import LISTED, OUT, SCREEN, accept_any_character


@dataclass(frozen=True, slots=True)
class Command:
    """One word after `tidemill`. Its module registers itself on a Typer application."""

    name: str
    help: str

    def register(self, app: typer.Typer) -> None:
        part(self.name).register(app)


def part(name: str) -> ModuleType:
    """A module of the command line, loaded when it is wanted."""
    return import_module(f"tidemill.cli.{name}")


COMMANDS = (
    Command("up", "Train a champion if there is none, serve it, and run the engine."),
    Command("demo", "Run the whole loop of a recipe and judge every claim."),
    Command("train", "Check the data, train, and register the resulting model version."),
    Command("serve", "Serve the workspace's champion over HTTP."),
    Command("predict", "Predict files with the champion."),
    Command("batch", "Score a file or a folder with the champion."),
    Command("explain", "Draw which parts of an image decided the champion's answer."),
    Command("data", "Check, count and keep data sets."),
    Command("models", "List, inspect, promote and roll back model versions."),
    Command("feedback", "List feedback, and accept or reject it."),
    Command("keys", "Create, list and revoke API keys."),
    Command("loop", "Run the engine: drain, review, check for drift, retrain, promote or refuse."),
    Command("drift", "Show what the last drift check found, feature by feature."),
    Command("why", "Print the chain of causes of a version, a cycle or a prediction."),
    Command("lineage", "Show what a prediction came from."),
    Command("bench", "Measure a server under load."),
    Command("config", "Show the settings, or an experiment as it would run."),
    Command("doctor", "Check that Tidemill works on this machine."),
)

BEGINNING = """Tidemill closes the machine-learning loop, and proves that it stays closed.

Begin with one of these:
  tidemill doctor      checks that Tidemill works on this machine
  tidemill demo        runs the whole loop once and judges every claim
  tidemill up coffee   trains a model, serves it, and keeps it current

tidemill --help lists every command.
"""
"""What `tidemill` alone prints. It fits 80 columns."""

EXIT_CODES: dict[type[errors.TidemillError], int] = {
    errors.TidemillError: 1,
    errors.Conflict: 1,
    errors.GateRefused: 1,
    errors.UsageError: 2,
    errors.DataError: 3,
    errors.NotFound: 3,
    errors.Unavailable: 4,
}
INTERRUPTED = 130
BUG = 70
"""An exception that nobody foresaw (EX_SOFTWARE of sysexits.h)."""


def build(wanted: str | None) -> typer.Typer:
    """The application with the wanted command real and every other one named only."""
    app = typer.Typer(
        name="tidemill",
        help="Closes the machine-learning loop, and proves that it stays closed.",
        invoke_without_command=True,
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
    accept_any_character()
    try:
        code = build(words[0] if words else None)(prog_name="tidemill", standalone_mode=False)
    except typer.TyperException as error:
        _misused(error)
    except errors.TidemillError as error:
        _fail(error.code, error.message, error.hint, exit_code(error), _lines(error))
    except KeyboardInterrupt:
        code = INTERRUPTED
    except SystemExit as left:
        # So Typer leaves when the reader of our output left (`tidemill ... | head`).
        if not isinstance(left.__context__, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        if isinstance(error, ImportError) and (package := _stranger(error)):
            _fail("unavailable", *_missing(package, error), exit_code(errors.Unavailable("")))
        if os.environ.get("TIDEMILL_DEBUG"):
            traceback.print_exc()
        hint = "This is a bug. Run it again with TIDEMILL_DEBUG=1 and report what it prints."
        _fail("bug", f"{type(error).__name__}: {error}", hint, BUG)
    if code == INTERRUPTED:
        # Typer's word for KeyboardInterrupt.
        _fail("interrupted", "Interrupted.", "", INTERRUPTED)
    sys.exit(code)


def exit_code(error: errors.TidemillError) -> int:
    """The exit code of an error's nearest ancestor in the table."""
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)


def _misused(error: typer.TyperException) -> NoReturn:
    """A command line that Typer could not read."""
    message = error.format_message()
    if not message:
        # A group without a word: its help has been printed.
        sys.exit(error.exit_code)
    context = getattr(error, "ctx", None)
    hint = f"{context.get_usage()} (--help tells more)" if context else ""
    _fail("usage", message, hint, error.exit_code)


def _stranger(error: ImportError) -> str:
    """The package of another project that could not be imported; empty when it is our own."""
    package = (error.name or "").partition(".")[0]
    return "" if package == "tidemill" else package


def _missing(package: str, error: ImportError) -> tuple[str, str]:
    absent = isinstance(error, ModuleNotFoundError)
    why = "is not installed" if absent else f"cannot be imported ({error})"
    return f"This needs {package}, which {why}.", "pip install 'tidemill[train]'"


def _lines(error: errors.TidemillError) -> tuple[str, ...]:
    return error.lines if isinstance(error, errors.DataRefused) else ()


def _fail(
    code: str, message: str, hint: str, leave_with: int, lines: tuple[str, ...] = ()
) -> NoReturn:
    if "--json" in sys.argv:
        body = {"code": code, "message": message, "hint": hint, "lines": list(lines)}
        sys.stdout.write(json.dumps({"error": body}) + "\n")
    for line in lines[:LISTED]:
        SCREEN.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
    if len(lines) > LISTED:
        more = f"  ... and {len(lines) - LISTED} more; --json has them all"
        SCREEN.print(more, markup=False, highlight=False, soft_wrap=True)
    SCREEN.print(f"[bold red]error:[/] {_plain(message)}", highlight=False, soft_wrap=True)
    if hint:
        SCREEN.print(f"[bold]hint:[/] {_plain(hint)}", highlight=False, soft_wrap=True)
    sys.exit(leave_with)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def _print_version(wanted: bool) -> None:
    if wanted:
        OUT.print(f"tidemill {__version__}", markup=False)
        raise typer.Exit


def _root(
    context: typer.Context,
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Called before every command; without one, it prints where to begin."""
    if context.invoked_subcommand is None:
        OUT.print(BEGINNING, end="", markup=False, soft_wrap=True)


def _named_only() -> None:
    """Stands for a command whose module was not asked for."""


__all__ = ["COMMANDS", "build", "exit_code", "main", "part"]
