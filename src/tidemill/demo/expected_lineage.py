"""What a look-up must tell about an answer, found out by the judge itself.

Nothing here is read from where the product wrote down what a look-up tells: the commit comes from
git, the code's digest from the files, the configuration from resolving it again, and the snapshot
is counted only when its rows still give its id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tidemill.demo.claim import expect
from tidemill.demo.clients import Heard, Reply
from tidemill.domain.types import Snapshot
from tidemill.workspace.planning import plan
from tidemill.workspace.root import Workspace


def lineage(workspace: Workspace, recipe: str, code: Mapping[str, Any]) -> dict[str, Any]:
    """The truth about the champion of a workspace that `code` trained with the defaults."""
    _, experiment = plan(recipe)
    champion = workspace.champion()
    with workspace.ledger.begin(write=False) as unit:
        snapshots = unit.latest(Snapshot)
    expect(len(snapshots) == 1, f"{len(snapshots)} snapshots are kept of the same sample")
    workspace.snapshots.open(snapshots[0].id).verify()
    return {
        "version": champion.id,
        "bundle": workspace.bundles.open(champion.bundle).id,
        "snapshot": snapshots[0].id,
        "run": champion.run,
        "seed": experiment.seed,
        "config": experiment.tree(),
        "code": dict(code),
    }


def compare(reply: Reply, found: Mapping[str, Any], truth: Mapping[str, Any]) -> None:
    """Hold what a look-up tells against what the client got and the truth. Raises Broken."""
    answers = {f"{row['item']}/{row['target']}": row for row in found["answers"]}
    heard = {f"{row.item}/{row.target}": row for row in reply.heard}
    lineage = found["lineage"]
    for name, told, right in (
        ("example", found["example"], reply.payload),
        ("version", found["version"], reply.version),
        *_said(answers, heard),
        # Both may tell more than the judge can find out.
        ("code", _only(lineage["code"], truth["code"]), truth["code"]),
        ("lineage", _only(lineage, truth) | {"code": truth["code"]}, truth),
    ):
        fault = difference(told, right, name)
        expect(not fault, f"the look-up of {reply.id} is wrong: {fault}")


def _said(
    told: Mapping[str, Mapping[str, Any]], heard: Mapping[str, Heard]
) -> Iterator[tuple[str, Any, Any]]:
    """What the look-up tells of each item and target, and what the client heard of them."""
    yield "answers", sorted(told), sorted(heard)
    for name in told.keys() & heard.keys():
        yield f"{name} label", told[name]["label"], heard[name].label
        yield f"{name} probabilities", told[name]["probabilities"], heard[name].probabilities


def difference(told: Any, right: Any, name: str) -> str:
    """The first thing that is told wrongly, as words; empty when all is right."""
    if isinstance(right, Mapping) and isinstance(told, Mapping):
        keys = sorted(told.keys() | right.keys())
        inner = (difference(told.get(key), right.get(key), f"{name}.{key}") for key in keys)
        return next(filter(None, inner), "")
    return "" if told == right else f"{name} is {told!r:.80}, not {right!r:.80}"


def _only(told: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {key: told.get(key) for key in wanted}
