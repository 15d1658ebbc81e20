"""The lineage that a look-up must return, worked out without the product's own records.

The commit comes from git, the code's digest from the files, and the configuration from resolving
it again. The snapshot counts only when its rows still give its id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tidemill.demo.claim import expect
from tidemill.domain.types import Snapshot
from tidemill.testing.clients import Reply, ReplyAnswer
from tidemill.workspace.planning import plan
from tidemill.workspace.workspace import Workspace


def build_expected_lineage(
    workspace: Workspace, recipe: str, code: Mapping[str, Any]
) -> dict[str, Any]:
    """Build the lineage of a champion that `code` trained with the defaults."""
    _, experiment = plan(recipe)
    champion = workspace.champion()
    with workspace.ledger.begin(write=False) as unit:
        snapshots = unit.latest(Snapshot)
    expect(len(snapshots) == 1, f"there are {len(snapshots)} snapshots of the same sample")
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


def check_look_up(reply: Reply, look_up: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Compare a look-up with the client's reply and the expected lineage. Raises ClaimFailed."""
    recorded = {f"{row['item']}/{row['target']}": row for row in look_up["answers"]}
    answers = {f"{row.item}/{row.target}": row for row in reply.answers}
    lineage = look_up["lineage"]
    for name, actual, right in (
        ("example", look_up["example"], reply.payload),
        ("version", look_up["version"], reply.version),
        *_pair_answers(recorded, answers),
        # A look-up may contain more than what is expected.
        ("code", _select(lineage["code"], expected["code"]), expected["code"]),
        ("lineage", _select(lineage, expected) | {"code": expected["code"]}, expected),
    ):
        difference = find_difference(actual, right, name)
        expect(not difference, f"the look-up of {reply.id} is wrong: {difference}")


def _pair_answers(
    recorded: Mapping[str, Mapping[str, Any]], answers: Mapping[str, ReplyAnswer]
) -> Iterator[tuple[str, Any, Any]]:
    """For each item and target: a name, the recorded value, and the client's."""
    yield "answers", sorted(recorded), sorted(answers)
    for name in recorded.keys() & answers.keys():
        yield f"{name} label", recorded[name]["label"], answers[name].label
        yield f"{name} probabilities", recorded[name]["probabilities"], answers[name].probabilities


def find_difference(actual: Any, right: Any, name: str) -> str:
    """Return the first value that differs, as a sentence; empty when none does."""
    if isinstance(right, Mapping) and isinstance(actual, Mapping):
        keys = sorted(actual.keys() | right.keys())
        inner = (find_difference(actual.get(key), right.get(key), f"{name}.{key}") for key in keys)
        return next(filter(None, inner), "")
    return "" if actual == right else f"{name} is {actual!r:.80}, not {right!r:.80}"


def _select(values: Mapping[str, Any], keys: Mapping[str, Any]) -> dict[str, Any]:
    return {key: values.get(key) for key in keys}
