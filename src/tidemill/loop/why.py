"""Explain a prediction, a version or a cycle in plain sentences, from the ledger's records."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from tidemill.domain.cycle import Cycle
from tidemill.domain.errors import NotFound
from tidemill.domain.feedback import Feedback
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.ports import TrafficArchive, TrafficLog
from tidemill.domain.types import AliasName, ModelVersion, Prediction, Run, Snapshot, Verdict
from tidemill.loop.lineage import find_prediction

ALIASES: tuple[AliasName, ...] = ("champion", "challenger", "previous")
VERSION = re.compile(r"v\d+")
LOOKED_AT = 1_000
"""The number of latest cycles and moves of the champion that are searched."""


def find_causes(unit: UnitOfWork, traffic: TrafficLog | TrafficArchive, id: str) -> tuple[str, ...]:
    """Return the chain of causes of a version, a cycle or a prediction. Raises NotFound."""
    if VERSION.fullmatch(id):
        return tuple(why_version(unit, unit.get(ModelVersion, id)))
    try:
        # The ledger has no other ids, and not every database takes every text.
        return tuple(why_cycle(unit, unit.get(Cycle, id if id.isascii() else "")))
    except NotFound:
        pass
    try:
        return tuple(why_prediction(unit, find_prediction(unit, traffic, id)[0]))
    except NotFound as error:
        raise NotFound(
            f"{id!r} is no version, cycle or prediction of this workspace.",
            hint="`tidemill models list` and `tidemill loop status` show the ids.",
        ) from error


def why_prediction(unit: UnitOfWork, prediction: Prediction) -> Iterator[str]:
    """Yield why an answer was given: the version that gave it, and its origin."""
    answers = ", ".join(
        f"{answer.target} {answer.label} ({answer.confidence:.1%})" for answer in prediction.answers
    )
    yield f"{prediction.version} answered {answers} at {_when(prediction)}; {_sender(prediction)}."
    for item in unit.feedback(example=prediction.example) if prediction.example else ():
        status = f"{item.status}{_because(item.reason)}"
        yield f"{item.actor} gave the label {item.label}, which is {status}."
    yield from why_version(unit, unit.get(ModelVersion, prediction.version))


def _sender(prediction: Prediction) -> str:
    """Return who asked for a prediction, with the id of the request where there is one."""
    if prediction.kind == "golden":
        return "it was a golden request of the server"
    if prediction.kind == "batch":
        return "a batch asked for it"
    id = prediction.request_id
    return "a client sent the request" + (f" {id}" if id else "")


def why_version(unit: UnitOfWork, version: ModelVersion) -> Iterator[str]:
    """Yield the history of a version: its aliases, its verdicts, its training and its data."""
    names = [
        name for name in ALIASES if (alias := unit.alias(name)) and alias.version == version.id
    ]
    standing = f"is {' and '.join(names)}" if names else "has no alias"
    yield f"{version.id} {standing}."
    for event in reversed(unit.events(subject="champion", limit=LOOKED_AT)):
        if version.id in (event.detail.get("version"), event.detail.get("before")):
            before, after = event.detail["before"] or "nothing", event.detail["version"]
            yield (
                f"{event.actor} made {after} champion in place of {before} at {event.at:%F %T}"
                f"{_because(event.reason)}."
            )
    for verdict in reversed(unit.verdicts(version.id)):
        yield from _verdict(verdict)
    run = unit.get(Run, version.run)
    code = str(run.code.get("revision") or run.code.get("package", ""))[:12]
    yield (
        f"Run {run.id} trained it with seed {run.seed} on snapshot {version.snapshot[:12]}, with "
        f"the code {code or 'of an unknown revision'}."
    )
    yield from _snapshot(unit, version.snapshot)
    for cycle in unit.latest(Cycle, limit=LOOKED_AT):
        if cycle.version == version.id:
            yield f"Cycle {cycle.id} trained it, from {cycle.champion}. {_ended(cycle.cause)}"
            yield f"That cycle is {_worded(cycle.state)}{_because(cycle.reason)}."


def why_cycle(unit: UnitOfWork, cycle: Cycle) -> Iterator[str]:
    """Yield why a cycle began, each of its states, and its result."""
    cause = _ended(cycle.cause)
    yield f"Cycle {cycle.id} began at {cycle.at:%F %T}, from {cycle.champion}. {cause}"
    for event in reversed(unit.events(subject=cycle.id, limit=LOOKED_AT)):
        if event.kind == "CycleMoved":
            state = _worded(event.detail["state"])
            yield f"{event.at:%F %T}: {state}, by {event.actor}{_because(event.reason)}."
    for id in cycle.runs:
        run = unit.get(Run, id)
        yield f"Run {run.id} is {run.status}{_because(run.error)}."
    if cycle.snapshot:
        yield from _snapshot(unit, cycle.snapshot)
    if cycle.verdict:
        yield from _verdict(unit.get(Verdict, cycle.verdict))


def _verdict(verdict: Verdict) -> Iterator[str]:
    against = f"against {verdict.champion}" if verdict.champion else "without a champion"
    if not verdict.failed:
        yield f"The gate passed {verdict.version} {against}, on {len(verdict.checks)} checks."
    for check in verdict.failed:
        named = verdict.name(check)
        yield f"The gate refused {verdict.version} {against}: {named}: {check.reason}."
    if verdict.override_reason:
        yield f"A person overrode that: {verdict.override_reason}."


def _snapshot(unit: UnitOfWork, id: str) -> Iterator[str]:
    snapshot = unit.get(Snapshot, id)
    splits = ", ".join(f"{n} {split}" for split, n in snapshot.splits.items())
    yield f"Snapshot {id[:12]} has {snapshot.rows} examples ({splits})."
    if snapshot.parent:
        taught = [item for item in unit.feedback(limit=None) if item.snapshot == id]
        yield f"It extends {snapshot.parent[:12]} by {len(taught)} feedback labels{_by(taught)}."


def _by(items: list[Feedback]) -> str:
    actors = Counter(item.actor for item in items).most_common(3)
    return (
        f", most of them by {', '.join(f'{actor} ({n})' for actor, n in actors)}" if actors else ""
    )


def _worded(state: str) -> str:
    return state.replace("_", " ")


def _ended(cause: str) -> str:
    """Return the cause with a full stop, which people's own words may lack."""
    return f"{cause.rstrip('.')}."


def _because(reason: str) -> str:
    return f", because: {reason.rstrip('.')}" if reason else ""


def _when(prediction: Prediction) -> str:
    return f"{prediction.at:%F %T}"
