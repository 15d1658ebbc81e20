"""`tidemill train`: data in, a registered model version out."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from tidemill.cli.parent import WithParent, interrupt_when_gone
from tidemill.cli.screen import STARTED, Home, Json, Stages, emit, say, warn
from tidemill.domain.errors import UsageError
from tidemill.settings import read_settings
from tidemill.workshop.planning import plan
from tidemill.workshop.promotion import promote
from tidemill.workshop.root import open_trainer, open_workshop
from tidemill.workshop.training import resume, take_snapshot, train_version


def train(
    recipe: Annotated[
        str | None, typer.Argument(help="The recipe, such as coffee.", show_default=False)
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Experiment settings, KEY=VALUE.")
    ] = None,
    *,
    home: Home = None,
    promoted: Annotated[
        bool, typer.Option("--promote", help="Judge the version and make it champion.")
    ] = False,
    run: Annotated[
        str | None, typer.Option(help="Do the training that the ledger knows by this id.")
    ] = None,
    with_parent: WithParent = False,
    as_json: Json = False,
) -> None:
    """Check the data, train, and register the resulting model version.

    Example: tidemill train coffee data=folder data.path=leaves train.epochs=20
    """
    if with_parent:
        interrupt_when_gone()
    if (run is None) == (recipe is None):
        raise UsageError(
            "Name a recipe, or a run that the ledger knows.",
            hint="tidemill train coffee, or tidemill train --run ID",
        )
    settings = read_settings(home=home)
    warnings: list[str] = []
    if run is not None:
        workshop = open_workshop(settings)
        with Stages() as stages:
            finished = resume(workshop, run, stages.told())
    else:
        chosen, experiment = plan(str(recipe), overrides or ())
        trainer = open_trainer(chosen.name)
        workshop = open_workshop(settings, create=True)
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
                "snapshot": finished.run.snapshot,
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
