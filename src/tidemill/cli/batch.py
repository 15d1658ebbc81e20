"""`tidemill batch`: score a file or a folder with the champion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tidemill import Workspace
from tidemill.screen import Home, Json, Stages, emit, say


def batch(
    inputs: Annotated[list[str], typer.Argument(help="Files, folders, or globs in quotes.")],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The results: .parquet, .csv or .jsonl.")
    ],
    column: Annotated[
        str, typer.Option(help="The column with the payload: a text, or the name of a file.")
    ] = "",
    keep: Annotated[
        list[str] | None, typer.Option(help="A column that the results repeat; may come again.")
    ] = None,
    lines: Annotated[
        bool, typer.Option("--lines", help="Each line of a .txt file is a payload.")
    ] = False,
    errors: Annotated[
        Literal["stop", "write"],
        typer.Option(help="Stop at a bad row, or list them all in OUTPUT.errors.jsonl."),
    ] = "stop",
    live: Annotated[
        bool, typer.Option("--live", help="Let drift checks count the predictions as traffic.")
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew, and replace the results.")
    ] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Score a file or a folder with the champion; repeat the command to go on after an interrupt.

    Example: tidemill batch reviews.csv --column text --keep id --output scored.parquet
    """
    with Workspace(home) as workspace, Stages("batch") as stages:
        report = workspace.batch(
            inputs,
            output,
            column=column,
            keep=keep or (),
            lines=lines,
            errors=errors,
            live=live,
            restart=restart,
            progress=stages.progress(),
        )
    if as_json:
        emit(report)
        return
    resumed = f", {report.resumed} of them by an earlier run" if report.resumed else ""
    say(f"{report.version} predicted {report.predictions} of {report.rows} inputs{resumed}.")
    if report.errors:
        say(f"{report.refused} inputs could not be read: {report.errors} lists them.")
    say(f"The results are in {report.output}.")


def register(app: typer.Typer) -> None:
    app.command("batch")(batch)
