"""The engine is killed while its trainer works; the next one ends the same cycle, once."""

from __future__ import annotations

from tidemill.demo import live
from tidemill.demo.claim import Claim, Outcome, expect
from tidemill.demo.demo_run import Stage
from tidemill.domain.types import Run
from tidemill.workspace.root import Workshop


def judge(stage: Stage) -> Outcome:
    workshop = stage.workspace("killed")
    taught = live.taught(stage)
    with live.serving(stage, workshop.home) as server:
        live.say_by_answer(server, live.asked(stage, server, taught), live.labels(taught))
        with live.turning(stage, workshop.home) as engine:
            trainer = live.until(lambda: _trainer(workshop), "a training")
            cycle = live.latest_cycle(workshop)
            engine.kill()
        expect(cycle is not None and cycle.state == "training", f"killed in {cycle}")
        live.until(lambda: not live.lives(trainer), "the end of the orphaned trainer", 30)
        with live.turning(stage, workshop.home):
            ended = live.until(lambda: live.ended_cycle(workshop), "the end of the cycle")
    assert cycle is not None  # noqa: S101 - said above
    expect(ended.id == cycle.id, f"cycle {ended.id} ended, {cycle.id} had begun")
    expect(ended.version == workshop.champion().id, f"{ended.state}: {ended.reason}")
    times = live.promotions(workshop, ended.version)
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
