"""`tidemill train`: data in, a registered model version out."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from tidemill.cli.parent import WithParent, interrupt_when_gone
from tidemill.cli.screen import STARTED, Home, Json, Stages, emit, say, warn
from tidemill.settings import read_settings
from tidemill.workshop.planning import plan
from tidemill.workshop.promotion import promote
from tidemill.workshop.root import open_trainer, open_workshop
from tidemill.workshop.training import take_snapshot, train_version


def train(
    recipe: Annotated[str, typer.Argument(help="The recipe, such as coffee.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Experiment settings, KEY=VALUE.")
    ] = None,
    *,
    home: Home = None,
    promoted: Annotated[
        bool, typer.Option("--promote", help="Judge the version and make it champion.")
    ] = False,
    with_parent: WithParent = False,
    as_json: Json = False,
) -> None:
    """Check the data, train, and register the resulting model version.

    Example: tidemill train coffee data=folder data.path=leaves train.epochs=20
    """
    if with_parent:
        interrupt_when_gone()
    chosen, experiment = plan(recipe, overrides or ())
    trainer = open_trainer(recipe)
    workshop = open_workshop(read_settings(home=home), create=True)
    with Stages() as stages:
        intake = take_snapshot(workshop, chosen, experiment, stages.told())
        warnings = [finding.line() for finding in intake.findings]
        warn(warnings)
        finished = train_version(
            workshop, chosen, experiment, intake.snapshot, trainer, stages.told()
        )
    verdict = promote(workshop, finished.version.id) if promoted else None
    seconds = time.monotonic() - STARTED
    if as_json:
        emit(
            {
                "version": finished.version.id,
                "bundle": finished.version.bundle,
                "run": finished.run.id,
                "snapshot": intake.snapshot.id,
                "weights": finished.run.weights,
                "metrics": finished.run.metrics,
                "champion": verdict is not None,
                "warnings": warnings,
                "seconds": round(seconds, 3),
            }
        )
        return
    say(f"{finished.version.id} is registered: bundle {finished.version.bundle[:12]}")
    for split, figures in finished.run.metrics.items():
        say(f"  {split}: accuracy {figures['accuracy']:.3f}, macro-F1 {figures['macro_f1']:.3f}")
    say(f"{seconds:.1f} s")
    if verdict is None:
        say(f"Next: tidemill models promote {finished.version.id}")


def register(app: typer.Typer) -> None:
    app.command("train")(train)
