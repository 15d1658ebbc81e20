"""The engine is killed while its trainer works; the next one ends the same cycle, once."""

from __future__ import annotations

from tidemill.cli.story import field
from tidemill.cli.story.claim import Claim, Outcome, expect
from tidemill.cli.story.stage import Stage
from tidemill.domain.types import Run
from tidemill.workshop.root import Workshop


def judge(stage: Stage) -> Outcome:
    workshop = stage.workspace("killed")
    taught = field.taught(stage)
    with field.serving(stage, workshop.home) as server:
        field.say_by_answer(server, field.asked(stage, server, taught), field.labels(taught))
        with field.turning(stage, workshop.home) as engine:
            trainer = field.until(lambda: _trainer(workshop), "a training")
            cycle = field.latest_cycle(workshop)
            engine.kill()
        expect(cycle is not None and cycle.state == "training", f"killed in {cycle}")
        field.until(lambda: not field.lives(trainer), "the end of the orphaned trainer", 30)
        with field.turning(stage, workshop.home):
            ended = field.until(lambda: field.ended_cycle(workshop), "the end of the cycle")
    assert cycle is not None  # noqa: S101 - said above
    expect(ended.id == cycle.id, f"cycle {ended.id} ended, {cycle.id} had begun")
    expect(ended.version == workshop.champion().id, f"{ended.state}: {ended.reason}")
    times = field.promotions(workshop, ended.version)
    expect(times == 1, f"{ended.version} was promoted {times} times")
    with workshop.ledger.begin(write=False) as unit:
        runs = [unit.get(Run, id).status for id in ended.runs]
    expect(runs == ["failed", "finished"], f"its trainings are {runs}")
    return Outcome(
        True,
        f"cycle {ended.id[:13]} went on to {ended.state} with its second training; "
        f"no orphan remains, {ended.version} was promoted once",
    )


def _trainer(workshop: Workshop) -> int | None:
    """The process that trains: it has named a folder for what it needs after itself."""
    folder = next(workshop.scratch.glob(".writing-*"), None)
    return int(folder.name.split("-")[1]) if folder else None


CLAIM = Claim("engine_killed", "A killed engine leaves no orphan, and its cycle ends once", judge)
