"""Runs a benchmark as a command: options from a function's signature, errors as exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

from tidemill.cli.main import exit_code
from tidemill.domain.errors import TidemillError
from tidemill.screen import say

Rows = Annotated[list[str] | None, typer.Argument(help="Rows by id; the others count as unmet.")]


def run(measure: Callable[..., int]) -> None:
    """Leave with what `measure` returns, or with the exit code of the error it raises."""

    @wraps(measure)
    def leaving(**options: Any) -> None:
        raise typer.Exit(measure(**options))

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(leaving)
    try:
        app()
    except TidemillError as error:
        say(f"error: {error.message}")
        if error.hint:
            say(f"hint: {error.hint}")
        sys.exit(exit_code(error))
