"""`tidemill demo`: the whole story on generated data, judged."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table

from tidemill.demo.claim import Claim
from tidemill.demo.demo_run import Stage
from tidemill.demo.judge import Judged, Story, choose, place, tell
from tidemill.demo.report import render
from tidemill.demo.scenarios import WORLDS
from tidemill.screen import OUT, SCREEN, STARTED, Home, Json, emit, say
from tidemill.settings import read_settings


def demo(
    *,
    recipe: Annotated[str, typer.Option(help=f"Whose story: {', '.join(WORLDS)}.")] = "coffee",
    only: Annotated[str | None, typer.Option(help="Judge one claim, by its id.")] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Tell the whole story on generated data and judge every claim; exit code 1 when one fails.

    Example: tidemill demo --only label_names
    """
    claims = choose(only)
    stage = Stage(place(recipe), read_settings(home=home), say)
    if only is None:
        stage.clear()
    else:
        stage.reuse()
    # Making the data counts: a person waits for it like for everything else.
    stage.prepare()
    story = tell(stage, claims, since=STARTED, began=_began, ended=_ended)
    stage.root.mkdir(parents=True, exist_ok=True)
    (stage.root / "report.json").write_text(json.dumps(story.to_json(), indent=2) + "\n")
    (stage.root / "report.html").write_text(render(story, stage), encoding="utf-8")
    if as_json:
        emit(story.to_json())
    else:
        OUT.print(_table(story))
    say(f"{story.seconds:.0f} s. The report with images: {stage.root / 'report.html'}")
    if not story.held:
        raise typer.Exit(1)


def _began(claim: Claim) -> None:
    SCREEN.print(f"[bold]{claim.sentence}[/] ({claim.id}) ...", highlight=False)


def _ended(row: Judged) -> None:
    mark = "[green]held[/]" if row.outcome.held else "[red]DID NOT HOLD[/]"
    SCREEN.print(f"  {mark} in {row.seconds:.1f} s: ", end="")
    SCREEN.print(row.outcome.figure, markup=False, highlight=False)


def _table(story: Story) -> Table:
    table = Table("claim", "held", "figure", show_lines=True)
    for row in story.judged:
        held = "[green]yes[/]" if row.outcome.held else "[red]no[/]"
        table.add_row(row.claim.sentence, held, row.outcome.figure)
    return table


def register(app: typer.Typer) -> None:
    app.command("demo")(demo)
